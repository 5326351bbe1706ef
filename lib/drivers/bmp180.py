"""BMP180: temperature, pressure, I2C 0x77 only.

Two conversions, one after the other: the temperature, 4.5 ms at most, then the pressure in the finest mode, 25.5 ms at
most; then the chip sleeps by itself. The arithmetic is the data sheet's integer one. The address is fixed: one on a bus,
and no BMP280, BME280 or BME680 at 0x77 beside it.
Range: -40 to 85 °C, ±1 °C from 0 to 65; 300 to 1100 hPa, ±1 hPa.
Source: Bosch BST-BMP180-DS000, 3.3 to 3.5 and 4.
"""

import time
from errno import EIO
from struct import unpack

from micropython import const

_ID = const(0xD0)
_RESET = const(0xE0)
_CALIBRATION = const(0xAA)
_CONTROL = const(0xF4)
_DATA = const(0xF6)
_TEMPERATURE = const(0x2E)
_PRESSURE = const(0x34)
_BUSY = const(0x20)  # control: a conversion runs
_WHICH = const(0x1F)  # control: what was converted last, 0 after a reset
_RESET_CODE = const(0x800000)  # in the data registers after a reset
_TRIES = const(3)
_PATIENCE_MS = const(100)  # both take 32, and three times that if each is repeated

_BLANK = "calibration is blank"
_NOT_MEASURED = "chip has not measured"
_RANGE = "reading out of the chip's range"

# What answers at this address.
_CHIPS = {0x58: "BMP280", 0x60: "BME280", 0x61: "BME680"}


class BMP180:
    conversion_ms = 5  # of the temperature; ready() begins that of the pressure
    oversampling = 3  # of the pressure: 0 to 3, each step doubles the measurements and the time

    def __init__(self, i2c, address=0x77):
        """Reset the chip and read its calibration. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(3)
        self._began = 0  # ticks
        self._control = 0  # of the conversion under way
        self._tries = 0  # of this conversion
        self._raw_t = self._raw_p = None  # 24 bits, once they are known
        found = i2c.readfrom_mem(address, _ID, 1)[0]
        if found != 0x55:
            is_a = " is a " + _CHIPS[found] if found in _CHIPS else ""
            raise OSError(EIO, "chip id 0x%02x%s; expected a BMP180 (0x55)" % (found, is_a))
        i2c.writeto_mem(address, _RESET, b"\xb6")
        time.sleep_ms(11)  # it does not answer while it starts
        calibration = i2c.readfrom_mem(address, _CALIBRATION, 22)
        self._c = unpack(">hhhHHHhhhhh", calibration)
        # No word of a good chip is either, says the data sheet.
        if 0 in self._c or 0xFFFF in unpack(">11H", calibration):
            raise OSError(EIO, _BLANK)

    def start(self):
        self._raw_t = self._raw_p = None
        self._tries = 0
        self._began = time.ticks_ms()
        self._convert(_TEMPERATURE)

    def _convert(self, control):
        self._tries += 1
        self._control = control
        self.i2c.writeto_mem(self.address, _CONTROL, bytes((control,)))

    def ready(self):
        """Return ms still to wait, 0: read. Between the two conversions it begins the second."""
        control = self.i2c.readfrom_mem(self.address, _CONTROL, 1)[0]
        if not control & _WHICH:  # it was reset since the command to convert
            raise OSError(EIO, _NOT_MEASURED)
        if control & _BUSY:
            if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
                raise OSError(EIO, "chip stays busy")
            return 1
        self.i2c.readfrom_mem_into(self.address, _DATA, self.buf)
        raw = self.buf[0] << 16 | self.buf[1] << 8 | self.buf[2]
        if raw == _RESET_CODE or (self._raw_t is None and raw >> 8 == _RESET_CODE >> 8):
            # It has not measured, or this is a reading like any other: of that the next conversion is another.
            if self._tries == _TRIES:
                raise OSError(EIO, _NOT_MEASURED)
            self._convert(self._control)
        elif self._raw_t is None:
            self._raw_t = raw
            self._tries = 0
            self._convert(_PRESSURE | self.oversampling << 6)
        else:
            self._raw_p = raw
            return 0
        return 5 if self._raw_t is None else (5, 8, 14, 26)[self.oversampling]

    def read(self):
        """Return (temperature in °C, pressure in hPa), once ready() has said 0."""
        raw_t, raw_p = self._raw_t, self._raw_p
        self._raw_t = self._raw_p = None
        if raw_p is None:
            raise OSError(EIO, _NOT_MEASURED)
        b5 = self.b5(raw_t >> 8)
        temperature = self.temperature(b5)
        pressure = self.pressure(raw_p >> 8 - self.oversampling, b5)
        if not (-4000 <= temperature <= 8500 and 30000 <= pressure <= 110000):
            raise OSError(EIO, _RANGE)
        return (temperature / 100, pressure / 100)

    # The data sheet's arithmetic. Its shifts of negative numbers are Python's.

    def b5(self, raw):
        _, _, _, _, ac5, ac6, _, _, _, mc, md = self._c
        a = (raw - ac6) * ac5 >> 15
        if a + md <= 0:
            # beyond the curve's pole: far under the range, but it would come out as warm
            raise OSError(EIO, _RANGE)
        return a - (-mc << 11) // (a + md)  # mc is negative

    def temperature(self, b5):
        """Return hundredths of °C. (The data sheet rounds to tenths: b5 is sixteenths of those.)"""
        return b5 * 10 + 8 >> 4

    def pressure(self, raw, b5):
        """Return Pa."""
        ac1, ac2, ac3, ac4, _, _, b1, b2, _, _, _ = self._c
        b6 = b5 - 4000
        square = b6 * b6 >> 12
        a = (b2 * square >> 11) + (ac2 * b6 >> 11)
        b3 = ((ac1 * 4 + a << self.oversampling) + 2) >> 2
        a = (ac3 * b6 >> 13) + (b1 * square >> 16)
        b4 = ac4 * ((a + 2 >> 2) + 32768) >> 15
        if b4 <= 0:
            raise OSError(EIO, _BLANK)
        b7 = (raw - b3) * (50000 >> self.oversampling)
        p = b7 * 2 // b4  # exact: no 32 bits here that it could overflow
        a = ((p >> 8) * (p >> 8) * 3038 >> 16) + (-7357 * p >> 16)
        return p + (a + 3791 >> 4)
