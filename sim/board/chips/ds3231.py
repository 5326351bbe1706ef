"""DS3231: registers, temperature conversions asked for and every 64 s. Its clock stands: nobody looks.

Source: Maxim DS3231 data sheet, 19-5170: "Control register", "Status register", "Temperature registers".
"""

CONTROL, STATUS, TEMPERATURE = 0x0E, 0x0F, 0x11
_CONVERT, _BUSY, _STOPPED = 0x20, 0x04, 0x80
_REGISTERS = 0x13
_CONVERSION_MS = 200
_CYCLE_MS = 64000


class Chip:
    """measure() gives °C. `stuck`: no conversion ends. `raw` (2 bytes) replaces what it converts to."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.stuck = False
        self.raw = None
        self.pointer = 0
        self.reset()
        # It has a battery: it was set, and has measured, long ago.
        self.memory[STATUS] = 0x08
        self.own_at = sim.now() + 10000
        self.ready_at = None
        self._convert()

    def reset(self):
        """The supply and the battery were gone."""
        self.memory = bytearray(_REGISTERS)
        self.memory[3:6] = b"\x01\x01\x01"  # the first day of 1900
        self.memory[CONTROL] = 0x1C
        self.memory[STATUS] = _STOPPED | 0x08
        self.own_at = self.sim.now() + _CYCLE_MS
        self.ready_at = None
        self._begin()

    def _begin(self):
        if self.ready_at is None:
            self.ready_at = self.sim.now() + _CONVERSION_MS

    def write(self, data):
        self._progress()
        if not data:
            return
        self.pointer = data[0] % _REGISTERS
        for value in data[1:]:
            self._set(self.pointer, value)
            self.pointer = (self.pointer + 1) % _REGISTERS

    def _set(self, register, value):
        memory = self.memory
        if register == CONTROL:
            # A conversion that was asked for cannot be taken back.
            memory[CONTROL] = value | memory[CONTROL] & _CONVERT
            if value & _CONVERT:
                self._begin()
        elif register == STATUS:
            # Flags can be cleared, not set; busy is the chip's.
            memory[STATUS] = memory[STATUS] & (value | 0x7C) & 0xF7 | value & 0x08
        elif register < TEMPERATURE:
            memory[register] = value

    def read(self, n):
        self._progress()
        data = bytearray(n)
        for i in range(n):
            data[i] = self._get(self.pointer)
            self.pointer = (self.pointer + 1) % _REGISTERS
        return bytes(data)

    def _get(self, register):
        busy = _BUSY if register == STATUS and self.ready_at is not None else 0
        return self.memory[register] | busy

    def _progress(self):
        now = self.sim.now()
        if now >= self.own_at:
            late = (now - self.own_at) % _CYCLE_MS
            self.own_at = now - late + _CYCLE_MS
            if late < _CONVERSION_MS:
                if self.ready_at is None:
                    self.ready_at = now - late + _CONVERSION_MS
            else:
                self._convert()
        if self.ready_at is not None and now >= self.ready_at and not self.stuck:
            self.ready_at = None
            self.memory[CONTROL] &= ~_CONVERT
            self._convert()

    def _convert(self):
        quarters = int(self.measure() * 4 // 1)
        self.memory[TEMPERATURE:] = self.raw or bytes((quarters >> 2 & 0xFF, (quarters & 3) << 6))


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("temperature", name))
    address = int(setting.get("address", "0x68"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
