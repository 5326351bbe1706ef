"""Reading from a flash that may fail: what is said twice is believed.

littlefs (2.x) takes the contents of its cache for what it could not read. After an error it may so find an old directory, or none,
and says ENOENT or lists what was there before, without any error.
"""

import gc
import os
from errno import EIO, EISDIR, ENOENT, ENOMEM

from micropython import const

_TRIES = const(3)
_NOTHING = (ENOENT, EISDIR, 20)  # no file of ours; ENOTDIR


def patiently(read, path):
    """Return read(path); after an error once more, and again: it may pass. OSError: it did not, or there is no such file.

    littlefs may take an error of the flash for a file that is not there: that is believed when it is said twice. ENOMEM: what a file
    takes in one piece was not free.
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
    """After an error: have littlefs read something else. Return whether it can.

    It believes that its cache holds what it could not read, and finds an old directory in it, or none.
    """
    try:
        os.statvfs(path)  # reads all directories
        return True
    except OSError as e:
        return e.errno == ENOENT  # another file system, to which the path matters


def is_nothing(error):
    """Does an error say that there is no such file? Any other may pass, and says nothing of what is there."""
    return isinstance(error, OSError) and error.errno in _NOTHING
