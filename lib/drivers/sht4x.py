"""SHT40, SHT41 and SHT45: temperature, humidity, I2C 0x44, 0x45 or 0x46.

One measurement at a time, high precision: 8.3 ms at most, then the chip idles by itself. The heater is never on. An
SHT3x looks alike, has the same address and other commands: that one is a `sht3x`.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±1.8 %.
Source: Sensirion SHT4x data sheet, 4 "Sensor operation".
"""

import time
from errno import EIO, ENODEV

from drivers.shared.sht import SHT

_RESET = b"\x94"


class SHT4X(SHT):
    conversion_ms = 9
    measure = b"\xfd"  # high precision
    patience_ms = 20

    def __init__(self, i2c, address=0x44):
        """Reset the chip. OSError: no answer, or another chip's."""
        super().__init__(i2c, address)
        try:
            i2c.writeto(address, _RESET)
            time.sleep_ms(2)
            self.ask()
        except OSError as e:
            if e.errno in (EIO, ENODEV) and self.answers(b"\xf3\x2d", 1):  # status
                raise OSError(EIO, "another chip answers (an SHT3x)") from None
            raise

    def ask(self):
        """Is it there, and an SHT4x? Only the checksums of its answer, its serial number, say so."""
        self.answer(b"\x89", 2, 2)

    def values(self, temperature, humidity):
        if humidity in (0, 0xFFFF):  # the ends of what it can say, -6 and 119 %
            raise OSError(EIO, "reading out of the chip's range")
        # Near the ends the chip's figure may be a little beyond them.
        humidity = humidity * 125 / 65535 - 6
        return temperature * 175 / 65535 - 45, min(max(humidity, 0.0), 100.0)
