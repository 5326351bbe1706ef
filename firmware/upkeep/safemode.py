"""A node that keeps crashing soon after its start starts without its sensors: it can be reached, says why, and can be mended.

Counted are starts in a row that an unforeseen error or the watchdog was the cause of, each less than SETTLED_MS after the one
before; in state/crashes, which is written only then. Any other start, as by `cmd/restart` or a new supply of power, counts anew.
A crash in safe mode does so, too: it was not the sensors, so that to go without them is of no use.
"""

import os

from micropython import const

from firmware import forget
from firmware.files import RESERVE, read, write
from firmware.upkeep.crash import CRASHED

_CRASHES = "state/crashes"
_RESERVE_BYTES = const(1024)  # more than littlefs keeps in a directory
_MOST = const(4)  # so many in a row are no accident; after safe mode the first will do
SETTLED_MS = const(600000)  # who runs so long does not crash at its start
SAFE_MS = const(900000)  # then the sensors get another chance: what they crashed on may be gone
OVER = "safe mode is over"


def crashes(cause):
    """Return how many starts in a row were crashes, this one included. cause: why it came, as cause.py has found."""
    before = _count()
    if cause in (CRASHED, "watchdog"):
        n = 0 if is_on(before) else before + 1
    else:
        n = _MOST - 1 if cause == OVER else 0
    if n != before:
        _keep(n)
    if not n:
        _reserve()
    return n


def is_on(n):
    """Is a node with so many crashes to leave its sensors alone?"""
    return n >= _MOST


def settle(node, uptime):
    """The node runs. In safe mode the sensors get another chance after a while, else it is no longer one that crashes."""
    if node.safe:
        if uptime >= SAFE_MS:
            node.reset(OVER)
    elif uptime >= SETTLED_MS:
        node.crashes = 0
        _keep(0)
        forget("upkeep", "safemode")


def _count():
    try:
        n = int(read(_CRASHES) or "0")
    except ValueError:
        n = 0
    return n if 0 <= n <= _MOST else 0


def _keep(n):
    try:
        if not n:
            os.remove(_CRASHES)
            return
        try:
            write(_CRASHES, str(n))
        except OSError:
            _give_up_reserve()
            with open(_CRASHES, "w") as f:  # in its place: a second name might not fit
                f.write(str(n))
    except OSError:
        pass  # the flash fails: it is not counted, and the node goes on as without


def _give_up_reserve():
    try:
        os.remove(RESERVE)
    except OSError:
        pass  # an earlier count took it


def _reserve():
    """Have a reserve, if there is room for one."""
    try:
        if os.stat(RESERVE)[6] == _RESERVE_BYTES:
            return
    except OSError:
        pass  # there is none
    try:
        write(RESERVE, " " * _RESERVE_BYTES)
    except OSError:
        pass  # a later start has the room, perhaps
