"""TMP117: continuous and one-shot conversions, averaging, data ready, reset. The EEPROM is as it left the factory.

Source: TI TMP117 data sheet, SNOSD82: 7.4, 7.6, table "Conversion cycle time".
"""

TEMPERATURE, CONFIG, HIGH_LIMIT, LOW_LIMIT, UNLOCK, ID = 0, 1, 2, 3, 4, 15
_READY, _SHUTDOWN, _ONE_SHOT = 0x2000, 1, 3
_SAMPLES = (1, 8, 32, 64)
_CYCLE_MS = (0, 125, 250, 500, 1000, 4000, 8000, 16000)
_STARTS_MS = 2


class Chip:
    """measure() gives °C. `stuck`: no conversion ends. `raw` replaces what it converts to."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.id = 0x0117
        self.stuck = False
        self.raw = None
        self.pointer = 0
        self.reset()
        self.starts_at = sim.now()  # it had its power when the board had

    def reset(self):
        self.starts_at = self.sim.now() + _STARTS_MS
        self.registers = {TEMPERATURE: 0x8000, HIGH_LIMIT: 0x6000, LOW_LIMIT: 0x8000}
        self._configure(0x0220)

    def _configure(self, config):
        self.config = config & 0x0FFC
        self.ready = False
        self.ready_at = None
        if self._mode() != _SHUTDOWN:
            self.ready_at = self.sim.now() + self._duration()

    def _mode(self):
        return self.config >> 10 & 3

    def _duration(self):
        """Whole ms of the slowest chip, rounded up: a program that comes a moment too early must see it."""
        return -(-_SAMPLES[self.config >> 5 & 3] * 17360 // 1000)

    def write(self, data):
        if self.sim.now() < self.starts_at:
            return False
        if data:
            self.pointer = data[0]
        if len(data) > 2:
            self._progress()
            value = data[1] << 8 | data[2]
            if self.pointer == CONFIG and value & 2:
                self.reset()
            elif self.pointer == CONFIG:
                self._configure(value)
            elif self.pointer in (HIGH_LIMIT, LOW_LIMIT):
                self.registers[self.pointer] = value
        return None

    def read(self, n):
        if self.sim.now() < self.starts_at:
            return None
        self._progress()
        if self.pointer == CONFIG:
            value = self.config | (_READY if self.ready else 0)
        elif self.pointer == ID:
            value = self.id
        else:
            value = self.registers.get(self.pointer, 0)
        if self.pointer in (CONFIG, TEMPERATURE):
            self.ready = False
        return (bytes((value >> 8, value & 0xFF)) * n)[:n]

    def _progress(self):
        now = self.sim.now()
        if self.stuck or self.ready_at is None or now < self.ready_at:
            return
        raw = int(self.measure() * 128 // 1) if self.raw is None else self.raw
        self.registers[TEMPERATURE] = raw & 0xFFFF
        self.ready = True
        if self._mode() == _ONE_SHOT:
            self.ready_at = None
            self.config = self.config & 0xF3FF | _SHUTDOWN << 10
        else:
            self.ready_at = now + max(self._duration(), _CYCLE_MS[self.config >> 7 & 7])


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("temperature", name))
    address = int(setting.get("address", "0x48"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
