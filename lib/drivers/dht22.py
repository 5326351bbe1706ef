"""DHT22 (AM2302, AM2301) temperature and humidity sensor on a wire of its own.

Asked, it answers with what it measured when it was asked before, and must not be asked again for 2 s. So start() asks
and forgets the answer; read() asks again and believes it. Each question blocks for a quarter of a second.
`dht` is MicroPython's own `dht.DHT22`, of which only measure() and buf are used.
Source: Aosong AM2302 product manual.
"""

import time
from errno import EIO

from micropython import const

_PAUSE_MS = const(2000)


class DHT22:
    conversion_ms = _PAUSE_MS

    def __init__(self, dht):
        self.dht = dht
        self._asked = None  # ticks

    def _ask(self):
        try:
            self.dht.measure()
        except Exception as e:
            if type(e) is not Exception:  # the frozen driver's word for a wrong checksum
                raise
            raise OSError(EIO, "checksum") from None
        finally:
            self._asked = time.ticks_ms()

    def start(self):
        if self._asked is not None:
            ago = time.ticks_diff(time.ticks_ms(), self._asked)
            if 0 <= ago < _PAUSE_MS:  # the last question began the conversion already
                self.conversion_ms = _PAUSE_MS - ago
                return
        self.conversion_ms = _PAUSE_MS
        try:
            self._ask()
        except OSError:
            pass  # whatever it said was old

    def read(self):
        """Return (temperature in °C, humidity in %)."""
        self._ask()
        b = self.dht.buf
        if not any(b):  # its checksum is right
            raise OSError(EIO, "data line held low")
        if sum(b[:4]) & 0xFF != b[4]:
            raise OSError(EIO, "checksum")
        humidity = b[0] << 8 | b[1]
        temperature = b[2] << 8 | b[3]
        if temperature & 0x4000:  # some copies of the chip: two's complement
            temperature -= 0x10000
        elif temperature & 0x8000:  # the chip: sign and magnitude
            temperature = 0x8000 - temperature
        if humidity > 1000:
            raise OSError(EIO, "reading out of the chip's range (is it a DHT11?)")
        if not -400 <= temperature <= 800:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature / 10, humidity / 10)
