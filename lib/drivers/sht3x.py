"""SHT30, SHT31 and SHT35: temperature, humidity, I2C 0x44 or 0x45.

One measurement at a time, high repeatability: 15.5 ms at most, then the chip idles by itself. An SHT4x looks alike, has
the same address and other commands: that one is a `sht4x`.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±2 %.
Source: Sensirion SHT3x-DIS data sheet, 4 "Operation and Communication".
"""

import time
from errno import EIO, ENODEV

from drivers.shared.sht import SHT

# Another program may have had it measure by itself; it heeds little else then. The reset puts the heater out, too.
_BREAK = b"\x30\x93"
_RESET = b"\x30\xa2"


class SHT3X(SHT):
    conversion_ms = 16
    measure = b"\x24\x00"  # high repeatability, without clock stretching
    patience_ms = 30

    def __init__(self, i2c, address=0x44):
        """Reset the chip. OSError: no answer, or another chip's."""
        super().__init__(i2c, address)
        try:
            for command in (_BREAK, _RESET):
                i2c.writeto(address, command)
                time.sleep_ms(2)
            self.ask()
        except OSError as e:
            if e.errno in (EIO, ENODEV) and self.answers(b"\x89", 2):  # serial number
                raise OSError(EIO, "another chip answers (an SHT4x)") from None
            raise

    def ask(self):
        """Is it there, and an SHT3x? Only the checksum of its answer, its status, says so."""
        self.answer(b"\xf3\x2d", 1, 1)

    def values(self, temperature, humidity):
        return temperature * 175 / 65535 - 45, humidity * 100 / 65535
