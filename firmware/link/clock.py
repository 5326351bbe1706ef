"""Knows what time it is, or that it does not know.

`uptime_ms` never jumps and never wraps (`ticks_ms` does after 12.4 days). Unix milliseconds are uptime plus an offset that
comes from time servers (sntp.py), or, until one has answered, from a real-time clock that this node itself had set. They are
integers: the boards' floats have 24 bits. Both epochs are met: ESP32 counts from 2000, Pico W from 1970.
"""

import os
import time

from micropython import const

from firmware import forget
from firmware.files import TIME

_RELEASE = const(1767225600)  # 2026-01-01: an earlier time is a clock that was never set
_BEYOND = const(2398377600)  # 2046-01-01: a newest time after this is damage
_RETRY_MS = const(4000)
_RETRY_MAX_MS = const(300000)
_MARK_MS = const(60000)


def epoch():
    """Seconds from 1970 to the port's own epoch."""
    return 946684800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    release_s = _RELEASE

    def __init__(self, settings, board, log, names):
        """settings: the `ntp` part; board: keeps the time for TLS, and over a reset; names: a Names."""
        from firmware.reading import number

        self.host = settings["host"]
        self.port = settings["port"]
        self.interval_ms = int(settings["interval_s"]) * 1000
        self.board = board
        self.log = log
        self.names = names
        self.broker = None  # its address, once there is a connection
        self.server = None  # that gave the time last
        self.denied = {}  # server that refuses to be asked: uptime until which it is left alone
        self.source = "unset"  # "rtc": was still set at boot; "ntp"
        self.synced_at = None  # uptime of the last sync, ms
        # No earlier time is believed, but see sntp.py.
        self.newest_s = number(TIME, _RELEASE, _BEYOND)
        forget("", "reading")
        self.past = {}  # server: (offset it gave against that, uptime at which it first did)
        self.offset = None  # Unix ms at uptime 0
        self._up = 0
        self._tick = time.ticks_ms()
        self._asking = None
        self.failures = 0  # in a row
        self.since = 0  # uptime
        self.wait = 0  # ms after `since` until the time is asked for
        self.marked = 0  # uptime
        now_s = board.kept_time()
        if now_s is not None and now_s >= self.newest_s:
            self.offset = now_s * 1000
            self.source = "rtc"

    @property
    def trusted(self):
        return self.offset is not None

    def uptime_ms(self, now):
        """now: ticks_ms(). Must be called at least every six days."""
        self._up += time.ticks_diff(now, self._tick)
        self._tick = now
        return self._up

    def now(self):
        """Return the uptime of this moment. In a pass that waited it is later than the pass's own."""
        return self.uptime_ms(time.ticks_ms())

    def unix_ms(self, uptime_ms):
        """Return Unix ms for a moment of this boot, or None while the clock is not trusted."""
        return None if self.offset is None else self.offset + uptime_ms

    def step(self, uptime, online):
        """Ask for the time when it is due; never waits. Return True when it has just been set."""
        if self.offset is not None and uptime - self.marked >= _MARK_MS:
            self.marked = uptime
            self.board.mark_time()
        if not self._asking and not (online and uptime - self.since >= self.wait):
            return False
        try:
            if not self._asking:
                from firmware.link.sntp import Asking

                self._asking = Asking(self)
            found = self._asking.step(uptime)
            if found is None:
                return False
            if found:
                self._asking.set(*found)
            else:
                self._failed(self._asking.why)
        except MemoryError:
            found = False
            self._failed("anybody: not enough memory")
        self._asking = None
        forget("link", "sntp")
        return bool(found)

    def due(self, uptime):
        """Return ms until step() wants to be called while online."""
        if self._asking:
            return self._asking.due(uptime)
        return max(0, self.wait - (uptime - self.since))

    def _failed(self, why):
        self.failures += 1
        if self.failures == 1:
            self.log.warning("clock: no time from %s" % why)
        wait = min(_RETRY_MS << min(self.failures - 1, 7), _RETRY_MAX_MS)
        if self._asking and self._asking.rest_ms:
            wait = self._asking.rest_ms
        # Up to a quarter more: a fleet must not ask in step.
        self.wait = wait + (wait * os.urandom(1)[0] >> 10)
        self.since = self.now()
