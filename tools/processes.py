"""Child processes that do not outlive us.

Each is a process group of its own: a Ctrl-C on the terminal reaches us alone, and we stop the children in the order we
want. Whatever is left when the interpreter ends is killed.
"""

import atexit
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from typing import Any

_running: list[subprocess.Popen] = []


def start(words: Iterable[object], **options: Any) -> subprocess.Popen:
    """subprocess.Popen in a process group of its own, killed at exit."""
    process = subprocess.Popen([str(word) for word in words], start_new_session=True, **options)
    _running[:] = [child for child in _running if child.returncode is None]
    _running.append(process)
    return process


def stop(process: subprocess.Popen, patience: float = 5) -> int:
    """Ask a process of `start` to end, give it `patience` seconds, then make it. Returns its exit code."""
    if process.poll() is None:
        process.terminate()
        deadline = time.monotonic() + patience
        while not _ended(process):
            if time.monotonic() > deadline:
                break
            time.sleep(0.005)
    return kill(process)


def kill(process: subprocess.Popen) -> int:
    """End a process of `start` and its group at once. Returns its exit code."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return process.wait()


def _ended(process: subprocess.Popen) -> bool:
    """Looked at, not reaped: until `kill` has reaped it, nothing else can have its number. (macOS can look from Python 3.13 on only.)"""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except (
        ChildProcessError
    ):  # it has been reaped: terminate() looks first, and finds what has just ended
        return True


@atexit.register
def _kill_all() -> None:
    for process in _running:
        kill(process)
