"""DS18B20: scratchpad, resolution, conversion time. The bus does reset, presence, search and the ROM commands.

Source: Maxim/Analog 19-7487.
"""

CONVERT, READ, WRITE, COPY, RECALL, POWER = 0x44, 0xBE, 0x4E, 0x48, 0xB8, 0xB4
_POWER_ON = b"\x50\x05\x4b\x46\x7f\xff\x0c\x10"  # 85 °C: has not measured
_DS18S20_ON = b"\xaa\x00\x4b\x46\xff\xff\x0c\x10"  # the same


def crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


class Chip:
    """measure() gives °C. `born`: what it shows when its power comes; `tells`: byte 6 follows the temperature (no copy's does).
    `powered` False: there is not the current to measure. `frame` (9 bytes) replaces what it says."""

    def __init__(self, sim, measure, rom):
        self.sim = sim
        self.measure = measure
        self.rom = rom
        self.ds18s20 = rom[0] == 0x10
        self.born = _DS18S20_ON if self.ds18s20 else _POWER_ON
        self.tells = True
        self.scratchpad = bytearray(self.born)
        self.stored = bytes(_POWER_ON[2:5])
        self.powered = True
        self.frame = None
        self.ready_at = None
        self.raw = 0
        self.reset()

    def reset(self):
        """A reset pulse ends what was said, not what is measured."""
        self.command = None
        self.received = b""
        self.sent = 0

    def power_on(self):
        self.scratchpad[:] = self.born[:2] + self.stored + self.born[5:]
        self.ready_at = None
        self.reset()

    def listens(self):
        """Is the next byte the master's?"""
        more = self.command == WRITE and len(self.received) < 3 - self.ds18s20
        return self.command is None or more

    def write_byte(self, byte):
        self._progress()
        if self.command is None:
            self.command = byte
            self.sent = 0
            if byte == CONVERT:
                self._convert()
            elif byte == COPY:
                self.stored = bytes(self.scratchpad[2:5])
            elif byte == RECALL:
                self.scratchpad[2:5] = self.stored
        elif self.command == WRITE and len(self.received) < 3 - self.ds18s20:
            self.received += bytes((byte,))
            self.scratchpad[1 + len(self.received)] = byte
            if len(self.received) == 3:
                self.scratchpad[4] = byte & 0x60 | self.scratchpad[4] & 0x9F

    def read_byte(self):
        self._progress()
        if self.command != READ:
            return 0xFF * self.read_bit()
        data = self.frame or bytes(self.scratchpad) + bytes((crc8(self.scratchpad),))
        self.sent += 1
        return data[self.sent - 1] if self.sent <= 9 else 0xFF

    def read_bit(self):
        """After a command: 0 while it is busy (or, to POWER, if it takes its power from the wire)."""
        self._progress()
        if self.command == POWER:
            return int(self.powered)
        return int(self.ready_at is None)

    def _bits(self):
        return 9 + (self.scratchpad[4] >> 5 & 3)

    def _convert(self):
        if not self.powered:
            self.power_on()  # the attempt pulled its supply down
            return
        self.raw = int(self.measure() * 16 // 1)
        self.ready_at = self.sim.now() + (750 if self.ds18s20 else 750 >> (12 - self._bits()))

    def _progress(self):
        if self.ready_at is None or self.sim.now() < self.ready_at:
            return
        self.ready_at = None
        if self.ds18s20:
            # Half degrees, rounded; by the count its program comes to sixteenths.
            whole = (self.raw + 4) >> 4
            self.scratchpad[0:2] = ((whole << 1) & 0xFFFF).to_bytes(2, "little")
            self.scratchpad[6] = 16 - (self.raw + 4 - whole * 16)
            return
        below = (1 << (12 - self._bits())) - 1
        raw = self.raw | below  # undefined, so a program that forgets to mask them shall see it
        self.scratchpad[0] = raw & 0xFF
        self.scratchpad[1] = raw >> 8 & 0xFF
        if self.tells:
            self.scratchpad[6] = 0x10 - (raw & 15)


def rom_of(name):
    """The address of a sensor whose setting gives none: always the same one for a name."""
    rom = bytes((0x28, crc8(name.encode()), len(name) & 0xFF)) + b"\x16\x0f\x1e\x64"
    return rom + bytes((crc8(rom),))


def attach(setting, world, sim):
    name = setting["name"]
    address = setting.get("address")
    rom = bytes.fromhex(address) if address else rom_of(name)
    sim.onewire_attach(
        setting["pin"], Chip(sim, lambda: world.get("temperature", name), rom), name
    )
