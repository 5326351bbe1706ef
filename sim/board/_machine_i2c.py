"""`machine.I2C` and `machine.SoftI2C`.

Sources: extmod/machine_i2c.c, ports/esp32/machine_i2c.c, ports/rp2/machine_i2c.c.
"""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import struct

from _machine_pin import Pin

import sim

_i2cs = {}


class SoftI2C:
    _nack = 19  # the error if an address is not acknowledged
    _data_too = False  # is it one if a byte after it is not? Else writeto() tells how many were, and writeto_mem() nothing

    def __init__(self, scl, sda, *, freq=400_000, timeout=50_000):
        self._scl, self._sda = scl.n, sda.n

    def _chip(self, address):
        sim.use_stand()
        sim.run_due()
        if self._scl in sim.stuck or self._sda in sim.stuck:
            raise OSError(errnos.ETIMEDOUT)
        for sda, scl, a, chip, name in sim.i2c_devices:
            if (
                a == address
                and sda == self._sda
                and scl == self._scl
                and name not in sim.unplugged
            ):
                return chip
        raise OSError(self._nack)

    def _refused(self, chip, data):
        """Does the chip refuse these bytes, or, without any, its address?"""
        try:
            return chip.write(data) is False
        except OSError:
            return True

    def _write(self, chip, data):
        """Return how many bytes were acknowledged. A chip that hears, but refuses a byte, does so with the last."""
        if not self._refused(chip, data):
            return len(data)
        if self._data_too or not data or self._refused(chip, b""):
            raise OSError(self._nack)
        return len(data) - 1

    def _read(self, chip, n):
        try:
            data = chip.read(n)
        except OSError:
            data = None
        if data is None:
            raise OSError(self._nack)
        return data

    def _stop(self, chip):
        if hasattr(chip, "stop"):
            chip.stop()

    def scan(self):
        found = []
        for address in range(0x08, 0x78):
            try:
                chip = self._chip(address)
                self._write(chip, b"")
                found.append(address)
            except OSError as e:
                if e.errno == errnos.ETIMEDOUT:
                    raise
        return found

    def writeto(self, address, buf, stop=True):
        chip = self._chip(address)
        acknowledged = self._write(chip, bytes(buf))
        if stop:
            self._stop(chip)
        return acknowledged

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(part) for part in vector), stop)

    def readfrom(self, address, n, stop=True):
        chip = self._chip(address)
        data = self._read(chip, n)
        if stop:
            self._stop(chip)
        return data

    def readfrom_into(self, address, buf, stop=True):
        buf[:] = self.readfrom(address, len(buf), stop)

    def readfrom_mem(self, address, memaddr, n, *, addrsize=8):
        chip = self._chip(address)
        self._write(chip, _register(memaddr, addrsize))
        data = self._read(chip, n)
        self._stop(chip)
        return data

    def readfrom_mem_into(self, address, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(address, memaddr, len(buf), addrsize=addrsize)

    def writeto_mem(self, address, memaddr, buf, *, addrsize=8):
        self.writeto(address, _register(memaddr, addrsize) + bytes(buf))


def _register(memaddr, addrsize):
    return struct.pack(">H" if addrsize == 16 else "B", memaddr)


class I2C(SoftI2C):
    """A controller: there are two, and to construct one again is to move it to other pins."""

    _nack = 19 if sim.ESP32 else 5
    # ESP-IDF makes no difference; the Pico's SDK does (i2c_write_blocking_internal)
    _data_too = sim.ESP32

    def __new__(cls, id=0, **kwargs):
        if id not in (0, 1):
            raise ValueError("I2C(%s) doesn't exist" % id)
        if id not in _i2cs:
            _i2cs[id] = object.__new__(cls)
        return _i2cs[id]

    def __init__(self, id=0, *, scl=None, sda=None, freq=400_000, timeout=50_000):
        if sim.ESP32:
            default = (18, 19) if id == 0 else (25, 26)
        else:
            default = (5, 4) if id == 0 else (7, 6)
        scl = _pin_of(scl, default[0])
        sda = _pin_of(sda, default[1])
        if sim.ESP32:
            if scl >= 34 or sda >= 34:
                raise ValueError("invalid pin")
        else:
            if scl & 3 != 2 * id + 1:
                raise ValueError("bad SCL pin")
            if sda & 3 != 2 * id:
                raise ValueError("bad SDA pin")
        self._scl, self._sda = scl, sda

    def init(self, **kwargs):
        pass


def _pin_of(pin, default):
    if pin is None:
        return default
    if isinstance(pin, Pin):
        return pin.n
    if sim.ESP32:
        raise ValueError("expecting a pin")
    return Pin(pin).n
