"""A Channel: one sensor, read again and again, whose failures stop nothing else.

    start → wait → ready? → read                  at each slot: first step + n · interval, whatever the past took
    failed → forget the driver, wait, build it    1 s, doubled up to the interval, at most 5 minutes

A driver is built anew after each failure: the chip may have lost its settings, or may not have been plugged in. A failure
is published when it is new, and once an interval while it lasts.

A driver with `ready()` says after `conversion_ms` how many milliseconds it still needs, 0: read it. It gives up by itself.
A driver with `changed(now)`, such as that of a button, is asked at least every `poll_ms`; its changes are read at once.
"""

import time
from errno import EIO, ENODEV

from micropython import const

_FIRST_RETRY_MS = const(1000)
_LONGEST_RETRY_MS = const(300000)
_TIMED_OUT = (110, 116)  # ETIMEDOUT of the Pico, of the ESP32


class Channel:
    def __init__(self, name, build, fields, interval_ms, qos=0, retain=False):
        """build: called with True if the bus seemed stuck, returns a driver; see build.py. interval_ms: at most 6 days.

        fields: tuple of (quantity, unit, device class, decimals), see `firmware/sensors/types.py`.
        """
        self.name = name
        self.fields = fields
        self.qos = qos
        self.retain = retain
        self.latest = False  # after an outage only the newest reading is wanted
        self.change = None  # a Change: only readings that differ are wanted
        self.process = None  # a Process: calibration, filters, what is derived
        self.errors = 0
        self.error = None
        self._build = build
        self.interval_ms = interval_ms
        self._retry_ms = _FIRST_RETRY_MS
        self._driver = None
        self._changed = self._ready = None  # the driver's methods, if it has them
        self._converting = False
        self._stuck = False
        self._slot = None  # ticks of the next regular reading
        self._at = None  # ticks of the next thing to do
        self._regular = False  # is this the try of a slot?

    def worth(self, uptime, result):
        """Should the result of step() be delivered? After that call delivered()."""
        return self.change is None or self.change.passes(uptime, result)

    def delivered(self, uptime, result):
        """The result of step() is kept for the broker, or was sent; at QoS 0 there may have been no connection."""
        if self.change:
            self.change.delivered(uptime, result)

    def soon(self, now):
        """Take an extra reading, unless one is under way or the channel waits after a failure."""
        if self._at is not None and not self._converting and self._at == self._slot:
            self._at = now

    def due(self, now):
        """Return ms until step() wants to be called."""
        if self._at is None:
            return 0
        wait = max(time.ticks_diff(self._at, now), 0)
        return min(wait, self._driver.poll_ms) if self._changed else wait

    def step(self, now):
        """Return a tuple of values in the order of fields, a text (the failure to publish) or None.

        A value may be None: that quantity was not measured, the others were. `error` then says so.
        An exception is a bug.
        """
        if self._at is None:
            self._at = self._slot = now
        try:
            values = self._advance(now)
            if values is not None and self.process:
                values = self.process.apply(values)
        except (OSError, ValueError) as e:
            return self._failed(now, e)
        if values is not None:
            self.error = _lacking(self.fields, values) if None in values else None
            self._retry_ms = _FIRST_RETRY_MS
        return values

    def _advance(self, now):
        if self._changed and self._changed(now):
            return self._driver.read()
        if time.ticks_diff(self._at, now) > 0:
            return None
        if not self._converting:
            self._regular = self._reached(now)
            if self._driver is None:
                self._driver = self._build(self._stuck)
                self._changed = getattr(self._driver, "changed", None)
                self._ready = getattr(self._driver, "ready", None)
            self._driver.start()
            self._converting = True
            wait = self._driver.conversion_ms
            if wait:
                # Not from now: drivers may have taken a while since then.
                self._at = time.ticks_add(time.ticks_ms(), wait)
                return None
        wait = self._ready() if self._ready else 0
        if wait:
            self._at = time.ticks_add(time.ticks_ms(), wait)
            return None
        self._converting = False
        self._at = self._slot
        return self._driver.read()

    def _reached(self, now):
        """Is it time for a regular reading? If so, set the time of the next; slots that were missed are left out."""
        late = time.ticks_diff(now, self._slot)
        if late < 0:
            return False
        self._slot = time.ticks_add(self._slot, (late // self.interval_ms + 1) * self.interval_ms)
        return True

    def _failed(self, now, error):
        self._driver = self._changed = self._ready = None
        self._converting = False
        if self.process:
            self.process.reset()
        self._stuck = bool(error.args) and error.args[0] in _TIMED_OUT
        self._at = time.ticks_add(now, self._retry_ms)
        longest = max(_FIRST_RETRY_MS, min(self.interval_ms, _LONGEST_RETRY_MS))
        self._retry_ms = min(self._retry_ms * 2, longest)
        self.errors += 1
        text = self._text(error)
        if text == self.error and not self._regular:
            return None
        self.error = text
        return text

    def _text(self, error):
        what = error.args[-1] if error.args else None
        if isinstance(what, str):
            return what
        if what in (EIO, ENODEV):  # Pico, ESP32: nobody acknowledged
            acknowledged = getattr(self._build, "acknowledged", None)
            if acknowledged and acknowledged():
                return "a chip answers, but not as this type does"
            return "no answer on the bus"
        if what in _TIMED_OUT:
            return "timed out"
        return "error %s" % what


def _lacking(fields, values):
    return ", ".join([field[0] for field, value in zip(fields, values) if value is None]) + (
        " was not measured"
    )
