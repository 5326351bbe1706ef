"""DHT22 (AM2302, AM2301) and DHT11: temperature, humidity, on a wire of their own.

Asked, one answers with what it measured when it was asked before, and must not be asked again for 2 s. So start() asks
and forgets the answer; read() asks again and believes it. Each question blocks for a quarter of a second. The two
differ in what they say and not in how: if it is the other one, the error says so.
`dht` is MicroPython's own `dht.DHT22`, for both, of which only measure() and buf are used.
Range: DHT22 -40 to 80 °C, ±0.5 °C, and 0 to 100 %, ±2 %; DHT11 ±2 °C and ±5 %, older ones whole and not below 0 °C.
Source: Aosong AM2302 product manual; Aosong DHT11 product manual.
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
        self._heard = False  # was the last question answered? Then it began a conversion
        self._again = False  # whether it may be asked once more for this reading

    def _ask(self):
        self._heard = False
        try:
            self.dht.measure()
        except Exception as e:
            if type(e) is not Exception:  # the frozen driver's word for a wrong checksum
                raise
            raise OSError(EIO, "checksum") from None
        finally:
            self._asked = time.ticks_ms()
        self._heard = True

    def start(self):
        self._again = True
        if self._asked is not None:
            ago = time.ticks_diff(time.ticks_ms(), self._asked)
            # The last question began the conversion already.
            if 0 <= ago < _PAUSE_MS and self._heard:
                self.conversion_ms = _PAUSE_MS - ago
                return
        self.conversion_ms = _PAUSE_MS
        try:
            self._ask()
        except OSError:
            pass  # whatever it said was old

    def ready(self):
        """Return ms to wait. The question of start() was not heard, perhaps: then once more."""
        if self._heard or not self._again:
            return 0
        self._again = False
        try:
            self._ask()
        except OSError:
            pass  # whatever it said was old
        return _PAUSE_MS

    def read(self):
        """Return (temperature in °C, humidity in %)."""
        heard = self._heard
        self._ask()
        b = self.dht.buf
        if not any(b):  # its checksum is right
            raise OSError(EIO, "data line held low")
        if sum(b[:4]) & 0xFF != b[4]:
            raise OSError(EIO, "checksum")
        values = self.values(b)
        if not heard:  # it was measured when somebody asked before, whenever that was
            raise OSError(EIO, "chip has not measured")
        return values

    def values(self, b):
        humidity = b[0] << 8 | b[1]
        temperature = b[2] << 8 | b[3]
        if temperature & 0x4000:  # some copies of the chip: two's complement
            temperature -= 0x10000
        elif temperature & 0x8000:  # the chip: sign and magnitude
            temperature = 0x8000 - temperature
        if humidity > 1000:  # a DHT11's is 1024 at least
            raise OSError(EIO, "reading out of the chip's range (is it a DHT11?)")
        if not -400 <= temperature <= 800:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature / 10, humidity / 10)


class DHT11(DHT22):
    def values(self, b):
        # Whole numbers, then tenths; those of the temperature have the sign.
        if b[0] < 4:  # whatever a DHT22 measures
            raise OSError(EIO, "reading out of the chip's range (is it a DHT22?)")
        tenths = b[3] & 0x7F
        temperature = b[2] * 10 + tenths
        if b[3] & 0x80:
            temperature = -temperature
        if b[0] > 100 or b[1] > 9 or tenths > 9 or not -200 <= temperature <= 600:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature / 10, b[0] + b[1] / 10)
