"""SHTC3: temperature, humidity, I2C 0x70.

One measurement at a time in normal mode, 12.1 ms at most. Between them the chip idles at 45 µA, awake, so that a scan of
the bus finds it. A multiplexer TCA9548A may have the same address.
Range: -40 to 125 °C, ±0.2 °C; 0 to 100 %, ±2 %.
Source: Sensirion SHTC3 data sheet, 5 "Operation and Communication".
"""

import time
from errno import EIO

from drivers.shared.sht import SHT

_WAKE = b"\x35\x17"
_RESET = b"\x80\x5d"


class SHTC3(SHT):
    conversion_ms = 13
    measure = b"\x78\x66"  # temperature first, no clock stretching
    patience_ms = 25

    def __init__(self, i2c, address=0x70):
        """Wake the chip and reset it. OSError: no answer, or another chip's."""
        super().__init__(i2c, address)
        for command in (_WAKE, _RESET):
            i2c.writeto(address, command)
            time.sleep_ms(1)
        self.ask()

    def ask(self):
        """Is it there, and an SHTC3? Its id says so."""
        self.answer(b"\xef\xc8", 1, 0)
        found = self.buf[0] << 8 | self.buf[1]
        if found & 0x083F != 0x0807:
            raise OSError(EIO, "chip id 0x%04x; expected an SHTC3 (0x0807)" % found)

    def values(self, temperature, humidity):
        return temperature * 175 / 65536 - 45, humidity * 100 / 65536
