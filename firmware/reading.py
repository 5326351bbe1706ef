"""Reads the beginning of a small file, with one copy in memory. Loaded when it is needed, then let go of."""

from binascii import crc32
from errno import EIO

from flashfile import read
from micropython import const

_LONGEST = const(1100)  # bytes of a file of the node's own: the crash file is the longest


def whole(path, longest):
    """Return the bytes of a file, at most the first `longest`; None: there is no such file. OSError: it cannot be read."""
    data = None

    def checksum(f):
        nonlocal data
        size = min(f.seek(0, 2), longest)
        f.seek(0)
        if data is None or len(data) != size:  # type: ignore[unreachable]  # set by the first call
            data = bytearray(size)
        if f.readinto(data) != size:
            raise OSError(EIO)
        return crc32(data)

    return None if read(path, checksum) is None else data


def text(path):
    """Return the beginning of a file as text, or None: it is not there, or cannot be read, which the console shows."""
    try:
        data = whole(path, _LONGEST)
    except OSError as e:
        print("files: %s cannot be read: %s" % (path, e))
        return None
    if data is None:
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
