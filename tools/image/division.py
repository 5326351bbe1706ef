"""How a MicroPython divides the flash, as its own image says it: where its code ends, where littlefs is, and a ROMFS if it has one.

- Pico: the binary info that picotool reads has littlefs. The object of the ROMFS lies beside that of littlefs, of the same type, and
  its place ends where littlefs begins (ports/rp2/rp2_flash.c).
- ESP32 family: the partition table at 0x8000. Its `vfs` is littlefs, its `romfs` the ROMFS (ports/esp32/esp32_romfs.c, flashbdev.py).

Source: structure.h of the Pico SDK (binary_info_block_device_t); ESP-IDF, "Partition Tables".
"""

import re
import struct
from dataclasses import dataclass

from tools.image.uf2 import LARGEST, XIP
from tools.layouts import BLOCK, Place

TABLE = 0x8000  # where an ESP32 has its partition table
_ENTRY, _MAGIC, _ENTRIES = 32, b"\xaa\x50", 95
_DEVICE = struct.pack("<H2s", 7, b"MP")  # a block device, of MicroPython's
# sys.version, and what stands behind it at the prompt
_VERSION = re.compile(rb"3\.4\.0; (MicroPython [^\0]{0,30}?v(\d+)\.(\d+)[\x20-\x7e]{0,60})\0")
_MACHINE = re.compile(rb"\0(?:; )?(\w[\x20-\x7e]{2,60} with [A-Z0-9]{4,12})\0")


@dataclass(frozen=True)
class Division:
    end: int  # first byte behind the code
    littlefs: Place
    romfs: Place | None
    name: str  # as its prompt begins: version, date, board
    version: tuple[int, int]


def of_pico(flash):
    """Return the Division of a Pico by its flash from the first byte on. ValueError: it does not say where littlefs is."""
    found = []
    for hit in re.finditer(re.escape(_DEVICE), flash):
        if hit.start() % 4 == 0 and hit.start() + 16 <= len(flash):
            address, size = struct.unpack_from("<II", flash, hit.start() + 8)
            place = Place(address - XIP, size)
            if _is_place(place):
                found.append(place)
    if len(set(found)) != 1:
        raise ValueError("does not say where its file system is")
    return _division(flash, len(flash), found[0], _romfs_of_pico(flash, found[0]))


def of_esp32(image, offset):
    """Return the Division of an ESP32 by its image, which begins at an offset of the flash. ValueError: there is no table, or no littlefs."""
    places = {}
    for number in range(_ENTRIES):
        at = TABLE - offset + number * _ENTRY
        entry = image[at : at + _ENTRY]
        if entry[:2] != _MAGIC:
            break
        place = Place(*struct.unpack_from("<II", entry, 4))
        places[entry[12:28].rstrip(b"\0").decode("ascii", "replace")] = place
    if not places:
        raise ValueError(f"has no partition table at {TABLE:#x}")
    if "vfs" not in places:
        raise ValueError(f"has no partition `vfs`, but {', '.join(places)}")
    for name in ("vfs", "romfs"):
        if name in places and not _is_place(places[name]):
            raise ValueError(f"has a partition `{name}` that is not whole blocks of its flash")
    return _division(image, offset + len(image), places["vfs"], places.get("romfs"))


def _division(image, end, littlefs, romfs):
    version = _VERSION.search(image)
    if not version:
        raise ValueError("does not say which MicroPython it is")
    machine = _MACHINE.search(image)
    names = [found[1].decode("ascii", "replace") for found in (version, machine) if found]
    return Division(end, littlefs, romfs, "; ".join(names), (int(version[2]), int(version[3])))


def _romfs_of_pico(flash, littlefs):
    words = struct.unpack_from(f"<{len(flash) // 4}I", flash)
    pairs = list(zip(words, words[1:], words[2:], strict=False))
    kinds = {kind for kind, *place in pairs if place == [littlefs.offset, littlefs.size]}
    found = {
        Place(offset, size)
        for kind, offset, size in pairs
        if kind in kinds and offset + size == littlefs.offset
    }
    found = {place for place in found if _is_place(place)}
    return found.pop() if len(found) == 1 else None


def _is_place(place):
    inside = place.offset > 0 < place.size and place.end <= LARGEST
    return inside and not (place.offset | place.size) % BLOCK
