"""DS18B20: temperature, on a 1-Wire bus.

12 bits, 1/16 °C, 750 ms a conversion. Each chip is told by its own address to convert, so several on one wire do not
disturb each other. Wants its own supply: MicroPython's bus does not give the strong pull-up of parasite power.
Range: -55 to 125 °C, ±0.5 °C from -10 to 85.
Source: Maxim DS18B20 data sheet, 19-7487: "Memory", "DS18B20 Function Commands".
"""

from errno import EIO, ENODEV

from micropython import const

_MATCH_ROM = const(0x55)
_CONVERT = const(0x44)
_READ_SCRATCHPAD = const(0xBE)
_FAMILIES = (0x28, 0x22)  # DS18B20, DS1822
_POWER_ON = const(0x0550)  # 85 °C


class DS18B20:
    conversion_ms = 750

    def __init__(self, onewire, address=""):
        """address: 16 hexadecimal digits; empty: of the only one on the wire.

        OSError: nobody answers. ValueError: several do, or it is no address of a DS18B20.
        """
        self.onewire = onewire
        self.buf = bytearray(9)
        self.rom = bytes.fromhex(address) if address else self._only()
        if len(self.rom) != 8 or onewire.crc8(self.rom) or self.rom[0] not in _FAMILIES:
            raise ValueError("%s is no DS18B20's address" % bytes(self.rom).hex())

    def _only(self):
        found = [rom for rom in self.onewire.scan() if rom[0] in _FAMILIES]
        if not found:
            raise OSError(ENODEV)
        if len(found) > 1:
            addresses = ", ".join(bytes(rom).hex() for rom in found)
            raise ValueError("several on the wire, set address to one of " + addresses)
        return found[0]

    def _command(self, command):
        if not self.onewire.reset():
            raise OSError(ENODEV)
        self.onewire.writebyte(_MATCH_ROM)
        self.onewire.write(self.rom)
        self.onewire.writebyte(command)

    def start(self):
        self._command(_CONVERT)

    def read(self):
        """Return (temperature in °C,)."""
        buf = self.buf
        for _ in range(2):  # once more: a wire of some metres now and then loses a bit
            self._command(_READ_SCRATCHPAD)
            self.onewire.readinto(buf)
            if not self.onewire.crc8(buf):
                break
        else:
            if min(buf) == 0xFF:  # an idle wire: others answered the reset, this one is not there
                raise OSError(ENODEV)
            raise OSError(EIO, "checksum")
        if not any(buf):  # its checksum is right
            raise OSError(EIO, "data line held low")
        raw = buf[1] << 8 | buf[0]
        if raw == _POWER_ON and buf[6] == 0x0C:  # after a conversion to 85 °C byte 6 is 0x10
            raise OSError(EIO, "chip has not measured")
        raw &= -1 << (3 - (buf[4] >> 5 & 3))  # below 12 bits the last ones are undefined
        if raw & 0x8000:
            raw -= 0x10000
        if not -55 * 16 <= raw <= 125 * 16:
            raise OSError(EIO, "reading out of the chip's range")
        return (raw / 16,)
