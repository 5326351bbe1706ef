"""Small files on a flash that may fail: read with patience, and written whole; and no Ctrl-C in the middle of littlefs.

When littlefs (2.x) cannot read, it takes what is in its cache for the answer. After an error it may find an old directory, or none, and
answer ENOENT or an old listing, without any error. So an answer counts when it comes twice.

On a Pico a Ctrl-C takes effect wherever littlefs reads or writes a block (ports/rp2/rp2_flash.c, mp_event_handle_nowait). The call that
changes something is then left half done, its list of free blocks, too, and what writes next, if only a file that closes, may be given
blocks of other files. So whatever changes files stands in

    with uninterrupted, open(path, "wb") as f:
        ...

Ctrl-C does nothing meanwhile: press it again. What reads may be interrupted.
"""

import gc
import os
import sys
from errno import EIO, EISDIR, ENOENT, ENOMEM

import micropython
from micropython import const

BESIDE = ".new"  # added to a path: the file that is to replace it, while that is being written
_TRIES = const(3)
_NOTHING = (ENOENT, EISDIR, 20)  # no file of ours; ENOTDIR
# Other boards' flash heeds no Ctrl-C, and a simulated node has to end at one: there `int`, which does nothing.
kbd_intr = micropython.kbd_intr if sys.platform == "rp2" else int
# `with` calls two functions; an object of a class that has them takes 270 bytes more than the module that has them.
uninterrupted = sys.modules[__name__]  # type: Any  # type: ignore[name-defined]
depth = 0  # how many `with` are open


def __enter__():
    kbd_intr(-1)
    try:
        # MicroPython looks for a Ctrl-C at each branch: one that came before is raised at this one, not in littlefs.
        if uninterrupted.depth >= 0:
            uninterrupted.depth += 1
    except KeyboardInterrupt:
        kbd_intr(3)
        raise


def __exit__(kind, error, where):
    uninterrupted.depth -= 1
    if not uninterrupted.depth:
        kbd_intr(3)


def patiently(read, path):
    """Return read(path). After an error try again, twice: it may pass. OSError: it did not pass, or there is no such file.

    ENOENT counts when it comes twice: littlefs may take an error of the flash for a missing file. ENOMEM: a file needs some
    memory in one piece, and that was not free.
    """
    absent = False
    code = EIO
    for _ in range(_TRIES):
        try:
            return read(path)
        except (OSError, MemoryError) as e:
            gc.collect()
            code = ENOMEM if isinstance(e, MemoryError) else EIO
            if settle(path) and is_nothing(e):
                if absent:
                    raise
                absent = True
    raise OSError(code)


def settle(path):
    """After an error, let littlefs read something else. Return whether it can.

    Otherwise it takes its cache for what it could not read, and finds an old directory there, or none.
    """
    try:
        os.statvfs(path)  # reads all directories
        return True
    except OSError as e:
        return e.errno == ENOENT  # another file system, to which the path matters


def is_nothing(error):
    """Does an error say that there is no such file? Any other error may pass, and tells nothing of what is there."""
    return isinstance(error, OSError) and error.errno in _NOTHING


def read(path, parse):
    """Return parse(open file), once it came out the same twice; None: there is no such file. OSError: it cannot be read."""

    def twice(path):
        with open(path, "rb") as f:
            found = parse(f)
        if settle(path):
            with open(path, "rb") as f:
                if parse(f) == found:
                    return found
        raise OSError(EIO)

    try:
        return patiently(twice, path)
    except OSError as e:
        if is_nothing(e):
            return None
        raise


def write(path, content):
    """Replace a file, and make its folder if there is none: after a power cut the old content is there or the new, never half.

    content: text, bytes, or a function that writes it to the open file. OSError, MemoryError: the file is as it was.
    """
    beside = path + BESIDE
    with uninterrupted:
        try:
            f = open(beside, "wb")
        except OSError as e:
            folder = path.rpartition("/")[0]
            if e.errno != ENOENT or not folder:
                raise
            os.mkdir(folder)
            f = open(beside, "wb")
        with f:
            if callable(content):
                content(f)
            else:
                f.write(content)
        os.rename(beside, path)
