"""Who may log in: a file with a line for each, `name:scrypt:N:r:p:salt:key`, readable by its owner alone. No password is kept.

scrypt takes 16 MB and some 50 ms for a guess (N = 2^14, r = 8, p = 1), so a stolen file is no list of passwords.
"""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from tools import CommandError, unreadable
from tools.wholefile import write

SHORTEST = 8  # characters of a password
LONGEST = 1_000
_NAME = re.compile(r"[\w.@-]{1,64}")
_COST = (2**14, 8, 1)
_MEMORY = 64 * 1024 * 1024
_LINE = re.compile(r"([\w.@-]{1,64}):scrypt:(\d+):(\d+):(\d+):([0-9a-f]{32}):([0-9a-f]{64})")


class Users:
    """A file of users, read again when it changes."""

    def __init__(self, path: str | Path) -> None:
        """CommandError: it cannot be read, or is not such a file."""
        self.path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._lines: dict[str, re.Match] = {}
        self._nobody = _line("nobody", secrets.token_hex(16))
        self._read()

    def __contains__(self, name: str) -> bool:
        return name in self._now()

    def __len__(self) -> int:
        return len(self._now())

    def check(self, name: str, password: str) -> bool:
        """Is that the user's password? Takes as long for a name that is not there."""
        known = self._now().get(name)
        found = known or _LINE.fullmatch(self._nobody)
        assert found
        cost = (int(found[2]), int(found[3]), int(found[4]))
        key = _key(password, bytes.fromhex(found[5]), cost)
        return hmac.compare_digest(key, bytes.fromhex(found[6])) and known is not None

    def _now(self) -> dict[str, re.Match]:
        try:
            stat = self.path.stat()
            if (stat.st_mtime_ns, stat.st_ino, stat.st_size) != self._seen:
                self._read()
        except (OSError, CommandError):
            self._seen, self._lines = None, {}  # without the file nobody is let in
        return self._lines

    def _read(self) -> None:
        text, stat = _text(self.path)
        lines = {}
        for number, line in enumerate(text.splitlines(), 1):
            found = _LINE.fullmatch(line)
            if not found:
                raise CommandError(
                    f"{self.path}, line {number}: is no user: make page ADD_USER=name USERS={self.path} makes one"
                )
            lines[found[1]] = found
        self._lines = lines
        self._seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)


def add(path: Path, name: str, password: str) -> bool:
    """Put a user into the file, made if needed. Return whether the name was there: it has the new password then.

    CommandError: name or password will not do, or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is no name of a user: give at most 64 letters, digits and . _ - @"
        )
    if not SHORTEST <= len(password) <= LONGEST:
        raise CommandError(
            f"that password has {len(password)} characters: give {SHORTEST} to {LONGEST}"
        )
    lines = _text(path)[0].splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition(":")[0] != name]
    write(path, "\n".join([*kept, _line(name, password)]) + "\n", 0o600)
    return len(kept) < len(lines)


def _text(path: Path) -> tuple[str, os.stat_result]:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(), os.fstat(file.fileno())
    except OSError as e:
        raise CommandError(
            f"{unreadable(path, e)}: make page ADD_USER=name USERS={path} makes it"
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no text in UTF-8") from None


def _line(name: str, password: str) -> str:
    salt = secrets.token_bytes(16)
    cost = ":".join(str(each) for each in _COST)
    return f"{name}:scrypt:{cost}:{salt.hex()}:{_key(password, salt, _COST).hex()}"


def _key(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)
