"""Joins a MicroPython and the image into one file: a .uf2 for the drive of a Pico's boot loader, a .bin for esptool.

A board that has it opens its page for settings (docs/provisioning.md), as it holds a node without any. In it are MicroPython as it was
given, and a littlefs with boot.py, main.py and `state/slot`. The image lies

- in place, where MicroPython has a ROMFS: in its first slot (`rom0`), or in all of it if it is larger than a slot (`rom`)
- else as a file on the littlefs (`slots/a`)

The littlefs begins anew, so what was on the board is lost: settings, readings, counters. The same files give the same bytes.
"""

import json
import re

from tools import CommandError, mpy
from tools.image import division, filesystem, image, micropython, uf2
from tools.image.micropython import BAD_IMAGE
from tools.layouts import BLOCK, LAYOUTS
from tools.models import BOARDS, MICROPYTHON, PICO

_SLOT, _WHOLE, _FILE = "rom0", "rom", "slots/a"
# The first line of the image's index, which lies in one piece whichever way the image is kept.
_INDEX = re.compile(rb"%s (\S{1,40}) \d+ [0-9a-f]{64}\n" % image.NAME.encode())


def model(board):
    """The Model of a board of LAYOUTS."""
    return BOARDS.get(board, PICO)


def name(version, board):
    return f"{image.NAME}-{version}-{board.name}{board.suffix}"


def version(data, board):
    """The version of the Outpost in a file for a board, None if it is MicroPython alone. data: what `micropython.check` has passed."""
    if board.family:
        try:
            data = b"".join(piece for _, piece in uf2.read(data, board.family))
        except ValueError:
            return None  # not of ours
    found = _INDEX.search(data)
    return found[1].decode() if found else None


def look(path, board):
    """Return the Division of a MicroPython for a board. CommandError: it is none, or one that nothing can be joined to."""
    micropython.check(path, board)
    data = micropython.read(path)
    try:
        if version(data, board):
            raise ValueError("has Outpost in it already: give MicroPython alone")
        if board.family:
            found = division.of_pico(uf2.flash(data, board.family))
        else:
            found = division.of_esp32(data, board.offset)
        _check(found, board)
    except ValueError as e:
        raise CommandError(f"{path} {e}", BAD_IMAGE) from None
    return found


def _check(found, board):
    if found.version < MICROPYTHON:
        least = ".".join(map(str, MICROPYTHON))
        raise ValueError(f"is {found.name}: Outpost needs {least} or newer")
    layout = LAYOUTS[board.name]
    if found.romfs and (found.romfs, found.littlefs) != (layout.romfs, layout.littlefs):
        raise ValueError(
            f"has a ROMFS of {found.romfs.size:,} bytes at {found.romfs.offset:#x} and littlefs at {found.littlefs.offset:#x}, "
            f"where boards/{board.name} has {layout.romfs.size:,} at {layout.romfs.offset:#x} and {layout.littlefs.offset:#x}"
        )
    free = min(place.offset for place in (found.romfs, found.littlefs) if place)
    if -(-found.end // BLOCK) * BLOCK > free:
        raise ValueError(
            f"is too large: it ends at {found.end:#x}, and its file system begins at {free:#x}"
        )


def join(path, board, files, made):
    """Return (the file that makes a board a node, the slot that the image is in).

    path: a MicroPython; files: {path on the board: bytes} with boot.py and main.py; made: the Image. CommandError: it cannot be, and why.
    """
    found = look(path, board)
    slot, regions = _regions(path, found, board, files, made)
    data = micropython.read(path)
    if board.family:
        return uf2.join(data, board.family, regions), slot
    for offset, region in sorted(regions.items()):
        data = data.ljust(offset - board.offset, b"\xff") + region
    return data, slot


def _regions(path, found, board, files, made):
    """Return the slot, and {offset in flash: whole blocks}."""
    regions = {}
    on_littlefs = {name: files[name] for name in mpy.STARTED}
    if not found.romfs:
        slot = _FILE
        on_littlefs[slot] = made.data
    elif len(made.data) > found.romfs.size:
        raise CommandError(
            f"the image has {len(made.data):,} bytes, and the ROMFS of {board.name} {found.romfs.size:,}: "
            f"{path} runs images in place, give an official MicroPython, which runs them from a file",
            BAD_IMAGE,
        )
    else:
        slot = _SLOT if len(made.data) <= LAYOUTS[board.name].slot else _WHOLE
        regions[found.romfs.offset] = made.data.ljust(-(-len(made.data) // BLOCK) * BLOCK, b"\xff")
    on_littlefs["state/slot"] = json.dumps({"good": slot}).encode()
    unit = filesystem.PICO if board.family else filesystem.ESP32
    try:
        made_fs = filesystem.make(on_littlefs, found.littlefs.size // BLOCK, unit)
    except ValueError as e:
        raise CommandError(f"{path} is for a board that is too small: {e}", BAD_IMAGE) from None
    regions[found.littlefs.offset] = made_fs
    return slot, regions
