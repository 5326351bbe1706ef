"""The RAM of an ESP32 without PSRAM: Python's heap grows out of IDF's, from which Wi-Fi, sockets and TLS take, too.

Python's heap begins with 56 KB, with 80 in a MicroPython of our own. When that is full it grows by as much as it has, and after that, when IDF has not so much in one piece,
by IDF's largest piece, whole (py/gc.c). What IDF has then left may be too little for a socket or for TLS, however much is free in Python's.

IDF's heap is two regions here, with what is free in each in one piece: its own fragments, and what else takes of it (lwIP's packets,
tasks, Bluetooth), are not modelled. Wi-Fi and sockets take small pieces, from the region that has more; the rest wants one piece.
The figures: 94 KB free and 53 of them in one piece, with a Python heap of 112 KB and before Wi-Fi (MicroPython's issue 18859); Wi-Fi
45.5 KB, a TCP socket 4 to 7, TLS 16 and 4 kept and some 15 in the handshake (8940).

What Python takes is looked at between bytecodes, every so often: gc.mem_alloc() less what the simulated board had before, and less what
it will have made for a node that is online and reads twelve sensors (`late`).
"""

import gc
import sys

import micropython
import uos
from micropython import const

_FIRST = const(57344)  # bytes of Python's heap at first
_OURS = const(81920)  # in a MicroPython of our own, which has a ROMFS (boards/)
_BLOCKS = const(40)  # of so many bytes of an area the collector's tables take one
# Jumps of bytecode from one look to the next: one takes as long as some hundred.
_TURNS = const(200)

WIFI = 45_500
TCP = 5_500
UDP = 500
HANDSHAKE = 15_000
_SMALL = 1_600  # as a packet

TOTAL = (81_500, 122_588)
free = [41_000, 110_000]
areas = [_FIRST]
if uos.getenv("OUTPOST_ROM"):
    areas[0] = _OURS
    free[1] -= _OURS - _FIRST
least = free[:]

_base = None  # bytes that are not the program's; None: nobody looks
_left = _TURNS
_exhausted = None  # called when Python's heap can grow no more


def largest():
    return max(free)


def take(size, piece=_SMALL):
    """Take so many bytes, in pieces of one size. Return what give() takes back; None: they are not there, and nothing is taken."""
    look()
    return _take(size, piece)


def _take(size, piece):
    taken = [0] * len(free)
    while size > 0:
        part = min(size, piece)
        i = 0 if free[0] > free[1] else 1
        if free[i] < part:
            give(taken)
            return None
        free[i] -= part
        taken[i] += part
        size -= part
    for i in range(len(free)):
        least[i] = min(least[i], free[i])
    return taken


def give(taken):
    """Give back what take() gave."""
    for i in range(len(taken or ())):
        free[i] += taken[i]
        taken[i] = 0


def info():
    """What esp32.idf_heap_info() returns."""
    look()
    return [(TOTAL[i], free[i], free[i], least[i]) for i in range(len(free))]


def room():
    """Bytes that Python has now."""
    return sum([size - size // _BLOCKS for size in areas])


def grow():
    """Let Python's heap grow. Return whether it did."""
    size = min(sum(areas), largest())
    if size < _SMALL or _take(size, size) is None:
        return False
    areas.append(size)
    print("stand: Python's heap grows by %d bytes, IDF has %d left" % (size, sum(free)))
    return True


def watch(exhausted, late=0):
    """Look at what Python takes, from now on. exhausted: called once, when its heap can grow no more. late: bytes that are not the program's."""
    global _base, _exhausted
    gc.collect()
    _base = gc.mem_alloc() + late
    _exhausted = exhausted
    sys.modules["gc"] = _Gc
    micropython.schedule(_pass, None)


def _pass(_):
    global _left
    _left -= 1
    if _left == 0:
        _left = _TURNS
        look()
    micropython.schedule(_pass, None)


def look():
    """As when an allocation finds no room: collect, and if that does not help, grow."""
    global _exhausted
    if _base is None or gc.mem_alloc() - _base <= room():
        return
    gc.collect()
    while gc.mem_alloc() - _base > room():
        if not grow():
            if _exhausted:
                _exhausted()
                _exhausted = None
            return


class _Gc:
    """`gc` as the program sees it."""

    collect = gc.collect
    enable = gc.enable
    disable = gc.disable
    isenabled = gc.isenabled
    threshold = gc.threshold

    @staticmethod
    def mem_alloc():
        return max(gc.mem_alloc() - _base, 0)

    @staticmethod
    def mem_free():
        """The port adds IDF's largest piece, by which the heap may grow."""
        return max(room() - _Gc.mem_alloc(), 0) + largest()
