"""BME280 and BMP280: temperature, pressure and, BME280 only, humidity, I2C 0x76 or 0x77.

One forced measurement at a time, oversampling x1: 9.3 ms at most, then the chip sleeps by itself. The compensation
is the data sheets' integer one: 64 bits for the pressure, exact also where floats are single precision. What the chip
shows of a quantity that it has not measured is also a code of a real one, now and then: then it measures once more.
Range: -40 to 85 °C, ±1 °C from 0 to 65; 300 to 1100 hPa, ±1 hPa; 0 to 100 %, ±3 %.
Source: Bosch BST-BME280-DS002, 4.2.3 and 5.4; BST-BMP280-DS001, 3.11.3 and 4.3.
"""

import time
from errno import EIO
from struct import unpack, unpack_from

from micropython import const

_ID = const(0xD0)
_RESET = const(0xE0)
_CTRL_HUM = const(0xF2)
_STATUS = const(0xF3)
_CTRL_MEAS = const(0xF4)
_DATA = const(5)  # in what is read from _CTRL_HUM on
_MEASURING = const(0x08)  # status: a conversion runs
_IM_UPDATE = const(0x01)  # status: the calibration is being copied from the chip's memory
_FORCED_X1 = const(0x25)  # temperature x1, pressure x1, measure once
_ASLEEP_X1 = const(0x24)  # what it makes of that when it is done
_PATIENCE_MS = const(20)
_TRIES = const(3)

_BLANK = "calibration is blank"
_NOT_MEASURED = "chip has not measured"

# What answers at these addresses.
_CHIPS = {0x55: "BMP180", 0x58: "BMP280", 0x60: "BME280", 0x61: "BME680"}


class BMP280:
    conversion_ms = 10
    ids = (0x58, 0x57, 0x56, 0x60)  # two are early samples, and a BME280 will do

    def __init__(self, i2c, address=0x76):
        """Reset the chip and read its calibration. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(_DATA + 6)
        self._tries = 0  # since start()
        self._fresh = False  # is in buf what read() is to return?
        found = i2c.readfrom_mem(address, _ID, 1)[0]
        if found not in self.ids:
            wanted = self.ids[0]
            is_a = " is a " + _CHIPS[found] if found in _CHIPS else ""
            expected = "; expected a %s (0x%02x)" % (_CHIPS[wanted], wanted)
            raise OSError(EIO, "chip id 0x%02x" % found + is_a + expected)
        i2c.writeto_mem(address, _RESET, b"\xb6")
        time.sleep_ms(3)  # it does not answer while it starts
        self._wait(_IM_UPDATE)
        calibration = i2c.readfrom_mem(address, 0x88, 24)
        self._t = unpack("<Hhh", calibration[:6])
        self._p = unpack("<Hhhhhhhhh", calibration[6:])
        if self._t[0] in (0, 0xFFFF) or self._p[0] in (0, 0xFFFF):
            raise OSError(EIO, _BLANK)

    def _wait(self, bit):
        began = time.ticks_ms()
        while self.i2c.readfrom_mem(self.address, _STATUS, 1)[0] & bit:
            if time.ticks_diff(time.ticks_ms(), began) > _PATIENCE_MS:
                raise OSError(EIO, "chip stays busy")
            time.sleep_ms(1)

    def start(self):
        self._tries = 0
        self._measure()

    def _measure(self):
        self._tries += 1
        self._fresh = False
        self.i2c.writeto_mem(self.address, _CTRL_MEAS, bytes((_FORCED_X1,)))

    def ready(self):
        """Fetch the measurement. Return 0: read it, or ms to wait. OSError: the chip was reset since start()."""
        if self._fresh:
            return 0
        self._wait(_MEASURING)
        buf = self.buf
        self.i2c.readfrom_mem_into(self.address, _CTRL_HUM, buf)
        if buf[2] != _ASLEEP_X1 or self._forgot():
            raise OSError(EIO, _NOT_MEASURED)
        if self._raw(0) == 0x80000 or self._raw(3) == 0x80000 or self._blank():
            # It converts to a likely value.
            if self._tries == _TRIES:
                raise OSError(EIO, _NOT_MEASURED)
            self._measure()
            return self.conversion_ms
        self._fresh = True
        return 0

    def _forgot(self):
        return False

    def _blank(self):
        return False

    def read(self):
        """Return (temperature in °C, pressure in hPa), once ready() has said 0."""
        _, temperature, pressure = self._measured()
        return (temperature, pressure)

    def _raw(self, i):
        buf = self.buf
        i += _DATA
        return buf[i] << 12 | buf[i + 1] << 4 | buf[i + 2] >> 4

    def _measured(self):
        """Refuse what cannot be true. Return (t_fine, °C, hPa)."""
        if not self._fresh:
            raise OSError(EIO, _NOT_MEASURED)
        self._fresh = False
        t_fine = self.t_fine(self._raw(3))
        temperature = self.temperature(t_fine)
        pressure = self.pressure(self._raw(0), t_fine)
        if not (-4000 <= temperature <= 8500 and 30000 <= pressure >> 8 <= 110000):
            raise OSError(EIO, "reading out of the chip's range")
        return t_fine, temperature / 100, pressure / 25600

    # The data sheet's arithmetic. Its shifts of negative numbers are Python's.

    def t_fine(self, raw):
        t1, t2, t3 = self._t
        fine = (raw >> 4) - t1
        return (((raw >> 3) - (t1 << 1)) * t2 >> 11) + ((fine * fine >> 12) * t3 >> 14)

    def temperature(self, t_fine):
        """Return hundredths of °C."""
        return t_fine * 5 + 128 >> 8

    def pressure(self, raw, t_fine):
        """Return 1/256 Pa."""
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self._p
        a = t_fine - 128000
        b = a * a * p6 + (a * p5 << 17) + (p4 << 35)
        a = (a * a * p3 >> 8) + (a * p2 << 12)
        a = ((1 << 47) + a) * p1 >> 33
        if a == 0:
            raise OSError(EIO, _BLANK)
        p = ((1048576 - raw << 31) - b) * 3125 // a
        a = p9 * (p >> 13) * (p >> 13) >> 25
        b = p8 * p >> 19
        return (p + a + b >> 8) + (p7 << 4)


class BME280(BMP280):
    ids = (0x60,)

    def __init__(self, i2c, address=0x76):
        super().__init__(i2c, address)
        self.buf = bytearray(_DATA + 8)
        h = i2c.readfrom_mem(address, 0xE1, 7)
        h2, h3 = unpack_from("<hB", h)
        if h2 in (0, -1):
            raise OSError(EIO, _BLANK)
        # h4 and h5 are 12 bits and share a byte; the sign is in the byte that is whole.
        h4 = unpack("b", h[3:4])[0] * 16 | h[4] & 15
        h5 = unpack("b", h[5:6])[0] * 16 | h[4] >> 4
        h6 = unpack("b", h[6:7])[0]
        self._h = (i2c.readfrom_mem(address, 0xA1, 1)[0], h2, h3, h4, h5, h6)

    def start(self):
        # x1. The chip heeds it at the next write to ctrl_meas.
        self.i2c.writeto_mem(self.address, _CTRL_HUM, b"\x01")
        super().start()

    def _forgot(self):
        return self.buf[0] & 7 != 1

    def _raw_h(self):
        return self.buf[_DATA + 6] << 8 | self.buf[_DATA + 7]

    def _blank(self):
        return self._raw_h() == 0x8000

    def read(self):
        """Return (temperature in °C, humidity in %, pressure in hPa), once ready() has said 0."""
        t_fine, temperature, pressure = self._measured()
        return (temperature, self.humidity(self._raw_h(), t_fine) / 1024, pressure)

    def humidity(self, raw, t_fine):
        """Return 1/1024 %."""
        h1, h2, h3, h4, h5, h6 = self._h
        v = t_fine - 76800
        gain = ((v * h6 >> 10) * ((v * h3 >> 11) + 32768) >> 10) + 2097152
        v = ((raw << 14) - (h4 << 20) - h5 * v + 16384 >> 15) * (gain * h2 + 8192 >> 14)
        v -= ((v >> 15) * (v >> 15) >> 7) * h1 >> 4
        return min(max(v, 0), 419430400) >> 12
