"""MCP9808: temperature, I2C 0x18 to 0x1F.

Steps of 1/16 °C: it is woken, measures for a quarter of a second, and sleeps again.
Range: -40 to 125 °C, ±0.25 °C.
Source: Microchip MCP9808 data sheet, DS20005095: "Registers".
"""

from errno import EIO

from micropython import const

_CONFIG = const(0x01)
_TEMPERATURE = const(0x05)
_MAKER_ID = const(0x06)
_CHIP_ID = const(0x07)
_RESOLUTION = const(0x08)
_MICROCHIP = const(0x0054)
_MCP9808 = const(0x04)
# Hysteresis 1.5 °C for an alert that is off. What matters is that it is not the 0 of a chip that has restarted, whose
# temperature is 0 °C until it has measured.
_AWAKE = b"\x02\x00"
_ASLEEP = b"\x03\x00"
_LOCKED = const(0x00C0)


class MCP9808:
    conversion_ms = 300  # 250 ms usually

    def __init__(self, i2c, address=0x18):
        """Find the chip and put it to sleep. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        if self._get(_MAKER_ID) != _MICROCHIP or self._get(_CHIP_ID) >> 8 != _MCP9808:
            found = self._get(_CHIP_ID) >> 8
            raise OSError(EIO, "chip id 0x%02x; expected a MCP9808 (0x%02x)" % (found, _MCP9808))
        i2c.writeto_mem(address, _RESOLUTION, b"\x03")  # the finest
        i2c.writeto_mem(address, _CONFIG, _ASLEEP)
        if self._get(_CONFIG) & _LOCKED:  # only a restart of the chip unlocks it
            raise OSError(EIO, "chip is locked by another program")

    def _get(self, register):
        self.i2c.readfrom_mem_into(self.address, register, self.buf)
        return self.buf[0] << 8 | self.buf[1]

    def start(self):
        self.i2c.writeto_mem(self.address, _CONFIG, _AWAKE)

    def read(self):
        """Return (temperature in °C,)."""
        raw = self._get(_TEMPERATURE)
        self._get(_CONFIG)
        if self.buf != _AWAKE:
            raise OSError(EIO, "chip has not measured")
        self.i2c.writeto_mem(self.address, _CONFIG, _ASLEEP)
        if raw == 0xFFFF:  # would be -1/16 °C, above and below its limits at once
            raise OSError(EIO, "data line held high")
        raw &= 0x1FFF  # the first three bits compare it with limits, whoever set those
        if raw & 0x1000:
            raw -= 0x2000
        if not -40 * 16 <= raw <= 125 * 16:
            raise OSError(EIO, "reading out of the chip's range")
        return (raw / 16,)
