"""SHTC3: temperature, humidity, I2C 0x70.

One measurement at a time in normal mode, 12.1 ms at most. Between them the chip idles at 45 µA, awake, so that a scan of
the bus finds it. A multiplexer TCA9548A may have the same address.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±2 %.
Source: Sensirion SHTC3 data sheet, 5 "Operation and Communication".
"""

import time
from errno import EIO

from crc8 import crc8
from micropython import const

_WAKE = b"\x35\x17"
_RESET = b"\x80\x5d"
_ID = b"\xef\xc8"
_MEASURE = b"\x78\x66"  # temperature first, no clock stretching
_PATIENCE_MS = const(25)


class SHTC3:
    conversion_ms = 13

    def __init__(self, i2c, address=0x70):
        """Wake the chip and reset it. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(6)
        self._words = memoryview(self.buf)[:3], memoryview(self.buf)[3:]
        self._since = 0  # ticks of the command to measure
        self._spoiled = False  # was there a wrong checksum since start()?
        self._fresh = False  # is in buf what read() is to return?
        i2c.writeto(address, _WAKE)
        time.sleep_ms(1)
        i2c.writeto(address, _RESET)
        time.sleep_ms(1)
        self._ask_id()

    def _ask_id(self):
        for _ in range(2):
            self.i2c.writeto(self.address, _ID)
            self.i2c.readfrom_into(self.address, self._words[0])
            if not crc8(self._words[0]):
                break
        else:
            raise OSError(EIO, "checksum")
        found = self.buf[0] << 8 | self.buf[1]
        if found & 0x083F != 0x0807:
            raise OSError(EIO, "chip id 0x%04x; expected an SHTC3 (0x0807)" % found)

    def start(self):
        self._spoiled = self._fresh = False
        self._measure()

    def _measure(self):
        self.i2c.writeto(self.address, _MEASURE)
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch the measurement, which the chip forgets by that. Return 0: read it, or ms to wait."""
        if self._fresh:
            return 0
        try:
            self.i2c.readfrom_into(self.address, self.buf)
        except OSError:  # it does not acknowledge while it measures
            if time.ticks_diff(time.ticks_ms(), self._since) <= _PATIENCE_MS:
                return 1
            self._ask_id()
            raise OSError(EIO, "chip has not measured") from None
        if crc8(self._words[0]) or crc8(self._words[1]):
            if self._spoiled:
                raise OSError(EIO, "checksum")
            self._spoiled = True
            self._measure()
            return self.conversion_ms
        self._fresh = True
        return 0

    def read(self):
        """Return (temperature in °C, humidity in %), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        buf = self.buf
        temperature = (buf[0] << 8 | buf[1]) * 175 / 65536 - 45
        if not -40 <= temperature <= 125:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature, (buf[3] << 8 | buf[4]) * 100 / 65536)
