"""Files that a user cares for, such as a config.json with its passwords: after a write there is the old content or the new, never half of one."""

import os
from contextlib import suppress
from pathlib import Path

from tools import CommandError


def write(path, text, mode=0o666):
    """Put the text into a file, in UTF-8, its newlines as they are. Of a link, into the file that it leads to. CommandError: it cannot be.

    mode: of a file that is new, less what the umask takes.
    """
    target = Path(path).resolve()
    beside = target.with_name(target.name + ".new")
    try:
        try:
            _write(beside, text, like=target, mode=mode)
            beside.replace(target)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
    except OSError as e:
        why = (e.strerror or str(e)).lower()
        kept = "; it is as it was" if os.path.exists(target) else ""
        raise CommandError(f"{path} cannot be written: {why}{kept}") from None


def _write(path, text, like, mode):
    """Write a new file, whose owner and rights are another's, if that is there."""
    with suppress(FileNotFoundError):
        path.unlink()  # of a run that was killed
    old = like.stat() if like.exists() else None
    # Nobody else reads it before it has the rights of the old one.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if old else mode)
    with open(fd, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if old:
        if hasattr(os, "chown"):
            with suppress(OSError):  # who is not root keeps what is his anyway
                os.chown(path, old.st_uid, old.st_gid)
        path.chmod(old.st_mode & 0o7777)
