"""`onewire`, frozen on both boards. Slots go bit by bit over a wired-AND line; the chips behind it answer the ROM
commands through this bus and the rest themselves (`sim` says how).

Source: micropython-lib micropython/drivers/bus/onewire, Maxim application note 187 (search).
"""

import sim

_SEARCH, _ALARM, _MATCH, _SKIP, _READ = 0xF0, 0xEC, 0x55, 0xCC, 0x33


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self.pin = pin
        pin.init(pin.OPEN_DRAIN, pin.PULL_UP)
        self._rom = ()  # chips that take part in a ROM command
        self._on = ()  # chips selected
        self._state = None  # what the next bits are: None, "command", "match", "search", "chip"
        self._bits = []

    def _chips(self):
        sim.use_stand()
        return [
            c
            for n, c, name in sim.onewire_devices
            if n == self.pin.n and name not in sim.unplugged
        ]

    def reset(self, required=False):
        sim.run_due()
        self._rom = self._chips()
        self._on = ()
        self._bits = []
        self._state = "command"
        for chip in self._rom:
            chip.reset()
        present = bool(self._rom) or self.pin.n in sim.stuck
        if required and not present:
            raise OneWireError
        return present

    # -- slots

    def writebit(self, bit):
        if self._state == "search":
            self._choose(bit)
            return
        self._bits.append(bit & 1)
        if self._state == "match":
            if len(self._bits) == 64:
                rom = bytes(
                    sum(b << i for i, b in enumerate(self._bits[n : n + 8]))
                    for n in range(0, 64, 8)
                )
                self._select([chip for chip in self._rom if chip.rom == rom])
        elif len(self._bits) == 8:
            byte = sum(b << i for i, b in enumerate(self._bits))
            self._bits = []
            if self._state == "chip":
                for chip in self._on:
                    chip.write_byte(byte)
            elif self._state == "command":
                self._command(byte)

    def readbit(self):
        if self.pin.n in sim.stuck:
            return 0
        bit = 1
        if self._state == "search":
            for chip in self._on:
                bit &= _bit(chip.rom, self._place) ^ self._half
            self._half ^= 1
        elif self._state == "rom":
            for chip in self._on:
                bit &= _bit(chip.rom, self._place & 63)
            self._place += 1
        elif self._state == "chip":
            for chip in self._on:
                bit &= (chip.read_bit() if hasattr(chip, "read_bit") else chip.read_byte()) & 1
        return bit

    def _command(self, byte):
        self._place = self._half = 0
        if byte == _MATCH:
            self._state = "match"
        elif byte == _SKIP:
            self._select(self._rom)
        elif byte == _READ:
            self._on = self._rom
            self._state = "rom"
        elif byte in (_SEARCH, _ALARM):
            self._on = [c for c in self._rom if byte == _SEARCH or getattr(c, "alarm", False)]
            self._state = "search"
        else:
            self._state = None

    def _select(self, chips):
        self._bits = []
        self._on = chips
        self._state = "chip"

    def _choose(self, bit):
        self._on = [chip for chip in self._on if _bit(chip.rom, self._place) == bit]
        self._place += 1
        self._half = 0
        if self._place == 64:
            self._select(self._on)

    # -- bytes

    def writebyte(self, byte):
        for i in range(8):
            self.writebit(byte >> i & 1)

    def write(self, buf):
        for byte in buf:
            self.writebyte(byte)

    def readbyte(self):
        if self._state != "chip" or self.pin.n in sim.stuck:
            return sum(self.readbit() << i for i in range(8))
        byte = 0xFF
        for chip in self._on:
            byte &= chip.read_byte()
        return byte

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.readbyte()

    def select_rom(self, rom):
        self.reset()
        self.writebyte(_MATCH)
        self.write(rom)

    def crc8(self, data):
        crc = 0
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
        return crc

    def scan(self):
        """Every ROM found by the search, in the order of the search tree."""
        found = []
        rom = bytearray(8)
        last = 64  # the lowest place where the last round could have gone the other way
        while last >= 0 and len(found) < 255:
            if not self.reset():
                break
            self.writebyte(_SEARCH)
            fork = -1
            for place in range(64):
                bit = self.readbit()
                if self.readbit():
                    if bit:
                        return found  # nobody answers any more
                elif not bit:  # both are there
                    bit = 1 if place == last else 0 if place > last else _bit(rom, place)
                    if not bit:
                        fork = place
                rom[place >> 3] = rom[place >> 3] & ~(1 << (place & 7)) | bit << (place & 7)
                self.writebit(bit)
            found.append(bytearray(rom))
            last = fork
        return found


def _bit(rom, place):
    return rom[place >> 3] >> (place & 7) & 1
