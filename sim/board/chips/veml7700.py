"""VEML7700: 16-bit registers, least significant byte first; it measures all the time while it is not shut down.

The register of the light keeps what was measured last. Settings that change while it measures make the first measurement
afterwards one of neither.
Source: Vishay VEML7700 data sheet 84286.
"""

CONF, HIGH, LOW, POWER_SAVING, LIGHT, WHITE, STATUS, ID = range(8)
_GAINS = (1, 2, 1 / 8, 1 / 4)
_TIMES = {12: 25, 8: 50, 0: 100, 1: 200, 2: 400, 3: 800}
_SAVING_MS = (500, 1000, 2000, 4000)


class Chip:
    """measure() gives lx. `raw`: counts it measures, first of all. `settings`: those with which it began to measure."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.raw = []
        self.settings = []
        self.reset()

    def reset(self):
        """Its power comes back."""
        self.registers = [1, 0, 0, 0, 0, 0, 0, 0xC481]
        self.pointer = 0
        self.ready_at = None
        self.mixed = None  # counts a lux of the settings before, if they changed at work

    def write(self, data):
        self._progress()
        if data:
            self.pointer = data[0]
        if len(data) < 3 or self.pointer > POWER_SAVING:
            return
        before = self.registers[CONF]
        value = self.registers[self.pointer] = data[1] | data[2] << 8
        if self.pointer != CONF:
            return
        if value & 1:
            self.ready_at = None
        elif before & 1:
            self.mixed = None
            self._begin(3)
        elif value != before:
            self.mixed = _counts_a_lux(before)
            self._begin(0)

    def _begin(self, ms):
        self.settings.append(self.registers[CONF])
        self.ready_at = self.sim.now() + ms + self._period()

    def _period(self):
        ms = _time(self.registers[CONF])
        saving = self.registers[POWER_SAVING]
        return ms + (_SAVING_MS[saving >> 1 & 3] if saving & 1 else 0)

    def read(self, n):
        self._progress()
        value = self.registers[self.pointer] if self.pointer < len(self.registers) else 0
        return (bytes((value & 0xFF, value >> 8)) + b"\xff" * n)[:n]

    def _progress(self):
        while self.ready_at is not None and self.sim.now() >= self.ready_at:
            self.ready_at += self._period()
            sensitivity = _counts_a_lux(self.registers[CONF])
            if self.mixed:
                sensitivity = (sensitivity + self.mixed) / 2
                self.mixed = None
            counts = self.raw.pop(0) if self.raw else round(self.measure() * sensitivity)
            self.registers[LIGHT] = min(counts, 0xFFFF)


def _time(conf):
    return _TIMES.get(conf >> 6 & 15, 100)


def _counts_a_lux(conf):
    return _time(conf) * _GAINS[conf >> 11 & 3] / (0.0042 * 1600)


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("illuminance", name))
    sim.i2c_attach(setting["sda"], setting["scl"], 0x10, chip, name)
