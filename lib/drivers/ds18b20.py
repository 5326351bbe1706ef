"""DS18B20, DS18S20, DS1822 and DS1825: temperature, on a 1-Wire bus.

1/16 °C, 750 ms a conversion. Each chip gets the command to convert at its own address, so several on one wire do not
disturb each other. ESPHome, Tasmota and Linux print an address in another order: put it into config.json, and
`make check-config` says the right one.
It wants its own supply: MicroPython's bus does not give the strong pull-up of parasite power. Without it, or when the supply
gives way, the chip restarts during a conversion and shows 85 °C; the many copies show that or something else. So the driver
writes marks into the two alarm bytes before each conversion. A restart takes them away, and the reading is a failure. What
the chip keeps in its memory stays. A real 85.0 °C counts only if byte 6 of the answer agrees, as a copy's often does not.
Range: -55 to 125 °C, ±0.5 °C from -10 to 85.
Source: Maxim DS18B20 data sheet, 19-7487: "Memory", "DS18B20 Function Commands"; DS18S20 data sheet, 19-5474; DS1825, 19-4645.
"""

from errno import EIO, ENODEV

from micropython import const

_MATCH_ROM = const(0x55)
_WRITE_SCRATCHPAD = const(0x4E)
_CONVERT = const(0x44)
_READ_SCRATCHPAD = const(0xBE)
_DS18S20 = const(0x10)
_FAMILIES = (0x28, _DS18S20, 0x22, 0x3B)  # DS18B20, DS18S20, DS1822, DS1825
_MARKS = b"\x6a\x95"  # no copy has these to begin with
_12_BITS = const(0x7F)
_85 = const(0x0550)
_COUNT_PER_C = const(16)  # of a DS18S20, and what byte 6 of a DS18B20 begins from


class DS18B20:
    conversion_ms = 750

    def __init__(self, onewire, address=""):
        """address: 16 hexadecimal digits; empty: of the only one on the wire.

        OSError: nobody answers, or only others. ValueError: several do, or it is no address of such a chip.
        """
        self.onewire = onewire
        self.buf = bytearray(9)
        self.rom = bytes.fromhex(address) if address else self._only()
        if len(self.rom) != 8 or onewire.crc8(self.rom) or self.rom[0] not in _FAMILIES:
            raise ValueError("%s is no DS18B20's address" % bytes(self.rom).hex())

    def _only(self):
        on_the_wire = self.onewire.scan()
        found = [rom for rom in on_the_wire if rom[0] in _FAMILIES]
        if len(found) > 1:
            addresses = ", ".join(bytes(rom).hex() for rom in found)
            raise ValueError("several on the wire, set address to one of " + addresses)
        if found:
            return found[0]
        if on_the_wire:
            raise OSError(EIO, "another chip answers (family 0x%02x)" % on_the_wire[0][0])
        raise OSError(ENODEV)

    def _command(self, command):
        if not self.onewire.reset():
            raise OSError(ENODEV)
        self.onewire.writebyte(_MATCH_ROM)
        self.onewire.write(self.rom)
        self.onewire.writebyte(command)

    def start(self):
        self._command(_WRITE_SCRATCHPAD)
        self.onewire.write(_MARKS)
        if self.rom[0] != _DS18S20:  # which has no choice
            self.onewire.writebyte(_12_BITS)
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
            if min(buf) == 0xFF:
                raise OSError(ENODEV, "others answer on the wire, not this address")
            raise OSError(EIO, "checksum")
        if not any(buf):  # its checksum is right
            raise OSError(EIO, "data line held low")
        if self.rom[0] == 0x3B and buf[4] & 0x80:
            raise OSError(EIO, "another chip answers (a MAX31850)")
        if buf[2:4] != _MARKS:
            raise OSError(EIO, "chip has not measured")
        raw = buf[1] << 8 | buf[0]
        if raw & 0x8000:
            raw -= 0x10000
        sixteenths = self._of_a_ds18s20(raw) if self.rom[0] == _DS18S20 else self._of_others(raw)
        if not -55 * 16 <= sixteenths <= 125 * 16:
            raise OSError(EIO, "reading out of the chip's range")
        return (sixteenths / 16,)

    def _of_others(self, raw):
        if raw == _85 and self.buf[6] != _COUNT_PER_C:
            # From its start, or of a copy that does not tell.
            raise OSError(EIO, "chip has not measured")
        # Below 12 bits the last ones are undefined.
        return raw & -1 << (3 - (self.buf[4] >> 5 & 3))

    def _of_a_ds18s20(self, raw):
        """Half degrees, and what remained of the count when it had counted down."""
        remain, per_c = self.buf[6], self.buf[7]
        if per_c != _COUNT_PER_C or remain > per_c:
            raise OSError(EIO, "reading out of the chip's range")
        sixteenths = (raw >> 1) * 16 - 4 + per_c - remain
        if sixteenths == _85:  # from its start, or by chance
            raise OSError(EIO, "chip has not measured")
        return sixteenths
