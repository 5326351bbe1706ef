"""INA219 or INA226: their registers, triggered and continuous conversions, current and power by the calibration.

Sources: TI SBOS448 (INA219) and SBOS547 (INA226): register tables, conversion times, "Programming".
"""

CONFIG, SHUNT, BUS, POWER, CURRENT, CALIBRATION, MASK_ENABLE, ALERT = range(8)
MAKER_ID, CHIP_ID = 0xFE, 0xFF

# µs of a conversion, by the code of the config
_US_219 = (84, 148, 276, 532) * 2 + (532, 1060, 2130, 4260, 8510, 17020, 34050, 68100)
_US_226 = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
_SAMPLES_226 = (1, 4, 16, 64, 128, 256, 512, 1024)
_STARTS_MS = 1


class Chip:
    """measure() gives the volts at the load, and those over the shunt.

    `stuck`: no conversion ends. `weak`: so many times its supply gives way while it converts. `raw`: what the shunt and
    the bus register show, instead of what is measured. `ids`: registers that are there to be told apart.
    """

    def __init__(self, sim, measure, type="ina219"):
        self.sim = sim
        self.measure = measure
        self.is_226 = type == "ina226"
        self.ids = {MAKER_ID: 0x5449, CHIP_ID: 0x2260} if self.is_226 else {}
        self.stuck = False
        self.weak = 0
        self.raw = None
        self.pointer = 0
        self.reset()
        self.starts_at = sim.now()  # it had its power when the board had

    def reset(self):
        """Power on, or the reset bit: everything is forgotten, and it converts as the default says."""
        self.registers = [0] * 8
        self.starts_at = self.sim.now() + _STARTS_MS
        self._configure(0x4127 if self.is_226 else 0x399F)

    def _configure(self, config):
        # What has no meaning does not keep what is written to it.
        self.config = config & 0x0FFF | 0x4000 if self.is_226 else config & 0x3FFF
        self.done = False
        self.ready_at = None
        if config & 3:
            self.ready_at = self.sim.now() + self._duration()

    def _duration(self):
        """Whole ms of the slowest chip, rounded up: a program that comes a moment too early must see it."""
        c = self.config
        if self.is_226:
            n = _SAMPLES_226[c >> 9 & 7]
            us_bus, us_shunt = n * _US_226[c >> 6 & 7], n * _US_226[c >> 3 & 7]
        else:
            us_bus, us_shunt = _US_219[c >> 7 & 15], _US_219[c >> 3 & 15]
        us = (us_bus if c & 2 else 0) + (us_shunt if c & 1 else 0)
        return -(-us * 11 // 10000)

    def write(self, data):
        if self.sim.now() < self.starts_at:
            return False
        if data:
            self.pointer = data[0]
        if len(data) >= 3:
            self._progress()
            self._set(data[1] << 8 | data[2])

    def _set(self, value):
        if self.pointer == CONFIG:
            if value & 0x8000:
                self.reset()
            else:
                self._configure(value)
        elif self.pointer == CALIBRATION:
            self.registers[CALIBRATION] = value & (0x7FFF if self.is_226 else 0xFFFE)
        elif self.pointer in (MASK_ENABLE, ALERT) and self.is_226:
            self.registers[self.pointer] = value

    def read(self, n):
        if self.sim.now() < self.starts_at:
            return None
        self._progress()
        value = self._value(self.pointer)
        return (bytes((value >> 8, value & 0xFF)) * n)[:n]

    def _value(self, register):
        if register == CONFIG:
            return self.config
        if register in self.ids:
            return self.ids[register]
        if register > (ALERT if self.is_226 else CALIBRATION):
            return 0
        value = self.registers[register]
        if self.is_226:
            if register == MASK_ENABLE:
                value = value & 0xFFF7 | (8 if self.done else 0)
                self.done = False
        elif register == BUS:
            value = value & 0xFFFD | (2 if self.done else 0)
        elif register == POWER:
            self.done = False
        return value

    def _progress(self):
        now = self.sim.now()
        if self.ready_at is None or now < self.ready_at or self.stuck:
            return
        if self.weak:
            self.weak -= 1
            self.reset()
            self.starts_at = now  # that was a while ago
            return
        self._convert()
        self.done = True
        # bit 2 of the mode: it goes on
        self.ready_at = now + self._duration() if self.config & 4 else None

    def _convert(self):
        registers = self.registers
        volts, shunt_volts = self.measure()
        if self.is_226:
            shunt = _within(shunt_volts / 2.5e-6, -0x8000, 0x7FFF)
            bus = _within(volts / 1.25e-3, 0, 0x7FFF)
        else:
            most = 4000 << (self.config >> 11 & 3)
            shunt = _within(shunt_volts / 10e-6, -most, most)
            bus = _within(volts / 4e-3, 0, 8191 if self.config & 0x2000 else 4000) << 3
        if self.config & 1:
            registers[SHUNT] = shunt & 0xFFFF
        if self.config & 2:
            registers[BUS] = bus
        if self.raw:
            registers[SHUNT], registers[BUS] = self.raw
        # What the chip's own arithmetic says: nothing without a calibration.
        shunt = registers[SHUNT] - (registers[SHUNT] & 0x8000) * 2
        if self.is_226:
            current = shunt * registers[CALIBRATION] // 2048
            registers[POWER] = abs(current) * registers[BUS] // 20000 & 0xFFFF
        else:
            current = shunt * registers[CALIBRATION] // 4096
            registers[POWER] = abs(current) * (registers[BUS] >> 3) // 5000 & 0xFFFF
        registers[CURRENT] = current & 0xFFFF


def _within(value, low, high):
    return min(max(int(value + (0.5 if value >= 0 else -0.5)), low), high)


def attach(setting, world, sim):
    name = setting["name"]
    shunt_ohm = setting.get("shunt_ohm", 0.1)

    def measure():
        return world.get("battery", name), world.get("current", name) * shunt_ohm

    chip = Chip(sim, measure, setting["type"])
    address = int(setting.get("address", "0x40"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
