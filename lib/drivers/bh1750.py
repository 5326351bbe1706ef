"""BH1750: illuminance, I2C 0x23 or 0x5C.

One measurement at a time in the finest mode, then the chip sleeps by itself. At the usual `sensitivity` it takes 180 ms
at most, in steps of 0.8 lx; the time grows with the sensitivity, the steps shrink with it. It has no id: whatever
answers is taken for one. What it shows in the dark is also what it shows when it was reset, so that 0 lx are measured
twice.
Range: 0 to 54,600 lx at `sensitivity` 69, to 121,000 lx at 31; ±20 %.
Source: ROHM BH1750FVI data sheet, "Instruction Set Architecture", "Measurement Time".
"""

import time
from errno import EIO

from micropython import const

_POWER_ON = b"\x01"
_MEASURE = b"\x20"  # once, in high resolution
_USUAL = const(69)  # measurement time register after a reset: 180 ms at most


class BH1750:
    def __init__(self, i2c, address=0x23, sensitivity=_USUAL):
        """sensitivity: measurement time register, 31 to 254. OSError: no answer."""
        self.i2c = i2c
        self.address = address
        self.sensitivity = sensitivity
        self.conversion_ms = (180 * sensitivity + _USUAL - 1) // _USUAL
        self.buf = bytearray(2)
        # The register is written each time: the chip may have lost its power.
        self._commands = (
            _POWER_ON,
            bytes((0x40 | sensitivity >> 5,)),
            bytes((0x60 | sensitivity & 0x1F,)),
            _MEASURE,
        )
        self._since = 0  # ticks of the command to measure
        self._dark = False  # did it show 0 since start()?
        self._fresh = False  # is in buf what read() is to return?
        i2c.writeto(address, _POWER_ON)

    def start(self):
        self._dark = self._fresh = False
        self._measure()

    def _measure(self):
        for command in self._commands:
            self.i2c.writeto(self.address, command)
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch the measurement. Return 0: read it, or ms to wait."""
        if self._fresh:
            return 0
        left = self.conversion_ms - time.ticks_diff(time.ticks_ms(), self._since)
        if left > 0:  # it would show what it measured before
            return left
        self.i2c.readfrom_into(self.address, self.buf)
        if not any(self.buf) and not self._dark:
            self._dark = True
            self._measure()
            return self.conversion_ms
        self._fresh = True
        return 0

    def read(self):
        """Return (illuminance in lx,), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        raw = self.buf[0] << 8 | self.buf[1]
        if raw == 0xFFFF:
            raise OSError(EIO, "too bright (less sensitivity measures more)")
        return (raw * _USUAL / (1.2 * self.sensitivity),)
