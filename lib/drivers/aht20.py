"""AHT20, AHT21, AHT25, DHT20, AM2301B and AHT10: temperature, humidity, I2C 0x38, an AHT10 also 0x39.

One measurement at a time, some 80 ms, then the chip idles by itself. A humidity of 0 % is none: the chip has not
measured. An AHT10 sends no checksum, and may disturb other chips on its bus: give it pins of its own if they fail.
Range: -40 to 85 °C, ±0.3 °C; 0 to 100 %, ±2 %.
Source: Aosong data sheets AHT20, DHT20 and AHT10: "Sensor communication".
"""

import time
from errno import EIO

from micropython import const

from drivers.shared.crc8 import crc8

_MEASURE = b"\xac\x33\x00"
_RESET = b"\xba"
_BUSY = const(0x80)  # of the status, which is the first byte it sends
_POLL_MS = const(5)
_PATIENCE_MS = const(250)


class AHT20:
    conversion_ms = 80

    # Of the status, and what they are in a chip that has its calibration.
    _mask, _calibrated = 0x18, 0x18
    _init = b"\xbe\x08\x00"
    _size = 7

    def __init__(self, i2c, address=0x38):
        """Have the chip load its calibration. OSError: no answer (it needs 0.1 s after its power), or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(self._size)
        self._since = 0  # ticks of the command to measure
        self._fresh = False  # is in buf what read() is to return?
        if not self._is_calibrated():
            i2c.writeto(address, self._init)
            time.sleep_ms(10)
            if not self._is_calibrated():
                raise OSError(EIO, "chip is not calibrated")

    def _is_calibrated(self):
        status = self.i2c.readfrom(self.address, 1)[0]
        return status != 0xFF and status & self._mask == self._calibrated

    def start(self):
        self._fresh = False
        self.i2c.writeto(self.address, _MEASURE)
        self._since = time.ticks_ms()

    def ready(self):
        """Fetch the measurement. Return 0: read it, or ms to wait."""
        if self._fresh:
            return 0
        for _ in range(2):  # once more: it keeps what it measured
            self.i2c.readfrom_into(self.address, self.buf)
            if self.buf[0] & _BUSY:
                return self._busy()
            if self._intact():
                self._fresh = True
                return 0
        raise OSError(EIO, "checksum")

    def _busy(self):
        if time.ticks_diff(time.ticks_ms(), self._since) > _PATIENCE_MS:
            self.i2c.writeto(self.address, _RESET)  # it has the time until it is tried again
            raise OSError(EIO, "chip stays busy")
        return _POLL_MS

    def _intact(self):
        return not crc8(self.buf)

    def read(self):
        """Return (temperature in °C, humidity in %), once ready() has said 0."""
        if not self._fresh:
            raise OSError(EIO, "chip has not measured")
        self._fresh = False
        b = self.buf
        humidity = b[1] << 12 | b[2] << 4 | b[3] >> 4
        if not humidity or b[0] & self._mask != self._calibrated:  # it was reset since start()
            raise OSError(EIO, "chip has not measured")
        temperature = ((b[3] & 15) << 16 | b[4] << 8 | b[5]) * 200 / 1048576 - 50
        if not -40 <= temperature <= 85:
            raise OSError(EIO, "reading out of the chip's range")
        return (temperature, humidity * 100 / 1048576)


class AHT10(AHT20):
    _mask, _calibrated = 0x68, 0x08
    _init = b"\xe1\x08\x00"
    _size = 6

    def _intact(self):
        return True
