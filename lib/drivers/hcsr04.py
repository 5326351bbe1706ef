"""HC-SR04 ultrasonic sensor: distance, as the level in a tank.

A reading is the middle one of three pings, 60 ms apart, so that no echo of the last is heard: a stray one, or one
that is not heard, does no harm. Each blocks until its echo is back, 24 ms at most, or 40 ms if nothing is there. Sound
travels 0.18 % faster for each °C: set `air_c` to what is usual there. The sensor wants 5 V; some of the newer ones work
at 3.3 V, and without the divider.
Range: 2 to 400 cm, ±0.3 cm.
Source: ELEC Freaks HC-SR04 user guide.
"""

import time
from errno import EIO

from micropython import const

_PAUSE_MS = const(60)
_NOTHING_US = const(38000)  # what the sensor says if it hears nothing


class HCSR04:
    conversion_ms = 0

    def __init__(self, echo, air_c=20):
        """echo: ping() sends a pulse and gives the µs of the answer, or -1 or -2: none (machine.time_pulse_us)."""
        self.echo = echo
        self.cm_per_us = (331.3 + 0.606 * air_c) / 20000  # there and back
        self.pings = []
        self._pinged = None  # ticks

    def start(self):
        self.pings.clear()

    def ready(self):
        """Send the next ping if it is time. Return ms until the one after it, 0: that was the last."""
        if self._pinged is not None:
            ago = time.ticks_diff(time.ticks_ms(), self._pinged)
            if 0 <= ago < _PAUSE_MS:
                return _PAUSE_MS - ago
        us = self.echo.ping()
        self._pinged = time.ticks_ms()
        self.pings.append(us if us >= 0 else _NOTHING_US)
        return _PAUSE_MS if len(self.pings) < 3 else 0

    def read(self):
        """Return (distance in cm,)."""
        us = sorted(self.pings)[1]
        if us >= _NOTHING_US:
            raise OSError(EIO, "no echo")
        cm = us * self.cm_per_us
        if not 2 <= cm <= 400:
            raise OSError(EIO, "reading out of the chip's range")
        return (cm,)
