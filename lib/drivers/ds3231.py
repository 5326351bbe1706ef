"""DS3231 clock chip: its temperature, and nothing else, I2C 0x68.

Its clock is not used: a node has its time from the network. Neither clock, alarms nor outputs are touched, so another
program's may run on. It measures every 64 s for itself; asked, at once, in 200 ms at most.
Range: -40 to 85 °C, ±3 °C, in steps of 0.25 °C.
Source: Maxim DS3231 data sheet, 19-5170: "Temperature registers", "Control register".
"""

import time
from errno import EIO

from micropython import const

_CONTROL = const(0x0E)  # the status follows it
_TEMPERATURE = const(0x11)
_CONVERT = const(0x20)  # of the control: set until it has measured
_BUSY = const(0x04)  # of the status: it measures
_STOPPED = const(0x80)  # of the status: the clock stood still, as without a supply
_PATIENCE_MS = const(300)

_NOT_MEASURED = "chip has not measured"


class DS3231:
    conversion_ms = 200

    def __init__(self, i2c, address=0x68):
        """It has no id; start() finds out whether it is one. OSError: no answer."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        self._state()

    def _state(self):
        self.i2c.readfrom_mem_into(self.address, _CONTROL, self.buf)
        return self.buf[0] & _CONVERT or self.buf[1] & _BUSY

    def start(self):
        self._began = time.ticks_ms()
        if not self._state():
            self.i2c.writeto_mem(self.address, _CONTROL, bytes((self.buf[0] | _CONVERT,)))
            if not self._state():
                raise OSError(EIO, "chip does not keep its settings")
        self._stopped = self.buf[1] & _STOPPED

    def ready(self):
        """Return the ms still to wait. OSError: it does not end, or has restarted."""
        if self._state():
            if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
                raise OSError(EIO, "chip stays busy")
            return 10
        if self.buf[1] & _STOPPED and not self._stopped:
            raise OSError(EIO, _NOT_MEASURED)
        return 0

    def read(self):
        """Return (temperature in °C,)."""
        if self.ready():
            raise OSError(EIO, _NOT_MEASURED)
        self.i2c.readfrom_mem_into(self.address, _TEMPERATURE, self.buf)
        raw = self.buf[0] << 8 | self.buf[1]
        if raw & 0x8000:
            raw -= 0x10000
        # The last six bits are always 0.
        if raw & 0x3F or not -40 * 256 <= raw <= 85 * 256:
            raise OSError(EIO, "reading out of the chip's range")
        return (raw / 256,)
