"""MCP9808: ambient temperature with its alert flags, resolution, shutdown.

Source: Microchip MCP9808 data sheet, DS20005095: 5.1.
"""

CONFIG, UPPER, LOWER, CRITICAL, AMBIENT, MAKER_ID, CHIP_ID, RESOLUTION = range(1, 9)
_CONVERSION_MS = (30, 65, 130, 250)
_SHUTDOWN = 0x0100
_LOCKS = 0x00C0


class Chip:
    """measure() gives °C. `raw` replaces the ambient register, flags and all, from the next conversion."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.maker, self.id = 0x0054, 0x0400
        self.raw = None
        self.pointer = 0
        self.reset()

    def reset(self):
        self.registers = {CONFIG: 0, UPPER: 0, LOWER: 0, CRITICAL: 0, AMBIENT: 0, RESOLUTION: 3}
        self._convert_from_now()

    def _convert_from_now(self):
        self.ready_at = self.sim.now() + _CONVERSION_MS[self.registers[RESOLUTION]]

    def write(self, data):
        if data:
            self.pointer = data[0] & 15
        self._progress()
        registers = self.registers
        if self.pointer == RESOLUTION and len(data) > 1:
            registers[RESOLUTION] = data[1] & 3
            if self.ready_at is not None:
                self._convert_from_now()
        elif self.pointer == CONFIG and len(data) > 2:
            before = registers[CONFIG]
            value = (data[1] << 8 | data[2]) & 0x07FF
            if before & _LOCKS:  # until it restarts; it can be woken, and not put to sleep
                value = before & ~(_SHUTDOWN & ~value)
            registers[CONFIG] = value
            if registers[CONFIG] & _SHUTDOWN:
                self.ready_at = None  # what it had begun is given up
            elif before & _SHUTDOWN:
                self._convert_from_now()
        elif self.pointer in (UPPER, LOWER, CRITICAL) and len(data) > 2:
            registers[self.pointer] = (data[1] << 8 | data[2]) & 0x1FFC

    def read(self, n):
        self._progress()
        if self.pointer == RESOLUTION:  # one byte
            return bytes((self.registers[RESOLUTION],)) * n
        value = {MAKER_ID: self.maker, CHIP_ID: self.id}.get(self.pointer)
        if value is None:
            value = self.registers.get(self.pointer, 0)
        return (bytes((value >> 8, value & 0xFF)) * n)[:n]

    def _progress(self):
        if self.ready_at is None or self.sim.now() < self.ready_at:
            return
        self._convert_from_now()
        if self.raw is not None:
            self.registers[AMBIENT] = self.raw
            return
        step = 8 >> self.registers[RESOLUTION]  # in sixteenths
        sixteenths = int(self.measure() * 16 // step) * step
        flags = 0
        for register, flag in ((CRITICAL, 0x8000), (UPPER, 0x4000), (LOWER, 0x2000)):
            limit = self.registers[register]
            limit -= (limit & 0x1000) * 2
            above = sixteenths > limit or (register == CRITICAL and sixteenths == limit)
            if sixteenths < limit if register == LOWER else above:
                flags |= flag
        self.registers[AMBIENT] = sixteenths & 0x1FFF | flags


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("temperature", name))
    address = int(setting.get("address", "0x18"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
