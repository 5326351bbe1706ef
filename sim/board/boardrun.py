"""The simulated board at power-on: `micropython boardrun.py`, current directory = its flash.

boot.py; main.py unless boot.py raised; then the prompt, where a board waits for its user and a node is dead: the
process ends with `sim.EXIT["repl"]`. SystemExit from either is a soft reset.

Environment: OUTPOST_BOARD, OUTPOST_RETAINED and OUTPOST_SCENARIO (docs/architecture.md); OUTPOST_FLASH, an image that is the
flash instead (norflash.py); OUTPOST_ROM, a file that is the ROMFS partition (_vfs.py); OUTPOST_HEAP, KB for the node, not counting what is loaded by then; OUTPOST_IDF=1, its RAM is that of an ESP32 without PSRAM (_idf.py); OUTPOST_CONTROL=1, more events come on standard input; OUTPOST_SEED, chance; OUTPOST_SERIAL,
the last six digits of its address; OUTPOST_ELAPSED, the world's age in ms. sim/simboard.py sets them all.
"""

import gc
import sys

_HERE = __file__[: __file__.rfind("/")] if "/" in __file__ else "."
sys.path[:] = [_HERE, "", ".frozen", "lib"]

import socket  # noqa: E402  (umqtt's `usocket` is this one from here on)
import time  # noqa: E402

import stand  # noqa: E402

import sim  # noqa: E402

_LATE = 2000  # bytes that the fakes take later: what a node keeps here, less what `make bench-heap` says
_GROWN = 12000  # bytes: the table has room for all names of the device then
_NAMES = 8800  # bytes of a board's table with a node's 900 names; where an image runs in place they stand in MicroPython's own (boards/common/names.py)
_SOFT_RESETS = 100  # in one life of a board; a loop of them is a bug that must end


def _run(path):
    """Execute a file of the flash in a fresh name space. True unless it raised."""
    try:
        with open(path) as f:
            code = compile(f.read(), path, "exec")
        exec(code, {"__name__": "__main__", "__file__": path})
    except (SystemExit, sim.Reset):
        raise
    except OSError as e:
        if e.errno != 2 or path in stand.uos.listdir():
            sys.print_exception(e)
            return False
    except BaseException as e:
        sys.print_exception(e)
        return False
    return True


def _life():
    for _ in range(_SOFT_RESETS):
        try:
            if _run("boot.py"):
                _run("main.py")
            print("MicroPython v1.25.0; simulated", sim.BOARD + ": the prompt")
            while sim.wdt_ms:  # it bites here too
                sim.sleep(1000)
            return
        except SystemExit:
            print("MPY: soft reboot")
            stand.soft_boot()


def _grow_names():
    """Make MicroPython's table of names grow now: it doubles, and with the simulation's names in it would take more of the node's heap than a board's."""
    number = grown = 0
    while grown < _GROWN:
        before = gc.mem_alloc()
        hasattr(sys, "_name%d" % number)
        grown = gc.mem_alloc() - before
        number += 1


def _measure_out(size, pieces):
    """Leave so many bytes of the heap. pieces: a list, to which is added what takes the rest away."""
    gc.collect()
    # A chain of links of one block each goes into every hole among the fakes: what is left is in one piece, as on a board.
    before = gc.mem_free()
    chain = (before,)
    block = before - gc.mem_free()
    try:
        for _ in range((gc.mem_free() - size) // block):
            chain = (chain,)
    except MemoryError:
        pass
    pieces.append(chain)


_heap = stand.uos.getenv("OUTPOST_HEAP")
_modelled = sim.ESP32 and stand.uos.getenv("OUTPOST_IDF")
if _modelled:
    import _idf
stand.power_on()
_rest = []
_names = 0 if stand.uos.getenv("OUTPOST_ROM") else _NAMES
if _heap:
    stand.load()
    _grow_names()
    _measure_out(int(_heap) * 1024 - _names, _rest)
if _modelled:
    sim.idf = _idf
    _idf.watch(lambda: _measure_out(0, _rest), _LATE - _names)
_life()
sim.end("repl")
