"""Reads and writes UF2, what the drive of a Pico's boot loader takes: blocks of 512 bytes, each with a piece of flash and its address.

The boot ROM starts the board when it has every block of its family, by their numbers. It erases 4 KB when the first block of them
comes, so whoever writes some of them writes all.

Source: the UF2 specification; RP2040 data sheet, 2.8.4.2; RP2350 data sheet, 5.5 and erratum E10 (a first block of another family).
"""

import struct

XIP = 0x10000000  # the address of the flash's first byte
LARGEST = 16 << 20  # bytes: no chip reaches more flash
PAGE = 256  # bytes of flash in a block
_BLOCK = 512
_NUMBER = 20  # where a block has its number, behind it how many there are
_FAMILY_IS_THERE = 0x2000  # flags
_NOT_FLASH = 0x0001
_FIRST, _SECOND, _LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30


def read(image, family):
    """Yield (offset in flash, bytes) of each block of a family. ValueError: no UF2, or a block that cannot be flash's."""
    for raw in _blocks(image):
        _, _, flags, address, length, _, _, of = struct.unpack_from("<8I", raw)
        if not _is(flags, of, family):
            continue
        if not XIP <= address < XIP + LARGEST or length > PAGE or address % PAGE:
            raise ValueError(f"has a block for {address:#x}, which is no page of flash")
        yield address - XIP, raw[32 : 32 + length]


def flash(image, family):
    """Return what a UF2 has of the flash, from its first byte on; 0xff where no block is."""
    pieces = list(read(image, family))
    found = bytearray(b"\xff" * max((at + len(data) for at, data in pieces), default=0))
    for at, data in pieces:
        found[at : at + len(data)] = data
    return bytes(found)


def join(image, family, regions):
    """Return a UF2 with further {offset: bytes} of flash, each whole pages. What is of another family stays as it is."""
    mine: list[bytearray] = []
    others: list[bytearray] = []
    for raw in _blocks(image):
        flags, of = struct.unpack_from("<I", raw, 8)[0], struct.unpack_from("<I", raw, 28)[0]
        (mine if _is(flags, of, family) else others).append(bytearray(raw))
    for offset, data in sorted(regions.items()):
        for at in range(0, len(data), PAGE):
            mine.append(_block(XIP + offset + at, data[at : at + PAGE], family))
    for number, raw in enumerate(mine):
        struct.pack_into("<II", raw, _NUMBER, number, len(mine))
    return b"".join(others + mine)


def write(regions, family):
    """Return a UF2 of {offset: bytes}, each whole pages."""
    return join(b"", family, regions)


def of_bin(image, family):
    """Return the UF2 of a flash from its first byte on."""
    return write({0: image + bytes(-len(image) % PAGE)}, family)


def _is(flags, of, family):
    return flags & _FAMILY_IS_THERE and of == family and not flags & _NOT_FLASH


def _block(address, data, family):
    raw = bytearray(_BLOCK)
    struct.pack_into(
        "<8I", raw, 0, _FIRST, _SECOND, _FAMILY_IS_THERE, address, len(data), 0, 0, family
    )
    raw[32 : 32 + len(data)] = data
    struct.pack_into("<I", raw, _BLOCK - 4, _LAST)
    return raw


def _blocks(image):
    if len(image) % _BLOCK:
        raise ValueError("is cut off")
    for at in range(0, len(image), _BLOCK):
        raw = image[at : at + _BLOCK]
        if struct.unpack_from("<2I", raw) != (_FIRST, _SECOND) or raw[-4:] != struct.pack(
            "<I", _LAST
        ):
            raise ValueError(f"is damaged at byte {at}")
        yield raw
