"""MH-Z19B and MH-Z19C: carbon dioxide, on a serial port.

They want 5 V (4.5 V at least); their signals are 3.3 V. Nothing is reported in the first minute after the node's start
or a failure, and for two minutes more not the values that they show while they warm up: 410, 500 and 515 ppm. They are
told to measure up to 5000 ppm; an older one ends at 2000. At its end one shows that figure for whatever there is: 2000,
5000 and 10000 are errors, and so is what is under 400. With `self_calibration` the least of each day is taken for 400 ppm:
fresh air once a day, or set it to false.
Range: 400 to 5000 ppm, ±50 ppm and 5 %.
Source: Winsen MH-Z19B user's manual, version 1.0.
"""

import time
from errno import EIO

from micropython import const

from drivers.shared.uartframe import Frames

_READ = b"\xff\x01\x86\x00\x00\x00\x00\x00\x79"
_CALIBRATE = b"\xff\x01\x79\xa0\x00\x00\x00\x00\xe6"
_DO_NOT = b"\xff\x01\x79\x00\x00\x00\x00\x00\x86"
_RANGE = b"\xff\x01\x99\x00\x00\x00\x13\x88\xcb"  # 5000 ppm
_HEAD = b"\xff\x86"
_SIZE = const(9)
_DARK_MS = const(60000)
_WARM_MS = const(180000)
_WARMING = (410, 500, 515)
_LEAST = const(400)
_ENDS = (2000, 5000, 10000)  # of the ranges there are
_PATIENCE_MS = const(500)
_LOOK_MS = const(20)


class MHZ19:
    conversion_ms = 100  # after the command before it

    def __init__(self, uart, self_calibration=True):
        """uart: 9600 baud."""
        self.uart = uart
        self.frames = Frames(uart, _HEAD, _SIZE, _is_valid)
        self._began = time.ticks_ms()
        self._warm_ms = _WARM_MS  # 0: all is true from now on
        self._asked = None  # ticks
        self._questions = 0
        self._ranged = False
        uart.write(_CALIBRATE if self_calibration else _DO_NOT)

    def start(self):
        self._questions = 0
        if not self._ranged:  # not in one go with the command before it
            self._ranged = True
            self.uart.write(_RANGE)

    def ready(self):
        """Ask, a second time if need be. Return ms to wait, 0 when the answer came. OSError: none did."""
        if not self._questions:
            return self._ask()
        if self.frames.look():
            return 0
        if time.ticks_diff(time.ticks_ms(), self._asked) <= _PATIENCE_MS:
            return _LOOK_MS
        if self._questions < 2:
            return self._ask()
        raise OSError(EIO, "checksum" if self.frames.spoilt else "no data from the sensor")

    def _ask(self):
        self.frames.forget()
        self.uart.write(_READ)
        self._asked = time.ticks_ms()
        self._questions += 1
        return _LOOK_MS

    def read(self):
        """Return (CO2 in ppm,), None while the sensor warms up."""
        self.conversion_ms = 0
        b = self.frames.buf
        ppm = b[2] << 8 | b[3]
        if self._warm_ms:
            up = time.ticks_diff(time.ticks_ms(), self._began)
            if 0 <= up < _DARK_MS or (0 <= up < _WARM_MS and ppm in _WARMING):
                return None
            if not 0 <= up < _WARM_MS:
                self._warm_ms = 0
        if not _LEAST <= ppm < _ENDS[-1] or ppm in _ENDS:
            raise OSError(EIO, "reading out of the chip's range")
        return (ppm,)


def _is_valid(b):
    return sum(b[1:]) & 0xFF == 0
