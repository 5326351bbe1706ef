"""MAX17048: it runs from the cell, and needs a while to know it.

Source: Maxim MAX17048 data sheet, 19-6171: "Registers", "Power-on reset".
"""

VCELL, SOC, MODE, VERSION, HIBERNATE, CONFIG = 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C
CRATE, VRESET, STATUS, COMMAND = 0x16, 0x18, 0x1A, 0xFE
_RESET = 0x5400
_RESTARTED = 0x0100
_SLEEP = 0x0080  # of CONFIG; that MODE allows it is taken for granted
_VCELL_MS, _SOC_MS = 250, 1000

# A cell at rest: volts, percent
_CURVE = ((3.0, 0), (3.6, 5), (3.7, 15), (3.8, 45), (3.9, 68), (4.0, 82), (4.1, 93), (4.2, 100))


class Chip:
    """measure() gives the volts of the cell. `raw`: what VCELL and SOC show instead."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.version = 0x0012
        self.raw = None
        self.pointer = 0
        self.reset()
        self.since = sim.now() - 3600000  # the cell has been there for long
        self.registers[STATUS] = 0

    def reset(self):
        """The cell was taken out and put in again, or the command."""
        self.since = self.sim.now()
        self.asleep_with = None  # what it measured last
        self.registers = {HIBERNATE: 0x8030, CONFIG: 0x971C, VRESET: 0x9600, STATUS: _RESTARTED}

    def write(self, data):
        if data:
            self.pointer = data[0]
        if len(data) < 3:
            return None
        value = data[1] << 8 | data[2]
        if self.pointer == COMMAND and value == _RESET:
            self.reset()
            return False  # it does not acknowledge its end
        if self.pointer in self.registers:
            if self.pointer == CONFIG and value & _SLEEP and self.asleep_with is None:
                self.asleep_with = self.measure()
            elif self.pointer == CONFIG and not value & _SLEEP:
                self.asleep_with = None
            self.registers[self.pointer] = value
        return None

    def read(self, n):
        # It goes on to the next register, all of two bytes.
        data = b""
        register = self.pointer & 0xFE
        while len(data) < n:
            value = self._value(register)
            data += bytes((value >> 8, value & 0xFF))
            register += 2
        return data[:n]

    def _value(self, register):
        if register == VERSION:
            return self.version
        if register not in (VCELL, SOC):
            return self.registers.get(register, 0)
        if self.sim.now() - self.since < (_VCELL_MS if register == VCELL else _SOC_MS):
            return 0
        if self.raw:
            return self.raw[register == SOC]
        volts = self.measure() if self.asleep_with is None else self.asleep_with
        if register == VCELL:
            return min(max(int(volts / 78.125e-6), 0), 0xFFFF)
        return int(_percent(volts) * 256)


def _percent(volts):
    below = _CURVE[0]
    for above in _CURVE:
        if volts < above[0]:
            break
        below = above
    if above[0] == below[0]:
        return above[1]
    return below[1] + (volts - below[0]) / (above[0] - below[0]) * (above[1] - below[1])


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("battery", name))
    address = int(setting.get("address", "0x36"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
