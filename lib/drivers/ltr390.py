"""LTR390: illuminance, UV index, I2C 0x53.

It measures one of the two at a time, so that a reading is two measurements of 115 ms, one after the other, 18 bits each;
in the sun the first is done once more with less gain. Then the chip sleeps. The figures are those of the bare chip: a
window before it takes some of the light, and most of the UV if it is of glass.
Range: 0.2 to 157,000 lx.
Source: Lite-On LTR-390UV-01 data sheet, "Register Set", appendix A.
"""

import time
from errno import EIO

from micropython import const

_CONTROL = const(0x00)
_RESOLUTION = const(0x04)
_GAIN = const(0x05)
_ID = const(0x06)
_STATUS = const(0x07)
_NEW = const(0x08)  # status: there is a measurement that was not read

_STANDBY = const(0x00)
# To measure, and where it is found.
_LIGHT = (0x02, 0x0D)
_UV = (0x0A, 0x10)
_18_BITS = const(0x22)  # 100 ms, every 100 ms
_CODES = {1: 0, 3: 1}  # of the gain

_FULL = const(0x3FFFF)
_BRIGHT = const(250000)  # counts from which less gain is better
_POLL_MS = const(10)
_PATIENCE_MS = const(300)


class LTR390:
    conversion_ms = 115  # it wakes for 10 ms

    def __init__(self, i2c, address=0x53):
        """OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(3)
        self._since = 0  # ticks of the last command to measure
        self._mode = _LIGHT
        self._gain = 3
        self._fresh = False  # are these what read() is to return?
        self._light = 0
        self._uv = 0
        found = self._get(_ID)
        if found >> 4 != 0xB:  # the other half is the revision
            raise OSError(EIO, "chip id 0x%02x; expected an LTR390 (0xb2)" % found)
        # Its reset cuts the bus off in mid-byte: what matters is written instead.
        self._set(_CONTROL, _STANDBY)
        self._set(_RESOLUTION, _18_BITS)

    def _get(self, register):
        return self.i2c.readfrom_mem(self.address, register, 1)[0]

    def _set(self, register, value):
        self.i2c.writeto_mem(self.address, register, bytes((value,)))

    def start(self):
        self._fresh = False
        self._measure(_LIGHT, 3)

    def _measure(self, mode, gain):
        self._mode = mode
        self._gain = gain
        self._set(_CONTROL, _STANDBY)  # changed at work, the next measurement would be of neither
        self._set(_RESOLUTION, _18_BITS)
        self._set(_GAIN, _CODES[gain])
        self._get(_STATUS)  # nothing is new now
        self._set(_CONTROL, mode[0])
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch what was measured, and measure what is next. Return ms until then, 0: read."""
        if self._fresh:
            return 0
        waited = time.ticks_diff(time.ticks_ms(), self._since)
        if waited < self.conversion_ms:
            return self.conversion_ms - waited
        control, register = self._mode
        new = self._get(_STATUS) & _NEW
        if new:
            self.i2c.readfrom_mem_into(self.address, register, self.buf)
        if self._get(_CONTROL) != control:  # it was reset since
            raise OSError(EIO, "chip has not measured")
        if not new:
            if waited > _PATIENCE_MS:
                raise OSError(EIO, "chip stays busy")
            return _POLL_MS
        return self._next(self.buf[2] << 16 | self.buf[1] << 8 | self.buf[0])

    def _next(self, counts):
        if counts > _FULL:
            raise OSError(EIO, "reading out of the chip's range")
        if self._mode is _UV:
            self._uv = counts
            self._set(_CONTROL, _STANDBY)
            self._fresh = True
            return 0
        if counts >= _BRIGHT and self._gain > 1:
            self._measure(_LIGHT, 1)
        elif counts == _FULL:
            raise OSError(EIO, "too bright")
        else:
            self._light = counts * 0.6 / self._gain
            self._measure(_UV, 3)
        return self.conversion_ms

    def read(self):
        """Return (illuminance in lx, UV index), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        if self._uv == _FULL:
            raise OSError(EIO, "too bright")
        # 2300 counts an index at gain 18 and 400 ms, of which gain 3 and 100 ms are 1/24.
        return (self._light, self._uv * 24 / 2300)
