"""What the node knows about itself: boot counter, last crash, counters, and the `health` and `info` documents.

Files: state/boot (the counter), state/crash.txt (the last unforeseen exception, bounded), state/reset (why the node reset the
board on purpose: the Pico cannot tell its own reset from the watchdog's).
"""

import gc
import io
import os
import sys

from micropython import const

from firmware import VERSION

_BOOT = "state/boot"
_CRASH = "state/crash.txt"
_RESET = "state/reset"
_CRASH_BYTES = const(1000)
_FAULTS = const(8)


def _read(path):
    try:
        with open(path) as f:
            return f.read(_CRASH_BYTES + 100)
    except OSError:
        return None


def _write(path, text):
    """Old or new, never half: power may fail at any time."""
    try:
        os.mkdir("state")
    except OSError:
        pass  # it is there
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


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
        note_reset("unforeseen error")
        _write(_CRASH, "boot %s, %d s after start: %s" % (_read(_BOOT) or "?", uptime_s, text))
    except OSError as e:
        print("health: the crash cannot be kept: %s" % e)  # a full flash must not stop the reset


def _some(faults):
    """Return the first faults, shortened: `info` must fit into what the client can send."""
    some = [fault[:120] for fault in faults[:_FAULTS]]
    if len(faults) > _FAULTS:
        some.append("%d more" % (len(faults) - _FAULTS))
    return some or None


def note_reset(why):
    """Say why the node is about to reset the board."""
    _write(_RESET, why)


class Health:
    def __init__(self, board, log):
        self.board = board
        self.log = log
        self.boot = self._count_boot()
        self.reset_cause = self._reset_cause()
        self.crash = _read(_CRASH)
        self.heap_low = None

    def _count_boot(self):
        """Return a number that no other start of this node has had."""
        try:
            boot = int(_read(_BOOT) or "0") + 1
        except ValueError:
            self.log.error("health: %s is damaged" % _BOOT)
            boot = self._draw()
        try:
            _write(_BOOT, str(boot))
        except OSError as e:
            self.log.error("health: the boot counter cannot be kept: %s" % e)
            boot = self._draw()
        return boot

    def _draw(self):
        # What cannot be counted is drawn, far above what is ever counted.
        return 1 << 24 | int.from_bytes(os.urandom(3), "big")

    def _reset_cause(self):
        why = _read(_RESET)
        if why:
            os.remove(_RESET)
            return why
        return self.board.reset_cause()

    def info(self, address, config, faults):
        """Return (name, value) pairs. config: path of the settings in use; faults: what is wrong with config.json."""
        return (
            ("version", VERSION),
            ("board", self.board.model),
            ("hardware", self.board.hardware),
            ("id", self.board.id),
            ("micropython", self.board.micropython),
            ("ip", address),
            ("reset_cause", self.reset_cause),
            ("boot", self.boot),
            ("config", config),
            ("config_faults", _some(faults)),
            ("crash", self.crash),
        )

    def heap(self):
        """Return bytes free after a collection, and the least there has been."""
        gc.collect()
        free = gc.mem_free()
        if self.heap_low is None or free < self.heap_low:
            self.heap_low = free
        return free, self.heap_low
