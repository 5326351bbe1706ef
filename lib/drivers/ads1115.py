"""ADS1115 16-bit ADC: a voltage at one of four inputs, or between two, I2C 0x48 to 0x4B.

    voltage ---+--- r1 ---+--- r2 --- ground
                          input

Each input that is wanted is a sensor of its own, with the same address. A reading is one single-shot conversion at 128
samples a second, 10 ms, begun and ended within read(): the inputs share one converter and one result. No input may be
below ground or above the chip's supply, whatever `range_v` says. An ADS1015 will do: it has 12 bits.
Range: 0 V, or less between two inputs, to `range_v`, in steps of 1/32768 of it; ±0.15 % besides the divider.
Source: TI ADS1115 data sheet, SBAS444: 8.1 and "Config register".
"""

import time
from errno import EIO

from micropython import const

_CONVERSION = const(0)
_CONFIG = const(1)
_START = const(0x80)  # of the config's first byte; read: not converting
_SINGLE = const(0x01)
# 128 samples a second, no comparator. Its mode, which then means nothing, is not that of a reset chip (0x83): so a
# config that the chip has forgotten never looks like ours.
_LOW = const(0x93)
_CONVERSION_MS = const(9)  # 1 / 128 s, 10 % for the chip's clock, and the start
_PATIENCE_MS = const(18)
_HIGHEST = const(0x7FF0)  # an ADS1015 clips here
_LOWEST = const(-0x8000)

# In the order of their codes.
_INPUTS = ("0-1", "0-3", "1-3", "2-3", "0", "1", "2", "3")
_RANGES = ("6.144", "4.096", "2.048", "1.024", "0.512", "0.256")


class ADS1115:
    conversion_ms = 0

    def __init__(self, i2c, address=0x48, input="0", range_v="4.096", r1=0, r2=1):
        """input: "0", or "0-1" for a difference. range_v: the largest voltage at it, as in _RANGES.

        r1, r2: the divider, in any one unit. OSError: no answer, or not of an ADS1115.
        """
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        self.config = _INPUTS.index(input) << 4 | _RANGES.index(range_v) << 1 | _SINGLE
        self.step = float(range_v) / 32768 * (r1 + r2) / r2
        # It has no id: read back what was written to it.
        self._configure(self.config)
        self._wait()

    def _configure(self, high):
        self.buf[0] = high
        self.buf[1] = _LOW
        self.i2c.writeto_mem(self.address, _CONFIG, self.buf)

    def _idle(self):
        """Is the chip done with what this driver told it? OSError: it does not know of it."""
        self.i2c.readfrom_mem_into(self.address, _CONFIG, self.buf)
        if self.buf[0] & 0x7F != self.config or self.buf[1] != _LOW:
            raise OSError(EIO, "chip does not keep its settings")
        return self.buf[0] & _START

    def _wait(self):
        began = time.ticks_ms()
        while not self._idle():
            if time.ticks_diff(time.ticks_ms(), began) > _PATIENCE_MS - _CONVERSION_MS:
                raise OSError(EIO, "chip stays busy")
            time.sleep_ms(1)

    def start(self):
        """Nothing: another sensor's conversion may come before read()."""

    def read(self):
        """Return (volts,), before the divider."""
        self._configure(self.config | _START)
        time.sleep_ms(_CONVERSION_MS)
        self._wait()
        self.i2c.readfrom_mem_into(self.address, _CONVERSION, self.buf)
        raw = self.buf[0] << 8 | self.buf[1]
        self._idle()  # still as it was set: a chip that was just reset shows 0 V
        if raw & 0x8000:
            raw -= 0x10000
        if raw >= _HIGHEST or raw == _LOWEST:
            raise OSError(EIO, "voltage beyond range_v")
        return (raw * self.step,)
