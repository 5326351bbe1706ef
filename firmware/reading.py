"""Small files of a flash that may fail to read. In memory only while it is needed.

What is read twice is believed: after an error littlefs may give what the file held before, without a word (lib/outbox_reading.py).
"""

import os
from errno import EIO

from micropython import const
from outbox_reading import is_nothing, patiently, settle

_PIECE = const(256)
_LONGEST = const(1100)  # bytes of a file as text: the crash file is the longest


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


def text(path):
    """Return the beginning of a file as text, or None: it is not there, or cannot be read, which the console shows."""
    try:
        data = whole(path, _LONGEST)
    except OSError as e:
        if not is_nothing(e):
            print("files: %s cannot be read: %s" % (path, e))
        return None
    try:
        return data.decode()
    except UnicodeError:  # not ours any more
        return bytes([byte if byte < 128 else 63 for byte in data]).decode()


def number(path, least, most):
    """Return the whole number in a file; least if it is not between these two, or there is none."""
    try:
        found = int(text(path) or "0")
    except ValueError:
        return least
    return found if least < found < most else least


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
