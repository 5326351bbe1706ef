"""What the humidity sensors of Sensirion have in common: two words with a checksum each, which the chip forgets once they are read."""

import time
from errno import EIO

from drivers.shared.crc8 import crc8


class SHT:
    """A driver gives `conversion_ms`, `measure` (the command), `patience_ms`, ask() and values()."""

    def __init__(self, i2c, address):
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(6)
        self._words = memoryview(self.buf)[:3], memoryview(self.buf)[3:]
        self._since = 0  # ticks of the command to measure
        self._spoiled = False  # was there a wrong checksum since start()?
        self._fresh = False  # is in buf what read() is to return?

    def ask(self):
        """Ask the chip who it is. OSError: it does not answer, or is another."""
        raise NotImplementedError

    def answer(self, command, words, ms):
        """Send a command, wait, read so many words into buf. OSError: no answer, or twice a wrong checksum."""
        for _ in range(2):
            self.i2c.writeto(self.address, command)
            time.sleep_ms(ms)
            self.i2c.readfrom_into(self.address, self.buf if words == 2 else self._words[0])
            if self._intact(words):
                return
        raise OSError(EIO, "checksum")

    def answers(self, command, words):
        """Is there a chip of another kind, which knows this command?"""
        try:
            self.answer(command, words, 2)
            return True
        except OSError:
            return False

    def _intact(self, words):
        return not any(crc8(word) for word in self._words[:words])

    def start(self):
        self._spoiled = self._fresh = False
        self._measure()

    def _measure(self):
        self.i2c.writeto(self.address, self.measure)
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch the measurement. Return 0: read it, or ms to wait."""
        if self._fresh:
            return 0
        try:
            self.i2c.readfrom_into(self.address, self.buf)
        except OSError:  # it does not acknowledge while it measures
            if time.ticks_diff(time.ticks_ms(), self._since) <= self.patience_ms:
                return 1
            self.ask()
            raise OSError(EIO, "chip has not measured") from None
        if not self._intact(2):
            if self._spoiled:
                raise OSError(EIO, "checksum")
            self._spoiled = True
            self._measure()
            return self.conversion_ms
        self._fresh = True
        return 0

    def read(self):
        """Return (temperature in °C, humidity in %), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        buf = self.buf
        temperature, humidity = self.values(buf[0] << 8 | buf[1], buf[3] << 8 | buf[4])
        if not -40 <= temperature <= 125:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature, humidity)
