"""BME680 and BME688: temperature, humidity, pressure, gas, I2C 0x76 or 0x77.

One forced measurement at a time, oversampling x2, x1 and x4, 20 ms; then 150 ms in which a hot plate heats up and the
resistance of its metal oxide is measured. It falls when there is something to burn in the air: alcohol, solvents, what
people and kitchens give off. The ohms are published as they are: what they mean differs from chip to chip and drifts,
over days at first, so compare them with themselves. No air quality index is made of them. While the plate does not reach
its temperature, the gas is left out of the reading and the rest is there. The plate warms its board:
at short intervals the temperature is too high. A BME690 is refused: it converts by other formulas. The arithmetic is in
integers; that of the pressure keeps the bits which the data sheet's drops to stay within 32.
Range: -40 to 85 °C, ±1 °C from 0 to 65; 0 to 100 %, ±3 %; 300 to 1100 hPa, ±0.6 hPa.
Source: Bosch BST-BME680-DS001, 3.3 to 3.6 and 5.3; BST-BME688-DS000.
"""

import time
from errno import EIO
from struct import unpack, unpack_from

from micropython import const

_ID = const(0xD0)
_VARIANT = const(0xF0)
_RESET = const(0xE0)
_FIELD = const(0x1D)
_NEW = const(0x80)  # first byte of the field: it was measured
_BUSY = const(0x60)  # it measures, or heats
_VALID = const(0x20)  # last byte of the gas: it was measured
_HOT = const(0x10)  # the plate had its temperature
_HEATING_MS = const(150)
_MEASURING_MS = const(20)  # (2 + 1 + 4) x 1.963 + 9 x 0.477 + 1 = 19.03
_PATIENCE_MS = const(50)
_POLL_MS = const(5)
_TRIES = const(3)

_BLANK = "calibration is blank"
_NOT_MEASURED = "chip has not measured"

# What answers at these addresses.
_CHIPS = {0x55: "BMP180", 0x58: "BMP280", 0x60: "BME280"}


class BME680:
    def __init__(self, i2c, address=0x76, heater_c=320):
        """Reset the chip and read its calibration. heater_c: 0: do not measure the gas; else 200 to 400.

        OSError: no answer, or another chip's.
        """
        self.i2c = i2c
        self.address = address
        self.heater_c = heater_c
        self.conversion_ms = _MEASURING_MS + (_HEATING_MS if heater_c else 0)
        self.buf = bytearray(17)
        self._began = 0  # ticks
        self._tries = 0  # since start()
        self._fresh = False  # is in buf what read() is to return?
        self._ambient = 2500  # hundredths of °C, until it is known better
        found = i2c.readfrom_mem(address, _ID, 1)[0]
        if found != 0x61:
            is_a = " is a " + _CHIPS[found] if found in _CHIPS else ""
            raise OSError(EIO, "chip id 0x%02x%s; expected a BME680 (0x61)" % (found, is_a))
        self._variant = i2c.readfrom_mem(address, _VARIANT, 1)[0]
        if self._variant > 1:
            is_a = "BME690" if self._variant == 2 else "variant %d" % self._variant
            raise OSError(EIO, "chip id 0x61 is a %s; expected a BME680 or BME688" % is_a)
        i2c.writeto_mem(address, _RESET, b"\xb6")
        time.sleep_ms(11)  # it does not answer while it starts
        self._calibrate(
            i2c.readfrom_mem(address, 0x8A, 23),
            i2c.readfrom_mem(address, 0xE1, 14),
            i2c.readfrom_mem(address, 0x00, 5),
        )
        # register, value, register, value ...; how warm, how long; the last starts it
        setup = (0x5A, 0, 0x64, 0x40 | _HEATING_MS // 4, 0x70, 0, 0x71, 0x10 << self._variant)
        if not heater_c:
            setup = (0x70, 8, 0x71, 0)  # heater off, no gas
        self._setup = bytearray(setup + (0x72, 1, 0x74, 2 << 5 | 3 << 2 | 1))

    def _calibrate(self, a, b, c):
        t2, t3, _, p1, p2, p3, _, p4, p5, p7, p6, _, p8, p9, p10 = unpack("<hbBHhbBhhbbHhhB", a)
        h2, h1 = b[0] << 4 | b[1] >> 4, b[2] << 4 | b[1] & 15
        h3, h4, h5, h6, h7, t1, g2, g1, g3 = unpack_from("<bbbBbHhbb", b, 3)
        if t1 in (0, 0xFFFF) or p1 in (0, 0xFFFF) or h2 in (0, 0xFFF):
            raise OSError(EIO, _BLANK)
        self._t = (t1, t2, t3)
        self._p = (p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)
        self._h = (h1, h2, h3, h4, h5, h6, h7)
        heat_value, _, heat_range, _, error = unpack("<bBBBb", c)
        self._g = (g1, g2, g3, heat_value, heat_range >> 4 & 3)
        self._range_error = error >> 4

    def start(self):
        self._tries = 0
        self._measure()

    def _measure(self):
        self._tries += 1
        self._fresh = False
        setup = self._setup
        if self.heater_c:
            setup[1] = self.heat(self.heater_c)
        self.i2c.writeto(self.address, setup)
        self._began = time.ticks_ms()

    def ready(self):
        """Fetch the measurement. Return 0: read it, or ms to wait."""
        if self._fresh:
            return 0
        left = self.conversion_ms - time.ticks_diff(time.ticks_ms(), self._began)
        if left > 0:
            return left
        self.i2c.readfrom_mem_into(self.address, _FIELD, self.buf)
        status = self.buf[0] & (_NEW | _BUSY)
        if status != _NEW:
            if left < -_PATIENCE_MS:
                # Neither busy nor done: it was reset since start.
                raise OSError(EIO, "chip stays busy" if status & _BUSY else _NOT_MEASURED)
            return _POLL_MS
        pressure, temperature, humidity = self._raw()
        if pressure == 0x80000 or temperature == 0x80000 or humidity == 0x8000:
            # What it shows of a quantity that it has not measured, and converts to a likely value. Now and then it is the
            # code of a real one: then it is another if it measures once more.
            if self._tries == _TRIES:
                raise OSError(EIO, _NOT_MEASURED)
            self._measure()
            return self.conversion_ms
        self._fresh = True
        return 0

    def _raw(self):
        b = self.buf
        return (
            b[2] << 12 | b[3] << 4 | b[4] >> 4,
            b[5] << 12 | b[6] << 4 | b[7] >> 4,
            b[8] << 8 | b[9],
        )

    def read(self):
        """Return (temperature in °C, humidity in %, pressure in hPa), once ready() has said 0.

        With a heater, the gas in Ω besides: None if the plate did not reach its temperature.
        """
        if not self._fresh:
            raise OSError(EIO, _NOT_MEASURED)
        self._fresh = False
        raw_p, raw_t, raw_h = self._raw()
        t_fine = self.t_fine(raw_t)
        temperature = self.temperature(t_fine)
        pressure = self.pressure(raw_p, t_fine)
        if not (-4000 <= temperature <= 8500 and 30000 <= pressure >> 8 <= 110000):
            raise OSError(EIO, "reading out of the chip's range")
        self._ambient = temperature
        values = (
            temperature / 100,
            self.humidity(raw_h, temperature) / 1000,
            pressure / 25600,
        )
        return values + (self._gas(),) if self.heater_c else values

    def _gas(self):
        i = 15 if self._variant else 13
        low = self.buf[i + 1]
        if low & (_VALID | _HOT) != _VALID | _HOT:
            return None
        return self.gas(self.buf[i] << 2 | low >> 6, low & 15)

    # The data sheet's arithmetic. Its shifts of negative numbers are Python's.

    def t_fine(self, raw):
        t1, t2, t3 = self._t
        fine = (raw >> 4) - t1
        return (((raw >> 3) - (t1 << 1)) * t2 >> 11) + ((fine * fine >> 12) * (t3 << 4) >> 14)

    def temperature(self, t_fine):
        """Return hundredths of °C."""
        return t_fine * 5 + 128 >> 8

    def pressure(self, raw, t_fine):
        """Return 1/256 Pa."""
        p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 = self._p
        a = (t_fine >> 1) - 64000
        b = ((a * a * p6 >> 17) + (a * p5 << 1) >> 2) + (p4 << 16)
        a = ((1 << 34) + (a * a * p3 >> 14) + a * p2) * p1
        if a <= 0:
            raise OSError(EIO, _BLANK)
        p = (((1048576 - raw << 12) - b) * 6250 << 30) // a
        a = (p * p * p9 >> 39) + (p * p8 >> 15) + (p * p * p * p10 >> 57)
        return p + (a + (p7 << 15) >> 4)

    def humidity(self, raw, temperature):
        """Return 1/1000 %. temperature: in hundredths of °C."""
        h1, h2, h3, h4, h5, h6, h7 = self._h
        a = raw - (h1 << 4) - (temperature * h3 // 100 >> 1)
        square = (temperature * (temperature * h5 // 100) >> 6) // 100
        a *= h2 * (temperature * h4 // 100 + square + 16384) >> 10
        b = (h6 << 7) + temperature * h7 // 100 >> 4
        a += b * ((a >> 14) * (a >> 14) >> 10) >> 1
        return min(max((a >> 10) * 1000 >> 12, 0), 100000)

    def gas(self, raw, range):
        """Return Ω."""
        if self._variant:
            over, under = 1000000 * (262144 >> range), 4096 + 3 * (raw - 512)
        else:
            # 1/1000 by which two ranges differ from what their numbers say
            a = {5: 990, 7: 992, 10: 998, 11: 995, 13: 990}.get(range, 1000)
            b = {4: 1001, 5: 1007, 7: 992, 8: 999}.get(range, 1000)
            a *= 1340 + 5 * self._range_error
            over, under = 8000000000 // b * a, (raw - 512) * 1000 + a << range
        return (over + (under >> 1)) // under

    def heat(self, celsius):
        """Return what to tell the heater. Rounded down, as the floating-point formula is."""
        g1, g2, g3, value, range = self._g
        a = self._ambient * g3 * 256 // 10
        b = (g1 + 784) * (((g2 + 154009) * celsius * 5 // 100 + 3276800) // 10)
        a = (a + (b >> 1)) // (range + 4) // (131 * value + 65536)
        return min(max((a - 250) * 34 // 100, 0), 255)
