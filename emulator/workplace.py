"""A folder to build in, whatever the checkout is called.

MicroPython's Makefiles and the Pico SDK's cmake hand names of folders to a shell, unquoted: a space or a parenthesis in
one ends the build, far from its cause.
"""

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import CommandError, shell

# On a disk before in memory: with the sources a build takes some 250 MB.
PLACES = ("/var/tmp", "/tmp")
PREFIX = "outpost-"
LOCK = "outpost-build.lock"


def plain(folder):
    """True for a name that a shell takes as it is, with room for the names below it."""
    return bool(re.fullmatch(r"[A-Za-z0-9/._+-]{1,120}", str(folder)))


@contextmanager
def within(folder, parts):
    """Yield `folder`, or when its name is not plain a temporary folder with copies of these parts of it, removed afterwards."""
    if plain(folder):
        yield folder
        return
    place = Path(_place())
    for left in leftovers(place):
        shell.say(f"      removing {left}, which an earlier build left behind")
        remove(left)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with in_use(home):
        try:
            for part in parts:
                shutil.copytree(folder / part, home / part, symlinks=True)
            yield home
        except (KeyboardInterrupt, SystemExit):
            shell.say(f"\nstopping; removing {home}")
            raise
        finally:
            remove(home)


@contextmanager
def in_use(folder):
    """Hold a folder's lock: a leftover is one that has a lock which nobody holds."""
    new = folder / "new.lock"
    with new.open("w") as file:  # it gets its name when it is held
        shell.take(file)
        new.rename(folder / LOCK)
        yield


def leftovers(place):
    """Yield the folders of builds that were killed."""
    for lock in place.glob(f"{PREFIX}*/{LOCK}"):
        try:
            with lock.open("r+") as file:
                left = shell.take(file)
        except OSError:  # somebody else's
            continue
        if left:
            yield lock.parent


def remove(folder):
    """Its lock last: what a second Ctrl-C leaves behind is still known for a leftover."""
    for path in folder.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _place():
    for place in (os.environ.get("TMPDIR"), *PLACES):
        if place and plain(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    raise CommandError(
        "no folder to build in: name one without spaces in the environment variable TMPDIR"
    )
