"""LTR390: registers of a byte; it measures light or UV all the time while it is enabled.

What changes while it measures makes the next measurement one of neither setting. What was measured stays, and is new until
the status or the data was read. Its reset happens before it can acknowledge the command.
Source: Lite-On LTR-390UV-01 data sheet.
"""

CONTROL, RATE, GAIN, ID, STATUS, LIGHT, UV = 0x00, 0x04, 0x05, 0x06, 0x07, 0x0D, 0x10
_WRITABLE = (CONTROL, RATE, GAIN, 0x19, 0x1A) + tuple(range(0x21, 0x27))
_NEW, _POWER_ON = 0x08, 0x20
_GAINS = (1, 3, 6, 9, 18)
_BITS_MS = ((20, 400), (19, 200), (18, 100), (17, 50), (16, 25), (13, 13))
_RATES_MS = (25, 50, 100, 200, 500, 1000, 2000, 2000)


class Chip:
    """measure() gives lx, UV index.

    `raw`: counts it measures, first of all. `takes_ms`: by so much its clock is slow. `stuck`: it never has a measurement.
    `settings`: (control, gain) each time it was enabled.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.raw = []
        self.takes_ms = 0
        self.stuck = False
        self.settings = []
        self.reset()

    def reset(self):
        """Its power comes back."""
        self.memory = bytearray(64)
        self.memory[RATE] = 0x22
        self.memory[GAIN] = 0x01
        self.memory[ID] = 0xB2
        self.memory[STATUS] = _POWER_ON
        self.pointer = 0
        self.ready_at = None
        self.before = None  # counts of the settings before, if they changed at work

    def write(self, data):
        self._progress()
        if data:
            self.pointer = data[0]
        for value in data[1:]:
            if self.pointer == CONTROL and value & 0x10:
                self.reset()
                return False
            if self.pointer in _WRITABLE:
                self._set(self.pointer, value)
            self.pointer += 1
        return None

    def _set(self, register, value):
        memory = self.memory
        enabled = memory[CONTROL] & 2
        if enabled and value != memory[register] and register <= GAIN:
            self.before = self._counts()
        memory[register] = value
        if register != CONTROL:
            return
        if not value & 2:
            self.ready_at = self.before = None
        elif not enabled:
            self.settings.append((value, _GAINS[memory[GAIN]]))
            self.ready_at = self.sim.now() + 10 + self._resolution()[1] + self.takes_ms

    def _resolution(self):
        return _BITS_MS[self.memory[RATE] >> 4 & 7]

    def _counts(self):
        bits, ms = self._resolution()
        gain = _GAINS[self.memory[GAIN]]
        lux, uv = self.measure()
        if self.memory[CONTROL] & 8:
            counts = uv * 2300 * gain * ms / (18 * 400)
        else:
            counts = lux * gain * ms / 60
        return min(round(counts), (1 << bits) - 1)

    def read(self, n):
        self._progress()
        data = bytes(self.memory[self.pointer : self.pointer + n])
        for register in range(self.pointer, self.pointer + n):
            if register == STATUS:
                self.memory[STATUS] = 0
            elif LIGHT <= register < UV + 3:
                self.memory[STATUS] &= ~_NEW
        return data + b"\xff" * (n - len(data))

    def _progress(self):
        while self.ready_at is not None and self.sim.now() >= self.ready_at and not self.stuck:
            memory = self.memory
            self.ready_at += max(self._resolution()[1], _RATES_MS[memory[RATE] & 7])
            counts = self._counts()
            if self.before is not None:
                counts = (counts + self.before) // 2
                self.before = None
            if self.raw:
                counts = self.raw.pop(0)
            register = UV if memory[CONTROL] & 8 else LIGHT
            memory[register : register + 3] = counts.to_bytes(3, "little")
            memory[STATUS] |= _NEW


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("illuminance", name), world.get("uv", name)

    sim.i2c_attach(setting["sda"], setting["scl"], 0x53, Chip(sim, measure), name)
