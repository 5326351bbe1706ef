"""MAX17048 fuel gauge: voltage and charge of one lithium cell, I2C 0x36.

It runs from the cell and measures by itself, four times a second or, hibernating, every 45 s. What it has learnt about
the cell is not touched: the driver does not reset it. A cell just connected is waited for, 1 s. Of a cell that is not
connected it shows anything; what cannot be one is refused. Asleep, as another program may have left it, it is woken.
Range: 2.5 to 5 V, ±7.5 mV.
Source: Maxim MAX17048 data sheet, 19-6171: "Registers".
"""

import time
from errno import EIO

from micropython import const

_VCELL = const(0x02)  # the charge follows it
_VERSION = const(0x08)
_CONFIG = const(0x0C)
_ASLEEP = const(0x80)  # of the config's second byte
_STATUS = const(0x1A)
_RESTARTED = const(0x01)  # of the status' first byte
_MAX17048 = const(0x0010)  # the last digit is the revision
_FIRST_MS = const(1000)  # after it got its supply
_LOWEST = const(32000)  # 2.5 V
_HIGHEST = const(64000)  # 5 V
_FULLEST = const(0x8000)  # 128 %: no cell is that much fuller than its model


class MAX17048:
    conversion_ms = 0

    def __init__(self, i2c, address=0x36):
        """Find the chip. OSError: no answer, or another chip's."""
        self.i2c = i2c
        self.address = address
        self.buf = bytearray(4)
        version = i2c.readfrom_mem(address, _VERSION, 2)
        found = version[0] << 8 | version[1]
        if found & 0xFFF0 != _MAX17048:
            expected = "; expected a MAX17048 (0x%04x)" % _MAX17048
            raise OSError(EIO, "chip id 0x%04x" % found + expected)
        config = i2c.readfrom_mem(address, _CONFIG, 2)
        if config[1] & _ASLEEP:  # it shows what it measured before
            i2c.writeto_mem(address, _CONFIG, bytes((config[0], config[1] & ~_ASLEEP)))
            self._settles = True
        else:
            self._settles = bool(self._status() & _RESTARTED)
        self._began = time.ticks_ms()

    def _status(self):
        return self.i2c.readfrom_mem(self.address, _STATUS, 2)[0]

    def start(self):
        """Nothing: it measures all the time."""

    def ready(self):
        """Return the ms still to wait, after the chip has started."""
        if self._settles:
            wait = _FIRST_MS - time.ticks_diff(time.ticks_ms(), self._began)
            if wait > 0:
                return wait
            self._settles = False
            # So that it is seen when it restarts once more. The other flags stay.
            self.i2c.writeto_mem(self.address, _STATUS, bytes((self._status() & ~_RESTARTED, 0)))
        return 0

    def read(self):
        """Return (volts, percent)."""
        buf = self.buf
        self.i2c.readfrom_mem_into(self.address, _VCELL, buf)
        if self._settles or self._status() & _RESTARTED:
            raise OSError(EIO, "chip has not measured")
        vcell = buf[0] << 8 | buf[1]
        charge = buf[2] << 8 | buf[3]
        if not _LOWEST <= vcell <= _HIGHEST or charge >= _FULLEST:
            raise OSError(EIO, "reading out of the chip's range")
        # Above 100: the cell is fuller than the one in the chip's model, as after a charge to the full 4.2 V.
        return (vcell / 12800, min(charge + 128 >> 8, 100))
