"""A simulated board's flash belongs to one process at a time: two would write over each other."""

import shutil
from contextlib import contextmanager

from tools import ROOT, CommandError, said, shell

_LOCK = "lock"
OURS = (ROOT / ".sim", ROOT / ".build")


@contextmanager
def alone(folder, other=""):
    """A node's folder, made if need be. other: how to have another. CommandError: a node runs in it, or there can be no such folder."""
    try:
        own_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    except OSError as e:
        raise CommandError(f"{short(folder)} can be no folder for a node: {e.strerror}") from None
    taken = said(
        f"a node runs in {short(folder)} already: end it{', or ' + other if other else ''}"
    )
    with locked(folder / _LOCK, taken):
        yield


def empty(folder):
    """Remove all in a folder that is held by `alone`."""
    for old in folder.iterdir():
        if old.name != _LOCK:
            shutil.rmtree(old) if old.is_dir() else old.unlink()


@contextmanager
def locked(path, taken):
    """Hold the file `path` as a lock. CommandError, with the words `taken`: another process does."""
    try:
        file = path.open("w")
    except OSError as e:
        raise CommandError(f"{short(path)} cannot be written: {e.strerror}") from None
    with file:
        if not shell.take(file):
            raise CommandError(taken)
        yield


def own_folder(folder):
    """Make a folder that is ours. CommandError: it is not, and not there: it is misspelt, perhaps."""
    if any(folder.is_relative_to(ours) for ours in OURS):
        folder.mkdir(parents=True, exist_ok=True)
    elif not folder.exists():
        raise CommandError(f"there is no folder {short(folder)}: make it, or give another")


def short(path):
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
