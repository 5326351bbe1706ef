"""`vfs` of a board whose MicroPython has a ROMFS partition: `OUTPOST_ROM` names the file that it is. Without one there is none, as in official images.

The partition is mapped, not read: in place means that nothing of it is on the heap.
"""

import uctypes
import uos
from vfs import *  # noqa: F403

import sim

_PROT_READ = 1
_MAP_SHARED = 1

_mmap = sim.libc.func("P", "mmap", "PLiiil")


def mapped(path):
    """Return a file's bytes, in place."""
    size = uos.stat(path)[6]
    with open(path, "rb") as f:
        return uctypes.bytearray_at(_mmap(0, size, _PROT_READ, _MAP_SHARED, f.fileno(), 0), size)


if uos.getenv("OUTPOST_ROM"):
    _rom = mapped(uos.getenv("OUTPOST_ROM"))

    def rom_ioctl(op, *args):
        """Only what boot.py asks for: the first partition."""
        if (op,) + args != (2, 0):
            raise ValueError("rom_ioctl %d is not simulated" % op)
        return _rom
