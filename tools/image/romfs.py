"""Reads MicroPython's ROMFS (extmod/vfs_rom.c, which describes the format): records of kind, length and contents, one in the other."""

MAGIC = b"\xd2\xcd\x31"
_VERBATIM, _POINTER, _DIRECTORY, _FILE = 2, 3, 4, 5


def entries(data):
    """Yield (path, offset, size) of each folder and file, a folder before what is in it. size: None for a folder, whose offset is its first record's.

    ValueError: no ROMFS, or one that is cut short.
    """
    end = size(data)
    if end > len(data):
        raise ValueError(f"a ROMFS of {end:,} bytes, of which {len(data):,} are there")
    try:
        _, at = number(data, len(MAGIC))
        yield from _records(data, at, end, "")
    except IndexError:
        raise ValueError("a ROMFS that is cut short") from None


def size(data):
    """Return the bytes of a ROMFS that begins so. ValueError: none does."""
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("no ROMFS: it does not begin like one")
    try:
        length, at = number(data, len(MAGIC))
    except IndexError:
        raise ValueError("a ROMFS that is cut short") from None
    return at + length


def _records(data, at, end, folder):
    while at < end:
        kind, at = number(data, at)
        length, at = number(data, at)
        after = at + length
        if kind in (_DIRECTORY, _FILE):
            length, at = number(data, at)
            path = folder + data[at : at + length].decode()
            at += length
            if kind == _DIRECTORY:
                yield path, at, None
                yield from _records(data, at, after, path + "/")
            else:
                yield path, *_contents(data, at, after)
        at = after


def _contents(data, at, end):
    """Return (offset, size) of a file's contents."""
    while at < end:
        kind, at = number(data, at)
        length, at = number(data, at)
        if kind == _VERBATIM:
            return at, length
        if kind == _POINTER:
            length, at = number(data, at)
            return number(data, at)[0], length
        at += length
    raise ValueError("a file without contents")


def number(data, at):
    """Return a number of seven bits a byte, the highest first, and where it ends."""
    value = 0
    while True:
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at
