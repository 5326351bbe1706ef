"""INA226: voltage, current and power of a supply up to 36 V, I2C 0x40 to 0x4F.

    supply ---- IN+ [shunt] IN- ---- load        VBUS to the side whose voltage is wanted

One triggered measurement at a time, each the mean of 64 samples of 1.1 ms: 155 ms, in which the peaks of a radio are
evened out. Current from IN+ to IN- is positive. Current and power are computed here from the voltage over the shunt,
not by the chip: its calibration register is lost in a brown-out, and the current would then be 0. VBUS must be
connected on modules that leave it open.
Range: 0 to 36 V; 81.9 mV over the shunt, 0.8 A on a module with R100, 40 A over 0.002 Ω; ±0.1 % besides the shunt's own.
Source: TI INA226 data sheet, SBOS547: "Register maps".
"""

import time
from errno import EIO

from micropython import const

_CONFIG = const(0)
_SHUNT = const(1)
_BUS = const(2)
_MASK_ENABLE = const(6)
_MAKER_ID = const(0xFE)
_CHIP_ID = const(0xFF)
_RESET = const(0x8000)
_MODE = const(0x4723)  # 64 samples of 1.1 ms, shunt and bus, once
_NOT_THE_TRIGGER = const(0x8FF8)
_READY = const(8)  # of _MASK_ENABLE: the conversion is done; to read it clears it
_OVERFLOW = const(4)  # of _MASK_ENABLE: more than the chip can count
_CLIPPED = const(0x7FFF)
_HIGHEST = const(28800)  # 36 V in steps of 1.25 mV
_PATIENCE_MS = const(205)
_TOO_MUCH = "current too large for the shunt"

_TI = const(0x5449)
_INA226 = const(0x2260)  # the last digit is the revision
_INA219_AFTER_RESET = const(0x399F)  # it has no id


class INA226:
    conversion_ms = 155  # 64 times 2 times 1.1 ms, and 10 % for the chip's clock

    def __init__(self, i2c, address=0x40, shunt_ohm=0.1):
        """Reset the chip. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.shunt_ohm = shunt_ohm
        self.buf = bytearray(2)
        self._done = False
        self._set(_RESET)
        time.sleep_ms(2)
        found = self._get(_CONFIG)
        is_a = ""
        if found == _INA219_AFTER_RESET:
            is_a = " is an INA219"
        elif self._get(_MAKER_ID) == _TI:
            found = self._get(_CHIP_ID)
            if found & 0xFFF0 == _INA226:
                return
            if found == 0x1050:
                is_a = " is an HDC1080"
        expected = "; expected an INA226 (0x%04x)" % _INA226
        raise OSError(EIO, "chip id 0x%04x" % found + is_a + expected)

    def _get(self, register):
        self.i2c.readfrom_mem_into(self.address, register, self.buf)
        return self.buf[0] << 8 | self.buf[1]

    def _set(self, config):
        self.buf[0] = config >> 8
        self.buf[1] = config & 0xFF
        self.i2c.writeto_mem(self.address, _CONFIG, self.buf)

    def start(self):
        self._done = False
        self._began = time.ticks_ms()
        self._set(_MODE)

    def _forgot(self):
        """Has the chip restarted, so that it measures otherwise than it was set to?"""
        return (self._get(_CONFIG) ^ _MODE) & _NOT_THE_TRIGGER

    def ready(self):
        """Return the ms still to wait. OSError: the chip was reset since start()."""
        if self._forgot():
            raise OSError(EIO, "chip has not measured")
        flags = self._get(_MASK_ENABLE)
        if flags & _OVERFLOW:
            raise OSError(EIO, _TOO_MUCH)
        if flags & _READY:
            self._done = True
        if self._done:
            return 0
        if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
            raise OSError(EIO, "chip stays busy")
        return 5

    def read(self):
        """Return (volts, milliamperes, watts). ready() must have returned 0."""
        shunt = self._get(_SHUNT)
        bus = self._get(_BUS)
        if not self._done or self._forgot():
            raise OSError(EIO, "chip has not measured")
        if shunt & 0x8000:
            shunt -= 0x10000
        if abs(shunt) >= _CLIPPED:
            raise OSError(EIO, _TOO_MUCH)
        if bus > _HIGHEST:
            raise OSError(EIO, "reading out of the chip's range")
        volts = bus / 800
        milliamperes = shunt * 0.0025 / self.shunt_ohm
        return (volts, milliamperes, volts * milliamperes / 1000)
