"""TMP117: temperature, I2C 0x48 to 0x4B.

One-shot mode: the mean of 8 conversions, 140 ms, then the chip sleeps by itself. Steps of 1/128 °C. A warm board beside
it is measured as well: keep the copper between them thin.
Range: -55 to 150 °C, ±0.1 °C from -20 to 50.
Source: TI TMP117 data sheet, SNOSD82: 7.4.3 and 7.6.
"""

import time
from errno import EIO

from micropython import const

_TEMPERATURE = const(0x00)
_CONFIG = const(0x01)
_ID = const(0x0F)
_TMP117 = const(0x0117)  # the first digit is the revision
_SOFT_RESET = b"\x00\x02"
_ONE_SHOT = b"\x0c\x20"  # the mean of 8
_AVERAGE = const(0x20)
_SETTINGS = const(0x03FF)  # bits of the config that the chip does not change by itself
_READY = const(0x2000)  # to read it clears it
_PATIENCE_MS = const(190)
_NOT_MEASURED = const(-0x8000)


class TMP117:
    conversion_ms = 140  # 8 times 15.5 ms, and 12 % for the chip's clock

    def __init__(self, i2c, address=0x48):
        """Find the chip and reset it. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        self._done = False
        found = self._get(_ID)
        if found & 0x0FFF != _TMP117:
            raise OSError(EIO, "chip id 0x%04x; expected a TMP117 (0x%04x)" % (found, _TMP117))
        i2c.writeto_mem(address, _CONFIG, _SOFT_RESET)
        time.sleep_ms(3)

    def _get(self, register):
        self.i2c.readfrom_mem_into(self.address, register, self.buf)
        return self.buf[0] << 8 | self.buf[1]

    def start(self):
        self._done = False
        self._began = time.ticks_ms()
        self.i2c.writeto_mem(self.address, _CONFIG, _ONE_SHOT)

    def ready(self):
        """Return the ms still to wait. OSError: the chip does not measure."""
        config = self._get(_CONFIG)
        if config & _SETTINGS != _AVERAGE:  # it has restarted
            raise OSError(EIO, "chip has not measured")
        if config & _READY:
            self._done = True
        if self._done:
            return 0
        if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
            raise OSError(EIO, "chip stays busy")
        return 5

    def read(self):
        """Return (temperature in °C,). ready() must have returned 0."""
        raw = self._get(_TEMPERATURE)
        if raw & 0x8000:
            raw -= 0x10000
        if raw == _NOT_MEASURED or not self._done or self._get(_CONFIG) & _SETTINGS != _AVERAGE:
            raise OSError(EIO, "chip has not measured")
        if not -55 * 128 <= raw <= 150 * 128:
            raise OSError(EIO, "reading out of the chip's range")
        return (raw / 128,)
