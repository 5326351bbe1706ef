"""PMS5003, PMS7003 and PMSA003: particles in the air, on a serial port.

It wants 5 V; its signals are 3.3 V. It sends by itself about once a second. The driver sets that mode, since another
program may have had it wait for questions. The values are those for the atmosphere.
What it says in the first 30 s after its fan started is not yet true and is left out, also after the node's start and
after a failure, for it may have had no power. With `sleeps` the fan runs 30 s for each reading and rests in between; RX
must be wired for that. Leave SET and RESET open.
Range: 0 to 500 µg/m³, ±10 µg/m³ up to 100, ±10 % above.
Source: Plantower PMS5003 series data manual, appendix I.
"""

import time
from errno import EIO

from micropython import const

from drivers.shared.uartframe import Frames

_WAKE = b"\x42\x4d\xe4\x00\x01\x01\x74"
_SLEEP = b"\x42\x4d\xe4\x00\x00\x01\x73"
_ACTIVE = b"\x42\x4d\xe1\x00\x01\x01\x71"
_HEAD = b"\x42\x4d\x00\x1c"  # with the length: answers to commands are shorter
_SIZE = const(32)
_SETTLE_MS = const(30000)
_PATIENCE_MS = const(4000)
_LOOK_MS = const(50)  # 48 bytes
_MOST = const(5000)  # µg/m³, ten times its range: nothing that is a measurement


class PMS5003:
    def __init__(self, uart, sleeps=False):
        """uart: 9600 baud."""
        self.uart = uart
        self.sleeps = sleeps
        self.frames = Frames(uart, _HEAD, _SIZE, _is_valid)
        self.conversion_ms = 0
        self._settled = False
        self._since = None  # ticks

    def start(self):
        self._since = None
        self.conversion_ms = 0
        if not self._settled:
            self.uart.write(_WAKE)
            self.conversion_ms = _SETTLE_MS

    def ready(self):
        """Return ms to wait, 0 when a frame came. OSError: none did."""
        if not self._settled:
            self.uart.write(_ACTIVE)  # only now: it was deaf while it woke
            self._settled = True
        if self._since is None:
            self._since = time.ticks_ms()
            self.frames.forget()
        elif self.frames.look():
            return 0
        elif time.ticks_diff(time.ticks_ms(), self._since) > _PATIENCE_MS:
            raise OSError(EIO, "checksum" if self.frames.spoilt else "no data from the sensor")
        return _LOOK_MS

    def read(self):
        """Return (PM1, PM2.5, PM10) in µg/m³."""
        if self.sleeps:
            self._settled = False
            self.uart.write(_SLEEP)
        b = self.frames.buf
        values = (b[10] << 8 | b[11], b[12] << 8 | b[13], b[14] << 8 | b[15])
        if max(values) > _MOST:
            raise OSError(EIO, "reading out of the chip's range")
        return values


def _is_valid(b):
    return sum(memoryview(b)[:-2]) == b[-2] << 8 | b[-1]
