"""Safe mode: a node that keeps crashing soon after its start starts without its sensors, so that it can be reached and mended.

It counts starts in a row that an unforeseen error or the watchdog caused, each less than SETTLED_MS after the one before. The
count is in state/crashes, which is written only then. Any other start, as by `cmd/restart` or at power-on, begins the count anew.
So does a crash in safe mode: the sensors did not cause it, so going without them is of no use.
"""

import os

from flashfile import uninterrupted
from micropython import const

from firmware import forget
from firmware.files import RESERVE, read, write
from firmware.upkeep.crash import CRASHED

_CRASHES = "state/crashes"
_RESERVE_BYTES = const(1024)  # more than littlefs keeps in a directory
_MOST = const(4)  # so many in a row are no accident; after safe mode the first one is enough
SETTLED_MS = const(600000)  # a node that runs so long does not crash at its start
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
    """Should a node with so many crashes leave its sensors alone?"""
    return n >= _MOST


def settle(node, uptime):
    """The node runs. After a while the sensors get another chance in safe mode; otherwise the count of crashes ends."""
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
            with uninterrupted:
                os.remove(_CRASHES)
            return
        try:
            write(_CRASHES, str(n))
        except OSError:
            _give_up_reserve()
            # in its place: a second name might not fit
            with uninterrupted, open(_CRASHES, "w") as f:
                f.write(str(n))
    except OSError:
        pass  # the flash fails: this crash is not counted


def _give_up_reserve():
    try:
        with uninterrupted:
            os.remove(RESERVE)
    except OSError:
        pass  # an earlier count took it


def _reserve():
    """Keep a reserve on flash, if there is room for one."""
    try:
        if os.stat(RESERVE)[6] == _RESERVE_BYTES:
            return
    except OSError:
        pass  # there is none
    try:
        write(RESERVE, " " * _RESERVE_BYTES)
    except OSError:
        pass  # perhaps a later start has room
