"""SHT40, SHT41 and SHT45: temperature, humidity, I2C 0x44, 0x45 or 0x46.

One measurement at a time, high precision: 8.3 ms at most, then the chip idles by itself. The heater is never on. An
SHT3x looks alike, has the same address and other commands: that one is a `sht3x`.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±1.8 %.
Source: Sensirion SHT4x data sheet, 4 "Sensor operation".
"""

import time
from errno import EIO, ENODEV

from crc8 import crc8
from micropython import const

_RESET = b"\x94"
_SERIAL = b"\x89"
_MEASURE = b"\xfd"  # high precision
_PATIENCE_MS = const(20)


class SHT4X:
    conversion_ms = 9

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
            i2c.writeto(address, _RESET)
            time.sleep_ms(2)
            self._ask_serial()
        except OSError as e:
            if e.args[0] in (EIO, ENODEV) and self._is_an_sht3x():
                raise OSError(EIO, "another chip answers (an SHT3x)") from None
            raise

    def _ask_serial(self):
        """Is it there, and an SHT4x? Only the checksums of its answer say so."""
        for _ in range(2):
            self.i2c.writeto(self.address, _SERIAL)
            time.sleep_ms(2)
            self.i2c.readfrom_into(self.address, self.buf)
            if self._intact():
                return
        raise OSError(EIO, "checksum")

    def _is_an_sht3x(self):
        try:
            self.i2c.writeto(self.address, b"\xf3\x2d")  # status
            time.sleep_ms(2)
            self.i2c.readfrom_into(self.address, self._words[0])
            return not crc8(self._words[0])
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
            self._ask_serial()
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
        # Near the ends the chip's figure may be a little beyond them.
        humidity = (buf[3] << 8 | buf[4]) * 125 / 65535 - 6
        return (temperature, min(max(humidity, 0.0), 100.0))
