"""A LED that blinks for a while, so that one node is found among many."""

import time

from micropython import const

_HALF_MS = const(150)


class Blink:
    def __init__(self, led, seconds):
        self._led = led
        self._left = seconds * 1000 // _HALF_MS // 2 * 2  # ends as it began
        self._at = None  # ticks

    def step(self, now):
        """Return False when it is over."""
        if self._at is None or time.ticks_diff(now, self._at) >= 0:
            self._at = time.ticks_add(now, _HALF_MS)
            self._led.value(self._left & 1 ^ 1)
            self._left -= 1
        return self._left > 0

    def due(self, now):
        return 0 if self._at is None else max(0, time.ticks_diff(self._at, now))
