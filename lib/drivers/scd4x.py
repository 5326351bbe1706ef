"""SCD40 and SCD41: carbon dioxide, temperature, humidity, I2C 0x62.

The chip measures every 5 s by itself, whatever the interval, and the newest is read. The first reading comes 11 s after
the start: the driver stops the chip, since it may be at work from before a reset, and its first measurement is not used.
It draws 0.2 A for moments: a weak 3.3 V supply resets it. The temperature is that of the chip less the 4 °C by which it
warms itself. The driver sends `height_m` and `self_calibration` at every start, and does not write them to its memory, which
wears out.
Range: 400 to 2000 ppm (SCD41: 5000), ±50 ppm and 5 %; -10 to 60 °C, ±0.8 °C; 0 to 95 %, ±6 %.
Source: Sensirion SCD4x data sheet, 3.4 to 3.9.
"""

import time
from errno import EIO

from micropython import const

from drivers.shared.crc8 import crc8

_STOP = const(0x3F86)
_WAKE = const(0x36F6)
_SERIAL = const(0x3682)
_HEIGHT = const(0x2427)
_SELF_CALIBRATION = const(0x2416)
_MEASURE = const(0x21B1)  # every 5 s
_IS_READY = const(0xE4B8)
_FETCH = const(0xEC05)

_POWER_UP_MS = const(1000)  # it acknowledges nothing so long
_STOP_MS = const(500)  # nor now, while it ends a measurement
_RETRY_MS = const(50)
_PERIOD_MS = const(5000)
_POLL_MS = const(200)
_END = const(40000)  # ppm: it shows no more, however much there is
_PATIENCE_MS = const(17000)  # the first is not used, one may be spoiled, the third comes at 15 s

# What it does, as far as we know.
_ANYTHING = const(0)
_STOPS = const(1)
_WARMS_UP = const(2)  # its first measurement
_MEASURES = const(3)


class SCD4X:
    conversion_ms = 0  # ready() waits

    def __init__(self, i2c, address=0x62, height_m=0, self_calibration=True):
        """Says nothing to the chip, which may have no ears yet: whether it is there is found out by ready()."""
        self.i2c = i2c
        self.address = address
        self.height_m = height_m
        self.self_calibration = self_calibration
        self.buf = bytearray(9)
        self._does = _ANYTHING
        self._since = 0  # ticks of start(), or of the stop
        self._spoiled = False  # was there a wrong checksum since start()?
        self._fresh = False  # is in buf what read() is to return?

    def start(self):
        self._since = time.ticks_ms()
        self._spoiled = self._fresh = False

    def ready(self):
        """Do what is next. Return ms until then, 0: read.

        OSError: it is not there, or has nothing to tell for too long.
        """
        waited = time.ticks_diff(time.ticks_ms(), self._since)
        if self._fresh:
            return 0
        if self._does == _ANYTHING:
            return self._stop(waited)
        if self._does == _STOPS:
            return _STOP_MS - waited if waited < _STOP_MS else self._begin()
        self._ask(_IS_READY, 3)
        wait = _POLL_MS
        if (self.buf[0] << 8 | self.buf[1]) & 0x07FF:  # the other bits say nothing: "no" is 0x8000
            wait = self._fetch()
        if wait and waited > _PATIENCE_MS:
            raise OSError(EIO, "chip has not measured")
        return wait

    def _stop(self, waited):
        try:
            self._send(_STOP)
        except OSError:
            if waited > _POWER_UP_MS:
                raise
            self._wake()
            return _RETRY_MS
        self._does = _STOPS
        self._since = time.ticks_ms()
        return _STOP_MS

    def _wake(self):
        """An SCD41 may have been put to sleep by another program. It never acknowledges this command."""
        try:
            self._send(_WAKE)
        except OSError:
            pass

    def _begin(self):
        self._ask(_SERIAL, 9)  # is it one? Only its checksum says so.
        self._send(_HEIGHT, self.height_m)
        self._send(_SELF_CALIBRATION, int(self.self_calibration))
        self._send(_MEASURE)
        self._does = _WARMS_UP
        return _PERIOD_MS

    def _fetch(self):
        """Take the measurement, which the chip forgets by that. Return ms until the next, 0: this one is good."""
        if not self._answered(_FETCH, 9):
            if self._spoiled:
                raise OSError(EIO, "checksum")
            self._spoiled = True
            return _PERIOD_MS
        if self._does == _WARMS_UP or not (self.buf[0] or self.buf[1]):
            self._does = _MEASURES
            return _PERIOD_MS
        self._fresh = True
        return 0

    def _send(self, command, word=None):
        data = command.to_bytes(2, "big")
        if word is not None:
            word = word.to_bytes(2, "big")
            data += word + bytes((crc8(word),))
        self.i2c.writeto(self.address, data)
        time.sleep_ms(2)  # each takes 1 ms at most, the stop excepted

    def _answered(self, command, n):
        """Read the n bytes of an answer into buf. Is the checksum of each word right?"""
        self._send(command)
        answer = memoryview(self.buf)[:n]
        self.i2c.readfrom_into(self.address, answer)
        return not any(crc8(answer[i : i + 3]) for i in range(0, n, 3))

    def _ask(self, command, n):
        """The same for what can be asked twice."""
        if not (self._answered(command, n) or self._answered(command, n)):
            raise OSError(EIO, "checksum")

    def read(self):
        """Return (CO2 in ppm, temperature in °C, humidity in %), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        buf = self.buf
        co2 = buf[0] << 8 | buf[1]
        temperature = (buf[3] << 8 | buf[4]) * 175 / 65535 - 45
        if co2 >= _END or not -10 <= temperature <= 60:
            raise OSError(EIO, "reading out of the chip's range")
        return (co2, temperature, (buf[6] << 8 | buf[7]) * 100 / 65535)
