"""Before the watchdog: a timer that ends a start which comes to no end.

A watchdog cannot be taken back, and would bite whoever stopped the node to work on it. This timer is stopped by Ctrl-C, for which
main.py sees to, and by a soft reset, which stops all timers: mpremote has its window. A Pico's runs in a hard interrupt, so that
it ends a call that does not come back, too; an ESP32's waits until the interpreter comes by.
"""

import os

from machine import WDT, Timer
from micropython import const

_BITE_MS = const(1000)


def bite(timer=None):
    """Have the watchdog end this start: the next one knows the cause. Allocates nothing, as an interrupt must."""
    WDT(timeout=_BITE_MS)


class Guard:
    def __init__(self):
        self._timer = None
        self.uptime_s = None  # when the node ended, as it counts

    def begin(self, seconds):
        """Let the watchdog bite after so long, unless begin() or end() come before."""
        self.end()
        pico = os.uname()[0] == "rp2"
        timer = Timer(-1 if pico else 0)
        once = {"mode": Timer.ONE_SHOT, "period": seconds * 1000, "callback": bite}
        try:
            timer.init(hard=pico, **once)
        except TypeError:  # an older MicroPython has no such choice
            timer.init(**once)
        self._timer = timer

    def end(self):
        if self._timer:
            self._timer.deinit()
            self._timer = None
