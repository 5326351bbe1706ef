"""`os` of the boards: `uname` and `sync` are there, the host's shell and environment are not.

The flash is the current directory. `statvfs` counts its files in blocks, as littlefs does, unless it is a littlefs.
"""

from collections import namedtuple

from uos import (
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    remove,
    rename,
    rmdir,
    sep,
    stat,
    unlink,
    urandom,
)
from uos import statvfs as _statvfs

import sim

_BLOCK = 4096
_BLOCKS = 512 if sim.ESP32 else 212
_INLINE = 128 if sim.ESP32 else 512  # a file so small lives in its directory's own block

_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


def uname():
    port = "esp32" if sim.ESP32 else "rp2"
    machine = "Generic ESP32 module with ESP32" if sim.ESP32 else "Raspberry Pi Pico W with RP2040"
    return _Uname(port, port, "1.25.0", "v1.25.0 on 2025-04-15", machine)


def sync():
    """Does nothing, as with littlefs: a file's data is safe after flush() or close()."""


def _blocks(path):
    used = 2
    for entry in ilistdir(path):
        name = path + "/" + entry[0]
        if entry[1] & 0x4000:
            used += _blocks(name)
        else:
            size = stat(name)[6]
            used += -(-size // _BLOCK) if size > _INLINE else 0
    return used


def statvfs(path):
    if sim.flash:
        return _statvfs("/flash")
    free = max(_BLOCKS - _blocks("."), 0)
    return (_BLOCK, _BLOCK, _BLOCKS, free, free, 0, 0, 0, 0, 255)
