"""An unforeseen exception, kept for the next start. Loaded when it has happened."""

import gc
import io
import sys

from micropython import const

from firmware.files import read, write
from firmware.health import CRASH, CRASHED, note_reset

_CRASH_BYTES = const(1000)


class _Tail(io.IOBase):
    """Keeps the end of what is written to it: the exception stands at the end of a traceback."""

    def __init__(self):
        self.kept = b""

    def write(self, data):
        self.kept = (self.kept + bytes(data[-_CRASH_BYTES:]))[-_CRASH_BYTES:]
        return len(data)


def record_crash(error, uptime_s):
    """Print the traceback and keep its end for the next start."""
    sys.print_exception(error)
    gc.collect()
    tail = _Tail()
    sys.print_exception(error, tail)
    cut = 0
    while tail.kept[cut : cut + 1] and tail.kept[cut] & 0xC0 == 0x80:  # the rest of a character
        cut += 1
    text = str(tail.kept[cut:], "utf-8").strip()
    try:
        note_reset(CRASHED)
        write(CRASH, "boot %s, %d s after start: %s" % (read("state/boot") or "?", uptime_s, text))
    except OSError as e:
        print("health: the crash cannot be kept: %s" % e)  # a full flash must not stop the reset
