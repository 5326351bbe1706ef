"""`onewire` for a firmware without micropython-lib, of which Debian has no source: what our drivers use of it.

The slots and their timing are the firmware's own.
"""

import _onewire

_SEARCH_ROM = 0xF0
_MOST = 255


class OneWireError(Exception):
    pass


class OneWire:
    def __init__(self, pin):
        self.pin = pin
        pin.init(pin.OPEN_DRAIN, pin.PULL_UP)

    def reset(self):
        return _onewire.reset(self.pin)

    def writebyte(self, byte):
        _onewire.writebyte(self.pin, byte)

    def write(self, buf):
        for byte in buf:
            _onewire.writebyte(self.pin, byte)

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = _onewire.readbyte(self.pin)

    def crc8(self, data):
        return _onewire.crc8(data)

    def scan(self):
        found = []
        rom = bytearray(8)
        last = 64  # the lowest place where the last round could have gone the other way
        for _ in range(_MOST):  # a line held low looks like all addresses there can be
            if last < 0 or not self.reset():
                break
            self.writebyte(_SEARCH_ROM)
            fork = -1
            for place in range(64):
                byte, bit = place >> 3, 1 << (place & 7)
                # Each chip says its bit, then the opposite; a 0 is heard over any 1.
                zeros = not _onewire.readbit(self.pin)
                ones = not _onewire.readbit(self.pin)
                if not (ones or zeros):
                    return found  # nobody answers any more
                one = ones
                if ones and zeros:
                    one = bool(rom[byte] & bit) if place < last else place == last
                    if not one:
                        fork = place
                rom[byte] = rom[byte] | bit if one else rom[byte] & ~bit
                _onewire.writebit(self.pin, one)
            found.append(bytearray(rom))
            last = fork
        return found
