"""Commands that the set-up runs, what it shows of them, and its lock. The standard library alone, on every system."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tools import ROOT, CommandError

LOCK = ROOT / ".build" / "setup.lock"
LOG = ROOT / ".build" / "setup.log"


def say(text: str) -> None:
    print(text, flush=True)


def show(text: str) -> None:
    """One line that is written over; nothing where no one watches."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stdout.write("\r\x1b[K" + text[:width])
        sys.stdout.flush()


@contextmanager
def locked() -> Iterator[None]:
    """One set-up at a time in one checkout."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        if not take(file):
            say("Waiting for another set-up of this checkout.")
            while not take(file):
                time.sleep(0.1)
        yield


def take(file: IO) -> bool:
    """Lock an open file until it is closed. False: another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_root() -> bool:
    """True for the user who may install programs. Windows has none."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def command(
    words: Sequence[str | Path],
    progress: Callable[[str], str | None] | None = None,
    **options: Any,
) -> None:
    """Run a command and show what `progress(line)` makes of its lines; CommandError with the last others if it fails."""
    lines = []
    with subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    ) as process:
        try:
            for line in process.stdout or ():
                text = progress and progress(line)
                if text:
                    show(text)
                else:
                    lines.append(line)
        except BaseException:
            process.terminate()
            raise
        finally:
            show("")
    if process.returncode:
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text("".join(lines))
        told = "".join(lines[-8:]).strip()
        name = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
        raise CommandError(f"{name} failed ({process.returncode}; all of it: {LOG}):\n{told}")


def output(words: Sequence[str | Path]) -> str:
    """What a command prints; "" when it cannot run."""
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, errors="replace", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
