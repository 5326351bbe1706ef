"""Makes a littlefs as MicroPython would have made it, for a board that has not started yet.

All of it lies in the first blocks of its place, and each of those is written: one of the two blocks of a folder is blank at first, and an
older folder left in it would count as the newer state.
"""

from littlefs import LittleFS, UserContext
from littlefs.errors import LittleFSError

from tools.layouts import BLOCK

DISK_VERSION = 0x00020001  # as MicroPython writes it from 1.25 on, and reads it
# Bytes that each port programs at once: of that depends what is kept inside a folder.
PICO, ESP32 = 256, 32
_FOLDER = 2  # blocks


def make(files, blocks, unit):
    """Return the first bytes, whole blocks, of a littlefs of so many blocks with {path: bytes}. ValueError: they do not fit."""
    least = sum(-(-len(data) // BLOCK) for data in files.values()) + _FOLDER
    for room in range(least, blocks + 1):
        try:
            return _made(files, room, blocks, unit)
        except LittleFSError:
            continue
    raise ValueError(f"the files do not fit {blocks * BLOCK:,} bytes")


def _made(files, room, blocks, unit):
    fs = _littlefs(room, unit)
    fs.format()
    fs.mount()
    for path, data in sorted(files.items()):
        folder = path.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(path, "wb") as file:
            file.write(data)
    # Where littlefs begins to look for free blocks depends on what is in it: in a small one all lies together.
    if blocks > room:
        fs.fs_grow(blocks)
    fs.unmount()
    return bytes(fs.context.buffer)


def _littlefs(blocks, unit):
    return LittleFS(
        context=UserContext(blocks * BLOCK),
        block_size=BLOCK,
        block_count=blocks,
        read_size=32,
        prog_size=unit,
        cache_size=4 * unit,
        lookahead_size=32,
        disk_version=DISK_VERSION,
        mount=False,
    )
