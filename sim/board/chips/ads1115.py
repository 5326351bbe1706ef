"""ADS1115: four inputs, one converter, single-shot and continuous; the comparator is only remembered.

Source: TI ADS1115 data sheet, SBAS444: multiplexer, "Config register", data rate ±10 %.
"""

CONVERSION, CONFIG, LOW_THRESHOLD, HIGH_THRESHOLD = range(4)
_RESET = (0x0000, 0x8583, 0x8000, 0x7FFF)
_AGAINST = ((0, 1), (0, 3), (1, 3), (2, 3), (0, None), (1, None), (2, None), (3, None))
_MICROVOLTS = (6144000, 4096000, 2048000, 1024000, 512000, 256000, 256000, 256000)
_RATES = (8, 16, 32, 64, 128, 250, 475, 860)


class Chip:
    """measure(input) gives the volts at the inputs 0 to 3.

    `stuck`: no conversion ends. `raw` replaces what it converts to. `bits`: 12 makes it an ADS1015, apart from its rates.
    `names`: the sensors it serves; unplugged is unplugged for all of them.
    """

    def __init__(self, sim, measure, bits=16):
        self.sim = sim
        self.measure = measure
        self.bits = bits
        self.stuck = False
        self.raw = None
        self.names = []
        self.pointer = 0
        self.reset()

    def reset(self):
        self.registers = list(_RESET)
        self.ready_at = None

    def _plugged(self):
        return not any(name in self.sim.unplugged for name in self.names)

    def write(self, data):
        if not self._plugged():
            return False
        if data:
            self.pointer = data[0] & 3  # the other bits are not looked at
        if len(data) >= 3 and self.pointer != CONVERSION:
            self._progress()
            value = data[1] << 8 | data[2]
            self.registers[self.pointer] = value
            if self.pointer == CONFIG:
                self._configure(value)
        return None

    def _configure(self, value):
        single = value & 0x100
        if not single or (value & 0x8000 and self.ready_at is None):
            self.ready_at = self.sim.now() + self._duration()
        elif self.ready_at is None:
            self.registers[CONFIG] |= 0x8000  # it does nothing, and says so

    def _duration(self):
        """Whole ms of the slowest chip, rounded up: a program that comes a moment too early must see it."""
        us = 1100000 // _RATES[self.registers[CONFIG] >> 5 & 7] + 100
        return -(-us // 1000)

    def read(self, n):
        if not self._plugged():
            return None
        self._progress()
        value = self.registers[self.pointer]
        return (bytes((value >> 8, value & 0xFF)) * n)[:n]

    def _progress(self):
        registers = self.registers
        if self.ready_at is None:
            return
        registers[CONFIG] &= 0x7FFF
        if self.stuck or self.sim.now() < self.ready_at:
            return
        registers[CONVERSION] = self._convert() if self.raw is None else self.raw
        if registers[CONFIG] & 0x100:
            self.ready_at = None
            registers[CONFIG] |= 0x8000
        else:
            self.ready_at = self.sim.now() + self._duration()

    def _convert(self):
        config = self.registers[CONFIG]
        positive, negative = _AGAINST[config >> 12 & 7]
        volts = self.measure(positive) - (0 if negative is None else self.measure(negative))
        steps = volts * 1e6 * 32768 / _MICROVOLTS[config >> 9 & 7]
        steps = min(max(int(steps // 1), -0x8000), 0x7FFF)
        return steps & 0xFFFF & -1 << (16 - self.bits)


class _Inputs:
    """What is wired to the inputs of one chip: the voltages of the sensors that read them."""

    def __init__(self):
        self.at = {}

    def wire(self, setting, world):
        name = setting["name"]
        r1, r2 = setting.get("r1", 0), setting.get("r2", 1)
        self.at[setting.get("input", "0")] = lambda: world.get("battery", name) * r2 / (r1 + r2)

    def __call__(self, n):
        single = self.at.get(str(n))
        if single:
            return single()
        # Half of a difference: the other half is where it is already, or at ground.
        for pair in self.at:
            if pair[0] == str(n) and len(pair) == 3:
                return self.at[pair]() + self(int(pair[2]))
        return 0.0


def attach(setting, world, sim):
    """Sensors with the same address are one chip."""
    sda, scl = setting["sda"], setting["scl"]
    address = int(setting.get("address", "0x48"), 16)
    for device in sim.i2c_devices:
        if device[:3] == (sda, scl, address) and isinstance(device[3], Chip):
            chip = device[3]
            break
    else:
        chip = Chip(sim, _Inputs())
        sim.i2c_attach(sda, scl, address, chip, setting["name"])
    chip.measure.wire(setting, world)
    chip.names.append(setting["name"])
