"""Small files of a flash that may fail to read. In memory only while it is needed.

What is read twice is believed: after an error littlefs may give what the file held before, without a word (lib/outbox_reading.py).
"""

import os
from errno import EIO

from micropython import const
from outbox_reading import is_nothing, patiently, settle

_PIECE = const(256)


def whole(path, longest):
    """Return what a file holds, its first bytes if there are more than longest. OSError: there is none, or it cannot be read."""
    return patiently(lambda path: _said_twice(path, longest), path)


def content(path, longest):
    """As whole(), but b"" if there is no such file. OSError: it cannot be read, and is not to be written over."""
    try:
        return whole(path, longest)
    except OSError as e:
        if is_nothing(e):
            return b""
        raise


def _said_twice(path, longest):
    size = os.stat(path)[6]
    with open(path, "rb") as f:
        data = f.read(min(size, longest))
    complete = len(data) == min(size, longest)
    if complete and settle(path) and os.stat(path)[6] == size and _is(path, data):
        return data
    raise OSError(EIO)


def _is(path, data):
    """In pieces: there may be no room for all of it twice."""
    with open(path, "rb") as f:
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            if f.read(len(piece)) != piece:
                return False
    return True
