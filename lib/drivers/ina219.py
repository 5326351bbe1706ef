"""INA219: voltage, current and power of a supply up to 26 V, I2C 0x40 to 0x4F.

    supply ---- VIN+ [shunt] VIN- ---- load

One triggered measurement at a time, each the mean of 128 samples: 150 ms, in which the peaks of a radio are evened
out. The voltage is that at VIN-, the load's. Current from VIN+ to VIN- is positive. Current and power are computed
here from the voltage over the shunt, not by the chip: its calibration register is lost in a brown-out, and the current
would then be 0.
Range: 0 to 26 V; 0.32 V over the shunt, 3.2 A on a module with R100; ±0.5 % besides the shunt's own.
Source: TI INA219 data sheet, SBOS448: "Register details".
"""

import time
from errno import EIO

from micropython import const

_CONFIG = const(0)
_SHUNT = const(1)
_BUS = const(2)
_RESET = const(0x8000)
_AFTER_RESET = const(0x399F)
_MODE = const(0x3FFB)  # 32 V, shunt ±320 mV, 128 samples of each, both once
_NOT_THE_TRIGGER = const(0xFFF8)
_READY = const(2)  # of _BUS: the conversion is done
_OVERFLOW = const(1)  # of _BUS: more than the chip can count
_CLIPPED = const(32000)  # 320 mV over the shunt, the most it can tell
_HIGHEST_MV = const(26000)
_PATIENCE_MS = const(200)

# What others of the maker's at these addresses have, and an INA219 has not.
_MAKER_ID = const(0xFE)
_CHIP_ID = const(0xFF)
_TI = const(0x5449)
_CHIPS = {0x2260: "INA226", 0x1050: "HDC1080"}


class INA219:
    conversion_ms = 150  # 2 times 68.1 ms, and 10 % for the chip's clock

    def __init__(self, i2c, address=0x40, shunt_ohm=0.1):
        """Reset the chip. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.shunt_ohm = shunt_ohm
        self.buf = bytearray(2)
        self._set(_RESET)
        time.sleep_ms(2)
        found = self._get(_CONFIG)
        if found != _AFTER_RESET:
            is_a = ""
            if self._get(_MAKER_ID) == _TI:
                found = self._get(_CHIP_ID)
                if found in _CHIPS:
                    is_a = " is an " + _CHIPS[found]
            expected = "; expected an INA219 (0x%04x)" % _AFTER_RESET
            raise OSError(EIO, "chip id 0x%04x" % found + is_a + expected)

    def _get(self, register):
        self.i2c.readfrom_mem_into(self.address, register, self.buf)
        return self.buf[0] << 8 | self.buf[1]

    def _set(self, config):
        self.buf[0] = config >> 8
        self.buf[1] = config & 0xFF
        self.i2c.writeto_mem(self.address, _CONFIG, self.buf)

    def start(self):
        self._began = time.ticks_ms()
        self._set(_MODE)

    def _forgot(self):
        """Has the chip restarted, so that it measures otherwise than it was set to?"""
        return (self._get(_CONFIG) ^ _MODE) & _NOT_THE_TRIGGER

    def ready(self):
        """Return the ms still to wait. OSError: the chip was reset since start()."""
        if self._forgot():
            raise OSError(EIO, "chip has not measured")
        if self._get(_BUS) & _READY:
            return 0
        if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
            raise OSError(EIO, "chip stays busy")
        return 5

    def read(self):
        """Return (volts, milliamperes, watts)."""
        shunt = self._get(_SHUNT)
        bus = self._get(_BUS)
        if not bus & _READY or self._forgot():
            raise OSError(EIO, "chip has not measured")
        if shunt & 0x8000:
            shunt -= 0x10000
        if abs(shunt) >= _CLIPPED or bus & _OVERFLOW:
            raise OSError(EIO, "current too large for the shunt")
        millivolts = (bus >> 3) * 4
        if millivolts > _HIGHEST_MV:
            raise OSError(EIO, "reading out of the chip's range")
        volts = millivolts / 1000
        milliamperes = shunt * 0.01 / self.shunt_ohm
        return (volts, milliamperes, volts * milliamperes / 1000)
