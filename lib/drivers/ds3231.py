"""DS3231 clock chip: its temperature, and nothing else, I2C 0x68.

Its clock is not used: a node has its time from the network. Neither clock, alarms nor outputs are touched, so another
program's may run on; only the frequency of an output that is off is set, by which a restart of the chip is noticed. It
measures every 64 s for itself; asked, at once, in 200 ms at most.
Range: -40 to 85 °C, ±3 °C, in steps of 0.25 °C.
Source: Maxim DS3231 data sheet, 19-5170: "Temperature registers", "Control register".
"""

import time
from errno import EIO

from micropython import const

_CONTROL = const(0x0E)  # the status follows it
_TEMPERATURE = const(0x11)
_CONVERT = const(0x20)  # of the control: set until it has measured
_NO_OUTPUT = const(0x04)  # of the control: there is no square wave
_FREQUENCY = const(0x18)  # of the control: that of the square wave; both set after a restart
_BUSY = const(0x04)  # of the status: it measures
_PATIENCE_MS = const(300)

_NOT_MEASURED = "chip has not measured"


class DS3231:
    conversion_ms = 200

    def __init__(self, i2c, address=0x68):
        """It has no id; start() finds out whether it is one. OSError: no answer."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(2)
        self._told = None  # the control, apart from _CONVERT
        self._state()

    def _state(self):
        self.i2c.readfrom_mem_into(self.address, _CONTROL, self.buf)
        return self.buf[0] & _CONVERT or self.buf[1] & _BUSY

    def start(self):
        self._began = time.ticks_ms()
        busy = self._state()
        # With a square wave its control differs from that of a chip that has restarted; without, it is made to.
        control = self.buf[0] & ~_CONVERT
        if control & _NO_OUTPUT:
            control &= ~_FREQUENCY
        self._told = control
        asks = self.buf[0] & _CONVERT if busy else _CONVERT
        self.i2c.writeto_mem(self.address, _CONTROL, bytes((control | asks,)))
        if not (self._state() or busy) or self._forgot():
            raise OSError(EIO, "chip does not keep its settings")

    def _forgot(self):
        return self.buf[0] & ~_CONVERT != self._told

    def ready(self):
        """Return the ms still to wait. OSError: it does not end, or has restarted."""
        busy = self._state()
        if self._forgot():
            raise OSError(EIO, _NOT_MEASURED)
        if busy:
            if time.ticks_diff(time.ticks_ms(), self._began) > _PATIENCE_MS:
                raise OSError(EIO, "chip stays busy")
            return 10
        return 0

    def read(self):
        """Return (temperature in °C,)."""
        self.i2c.readfrom_mem_into(self.address, _TEMPERATURE, self.buf)
        raw = self.buf[0] << 8 | self.buf[1]
        if self.ready():
            raise OSError(EIO, _NOT_MEASURED)
        if raw & 0x8000:
            raw -= 0x10000
        # The last six bits are always 0.
        if raw & 0x3F or not -40 * 256 <= raw <= 85 * 256:
            raise OSError(EIO, "reading out of the chip's range")
        return (raw / 256,)
