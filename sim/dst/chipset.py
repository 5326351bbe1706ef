"""The simulated sensors: the register-level chips of sim/board/chips, which measure a world in which no value comes twice.

`temperature` goes up by 1/64 °C and `voltage` by 1 mV with every look anybody takes at it, at any sensor: so a value tells
which sensor it was measured by, and when.
"""

import chips
import stage
from micropython import const

import sim

_COLDEST = const(-3400)  # 1/64 °C
_STEPS_C = const(12800)
_STEPS_MV = const(3900)


class World:
    """measured(name, quantity, text): a chip has converted; text: the value as it will be published."""

    def __init__(self, measured):
        self.measured = measured
        self.looks = 0

    def get(self, quantity, name="*"):
        self.looks += 1
        if quantity == "temperature":
            value = (_COLDEST + self.looks % _STEPS_C) / 64
            text = "%.2f" % value
        else:
            value = (50 + self.looks % _STEPS_MV) / 1000
            text = "%.3f" % value
            value += 0.00002
            quantity = "voltage"
        self.measured(name, quantity, text)
        return value


class Watched:
    """A chip whose result has gone over the bus: taken(name) is called then, taken(name, False) when no more could be read."""

    def __init__(self, chip, name, result, taken):
        self.chip = chip
        self.name = name
        self.result = result  # its register
        self.taken = taken

    def write(self, data):
        return self.chip.write(data)

    def read(self, n):
        try:
            stage.allocate()
        except MemoryError:
            self.taken(self.name, False)
            raise
        data = self.chip.read(n)
        if data is not None and self.chip.pointer == self.result:
            self.taken(self.name)
        return data


def nothing():
    """There is no chip anywhere."""
    sim.i2c_devices.clear()
    sim.unplugged.clear()


def attach(sensors, world, taken):
    """Put the configured sensors on their pins."""
    nothing()
    for setting in sensors:
        chips.attach(setting, world, sim)
        sda, scl, address, chip, name = sim.i2c_devices.pop()
        sim.i2c_devices.append((sda, scl, address, Watched(chip, name, 0, taken), name))
