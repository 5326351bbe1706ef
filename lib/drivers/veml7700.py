"""VEML7700: illuminance, I2C 0x10.

From moonlight to full sun in three ranges of gain and integration time. A reading begins with the range of the last one
and goes on to the next if the light is too bright or too dim for it: 36 to 255 ms each, none of which blocks. Between
readings the chip sleeps.
Lux a count are those of the current data sheet, 0.0042 in the finest range; the older 0.0036, still in use elsewhere,
shows 14 % less. Bright light is not corrected by the usual polynomial, which runs away above 20,000 lx: in the sun the
chip shows somewhat too little.
Range: 0.02 to 140,000 lx.
Source: Vishay VEML7700 data sheet 84286, application note 84323.
"""

import time
from errno import EIO

from micropython import const

_CONF = const(0)
_POWER_SAVING = const(3)
_ALS = const(4)
_ID = const(7)
_SHUT_DOWN = const(1)

# Configuration (gain 12:11, time 9:6), integration time in ms, lx a count. From the coarsest.
_RANGES = (
    (0x1300, 25, 2.1504),  # gain 1/8: up to 140,900 lx
    (0x1800, 100, 0.2688),  # 1/4: 17,600 lx
    (0x0840, 200, 0.0168),  # 2: 1100 lx
)
_BRIGHT = const(60000)  # counts from which a coarser range is better
_DIM = const(1000)  # below, a finer one


class VEML7700:
    def __init__(self, i2c, address=0x10):
        """OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        self.conversion_ms = 0  # of the range in use
        self._range = 1
        self._since = 0  # ticks of the last command to measure
        self._dazzled = False  # was a range too fine since start()?
        self._fresh = False  # is _counts what read() is to return?
        self._counts = 0
        found = self._get(_ID) & 0xFF
        if found != 0x81:
            raise OSError(EIO, "chip id 0x%02x; expected a VEML7700 (0x81)" % found)
        self._set(_CONF, _SHUT_DOWN)
        self._set(_POWER_SAVING, 0)

    def _get(self, register):
        self.i2c.readfrom_mem_into(self.address, register, self.buf)
        return self.buf[1] << 8 | self.buf[0]

    def _set(self, register, value):
        self.buf[0] = value & 0xFF
        self.buf[1] = value >> 8
        self.i2c.writeto_mem(self.address, register, self.buf)

    def start(self):
        self._dazzled = self._fresh = False
        self._measure()

    def _measure(self):
        configuration, ms, _ = _RANGES[self._range]
        self._set(_CONF, configuration | _SHUT_DOWN)  # it must not be changed at work
        self._set(_CONF, configuration)
        self._since = time.ticks_ms()
        self.conversion_ms = ms + (ms >> 2) + 5  # it wakes for 2.5 ms, and its clock may be slow

    def ready(self):
        """Fetch what was measured, and try another range if need be. Return ms to wait, 0: read."""
        if self._fresh:
            return 0
        left = self.conversion_ms - time.ticks_diff(time.ticks_ms(), self._since)
        if left > 0:  # it would show what it measured before
            return left
        counts = self._get(_ALS)
        configuration = _RANGES[self._range][0]
        if self._get(_CONF) != configuration:  # it was reset since
            raise OSError(EIO, "chip has not measured")
        if counts >= _BRIGHT and self._range > 0:
            self._range -= 1
            self._dazzled = True
        elif counts < _DIM and self._range < len(_RANGES) - 1 and not self._dazzled:
            self._range += 1
        else:
            self._set(_CONF, configuration | _SHUT_DOWN)
            self._counts = counts
            self._fresh = True
            return 0
        self._measure()
        return self.conversion_ms

    def read(self):
        """Return (illuminance in lx,), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        if self._counts == 0xFFFF:
            raise OSError(EIO, "too bright")
        return (self._counts * _RANGES[self._range][2],)
