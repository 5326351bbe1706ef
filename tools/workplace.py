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

from tools import CommandError

# On a disk before in memory: with the sources a build takes some 250 MB.
PLACES = ("/var/tmp", "/tmp")


def plain(folder):
    """True for a name that a shell takes as it is, with room for the names below it."""
    return bool(re.fullmatch(r"[A-Za-z0-9/._+-]{1,120}", str(folder)))


@contextmanager
def within(folder, parts):
    """Yield `folder`, or when its name is not plain a temporary folder with copies of these parts of it, removed afterwards."""
    if plain(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="outpost-", dir=_place()) as name:
        for part in parts:
            shutil.copytree(folder / part, Path(name) / part, symlinks=True)
        yield Path(name)


def _place():
    for place in (os.environ.get("TMPDIR"), *PLACES):
        if place and plain(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    raise CommandError(
        "no folder to build in: name one without spaces in the environment variable TMPDIR"
    )
