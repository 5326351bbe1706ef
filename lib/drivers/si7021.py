"""Si7021, HTU21D, SHT20, SHT21 and SHT25: temperature, humidity, I2C 0x40.

Temperature and then humidity, 14 and 12 bits: together 23 ms (Si7021) to 0.12 s (SHT2x), then the chip idles by itself.
Its heater is switched off. HDC1080, INA219 and others have the same address.
Range: -40 to 125 °C, ±0.4 °C; 0 to 100 %, ±3 %.
Source: Silicon Labs Si7021-A20, 5; Measurement Specialties HTU21D(F); Sensirion SHT21, 5.
"""

import time
from errno import EIO

from micropython import const

from drivers.shared.crc8 import crc8

_RESET = b"\xfe"
_READ_USER = const(0xE7)
_WRITE_USER = const(0xE6)
_HEATER = const(0x04)  # of the user register; a reset leaves it
# As the reset leaves the other bits: resolution 7 and 0, settings not reloaded 1. The rest differs from chip to chip.
_MASK = const(0x83)
_USER = const(0x02)
_TEMPERATURE = b"\xf3"  # these two without clock stretching
_HUMIDITY = b"\xf5"
_POLL_MS = const(5)
_PATIENCE_MS = const(120)


class SI7021:
    conversion_ms = 10

    def __init__(self, i2c, address=0x40):
        """Reset the chip. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(3)
        self._celsius = 0  # as measured
        self._percent = 0
        self._command = _TEMPERATURE  # the last one sent
        self._since = 0  # ticks of that
        self._spoiled = False  # was there a wrong checksum since start()?
        self._fresh = False  # is what was measured to be returned?
        i2c.writeto(address, _RESET)
        time.sleep_ms(16)
        user = self._user()
        if user & _MASK != _USER:
            raise OSError(EIO, "another chip answers (expected Si7021, HTU21D or SHT2x)")
        if user & _HEATER:
            i2c.writeto_mem(address, _WRITE_USER, bytes((user & ~_HEATER,)))

    def _user(self):
        return self.i2c.readfrom_mem(self.address, _READ_USER, 1)[0]

    def start(self):
        self._spoiled = self._fresh = False
        self._measure(_TEMPERATURE)

    def _measure(self, command):
        self._command = command
        self.i2c.writeto(self.address, command)
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch what was measured, and have the chip measure what is next. Return ms until then, 0: read."""
        if self._fresh:
            return 0
        buf = self.buf
        try:
            self.i2c.readfrom_into(self.address, buf)
        except OSError:  # it does not acknowledge while it measures
            if time.ticks_diff(time.ticks_ms(), self._since) <= _PATIENCE_MS:
                return _POLL_MS
            self._user()
            raise OSError(EIO, "chip has not measured") from None
        if not any(buf):  # its checksum is right
            raise OSError(EIO, "data line held low")
        if crc8(buf, 0):
            if self._spoiled:
                raise OSError(EIO, "checksum")
            self._spoiled = True
            self._measure(self._command)
            return self.conversion_ms
        raw = buf[0] << 8 | buf[1] & 0xFC  # the last two bits are no part of it
        if self._command is _TEMPERATURE:
            self._celsius = raw
            self._measure(_HUMIDITY)
            return self.conversion_ms
        self._percent = raw
        self._fresh = True
        return 0

    def read(self):
        """Return (temperature in °C, humidity in %), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        temperature = self._celsius * 175.72 / 65536 - 46.85
        # The codes at the ends are no humidity: -6 and 119 %.
        if not -40 <= temperature <= 125 or not 0 < self._percent < 0xFFFC:
            raise OSError(EIO, "reading out of the chip's range")
        # Near the ends the chip's figure may be a little beyond them.
        return (temperature, min(max(self._percent * 125 / 65536 - 6, 0.0), 100.0))
