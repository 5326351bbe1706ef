"""Keeps an unforeseen exception for the next start. Loaded at the start: after the exception there may be no memory to load it."""

import io
import sys

from micropython import const

from firmware.files import CRASH, note_reset, write

CRASHED = "unforeseen error"  # why main.py resets the board
_CRASH_BYTES = const(1000)


class _Tail(io.IOBase):
    """Keeps the end of what is written to it: the exception stands at the end of a traceback."""

    def __init__(self):
        self.kept = b""

    def write(self, data):
        self.kept = (self.kept + bytes(data[-_CRASH_BYTES:]))[-_CRASH_BYTES:]
        return len(data)


def record_crash(error, uptime_s):
    """Let the next start count a crash, and keep the end of the traceback for it. Return whether it will count."""
    try:
        note_reset(CRASHED)  # first, and short: this leads to safe mode
    except OSError as e:
        print("health: the crash cannot be kept: %s" % e)
        return False
    try:
        _keep_traceback(error, uptime_s)
    except (OSError, MemoryError) as e:
        # A full flash, say, must not stop the reset.
        print("health: the traceback cannot be kept: %s" % e)
    return True


def _keep_traceback(error, uptime_s):
    tail = _Tail()
    sys.print_exception(error, tail)
    cut = 0
    while tail.kept[cut : cut + 1] and tail.kept[cut] & 0xC0 == 0x80:  # the rest of a character
        cut += 1
    text = str(tail.kept[cut:], "utf-8").strip()
    boot = "?"
    try:
        with open("state/boot") as f:  # read once, and nothing is loaded for it
            boot = int(f.read(10))
    except (OSError, ValueError):
        pass
    write(CRASH, "boot %s, %d s after start: %s" % (boot, uptime_s, text))
