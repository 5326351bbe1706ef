"""SHT30, SHT31 and SHT35: temperature, humidity, I2C 0x44 or 0x45.

One measurement at a time, high repeatability: 15.5 ms at most, then the chip idles by itself. An SHT4x looks alike, has
the same address and other commands: that one is a `sht4x`.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±2 %.
Source: Sensirion SHT3x-DIS data sheet, 4 "Operation and Communication".
"""

import time
from errno import EIO, ENODEV

from crc8 import crc8
from micropython import const

_BREAK = (
    b"\x30\x93"  # another program may have had it measure by itself; it heeds little else then
)
_RESET = b"\x30\xa2"  # the heater goes off, too
_STATUS = b"\xf3\x2d"
_MEASURE = b"\x24\x00"  # high repeatability, without clock stretching
_PATIENCE_MS = const(30)


class SHT3X:
    conversion_ms = 16

    def __init__(self, i2c, address=0x44):
        """Reset the chip. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(6)
        self._words = memoryview(self.buf)[:3], memoryview(self.buf)[3:]
        self._since = 0  # ticks of the command to measure
        self._spoiled = False  # was there a wrong checksum since start()?
        self._fresh = False  # is in buf what read() is to return?
        try:
            for command in (_BREAK, _RESET):
                i2c.writeto(address, command)
                time.sleep_ms(2)
            self._ask_status()
        except OSError as e:
            if e.args[0] in (EIO, ENODEV) and self._is_an_sht4x():
                raise OSError(EIO, "another chip answers (an SHT4x)") from None
            raise

    def _ask_status(self):
        """Is it there, and an SHT3x? Only the checksum of its answer says so."""
        word = self._words[0]
        for _ in range(2):
            self.i2c.writeto(self.address, _STATUS)
            time.sleep_ms(1)
            self.i2c.readfrom_into(self.address, word)
            if not crc8(word):
                return
        raise OSError(EIO, "checksum")

    def _is_an_sht4x(self):
        try:
            self.i2c.writeto(self.address, b"\x89")  # serial number
            time.sleep_ms(2)
            self.i2c.readfrom_into(self.address, self.buf)
            return self._intact()
        except OSError:
            return False

    def _intact(self):
        return not (crc8(self._words[0]) or crc8(self._words[1]))

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
            self._ask_status()
            raise OSError(EIO, "chip has not measured") from None
        if not self._intact():
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
        temperature = (buf[0] << 8 | buf[1]) * 175 / 65535 - 45
        if not -40 <= temperature <= 125:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature, (buf[3] << 8 | buf[4]) * 100 / 65535)
