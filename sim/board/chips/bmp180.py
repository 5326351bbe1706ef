"""BMP180: registers, its two conversions, and a calibration under which it shows what the world is.

The calibration is the data sheet's example. What the chip measures is found from the temperature by solving for it,
and for the pressure by search, in floating point.
Source: Bosch BST-BMP180-DS000, 3.3 to 3.5, 4.
"""

import math
import struct

# AC1 AC2 AC3 | AC4 AC5 AC6 | B1 B2 MB MC MD, at 0xAA
CALIBRATION = struct.pack(
    ">hhhHHHhhhhh", 408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868
)

ID, RESET, CONTROL, DATA = 0xD0, 0xE0, 0xF4, 0xF6
_NOT_MEASURED = b"\x80\x00\x00"
_BUSY = 0x20
_PRESSURE_MS = (5, 8, 14, 26)  # by oversampling, 4.5 to 25.5, in whole ms rounded up


class Chip:
    """measure() gives °C, hPa. `stuck` keeps the chip busy for ever.

    `raw_t` (2 bytes), `raw_p` (3 bytes) replace what it measures. `conversions`: the control bytes it got.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.memory = bytearray(256)
        self.memory[0xAA:0xC0] = CALIBRATION
        self.memory[ID] = 0x55
        self.stuck = False
        self.raw_t = self.raw_p = None
        self.conversions = []
        self.pointer = 0
        self.reset()
        self.starts_at = sim.now()  # it had its power when the board had

    def reset(self):
        self.starts_at = self.sim.now() + 10
        self.ready_at = None
        self.memory[CONTROL] = 0
        self.memory[DATA : DATA + 3] = _NOT_MEASURED

    def write(self, data):
        if self.sim.now() < self.starts_at:
            return False
        self._progress()
        if data:
            self.pointer = data[0]
        if len(data) == 2:
            register, value = data
            if register == RESET and value == 0xB6:
                self.reset()
            elif register == CONTROL and self.ready_at is None:  # one at a time
                self._convert(value)

    def read(self, n):
        if self.sim.now() < self.starts_at:
            return None
        self._progress()
        data = bytes(self.memory[self.pointer : self.pointer + n])
        return data + bytes(n - len(data))

    def _convert(self, control):
        self.conversions.append(control)
        what = control & 0x3F
        if what == 0x2E:
            ms = 5
        elif what == 0x34:
            ms = _PRESSURE_MS[control >> 6]
        else:
            return
        self.memory[CONTROL] = control | _BUSY
        self.ready_at = self.sim.now() + ms

    def _progress(self):
        if self.ready_at is None or self.stuck or self.sim.now() < self.ready_at:
            return
        self.ready_at = None
        control = self.memory[CONTROL] = self.memory[CONTROL] & ~_BUSY
        celsius, hpa = self.measure()
        raw_t = self.raw_temperature(celsius)
        if control & 0x1F == 0x0E:
            data = self.raw_t or struct.pack(">H", raw_t)  # the third byte is the pressure's
        else:
            data = self.raw_p or self._pressure(raw_t, hpa * 100, control >> 6)
        self.memory[DATA : DATA + len(data)] = data

    def _pressure(self, raw_t, pascal, oversampling):
        b5 = self.b5(raw_t)
        bits = 16 + oversampling
        raw = _search(bits, lambda raw: self.pascal(raw / (1 << oversampling), b5), pascal)
        return struct.pack(">I", raw << 24 - bits)[1:]

    def _unpack(self):
        return struct.unpack(">hhhHHHhhhhh", self.memory[0xAA:0xC0])

    def raw_temperature(self, celsius):
        """b5 = y - md + 2048 mc / y with y = (ut - ac6) ac5 / 32768 + md, solved for ut."""
        _, _, _, _, ac5, ac6, _, _, _, mc, md = self._unpack()
        half = (celsius * 160 + md) / 2
        y = half + math.sqrt(half * half - mc * 2048)
        return min(max(round((y - md) * 32768 / ac5 + ac6), 0), 0xFFFF)

    def b5(self, ut):
        _, _, _, _, ac5, ac6, _, _, _, mc, md = self._unpack()
        x = (ut - ac6) * ac5 / 32768
        return x + mc * 2048 / (x + md)

    def pascal(self, up, b5):
        """up: as without oversampling, with a fraction."""
        ac1, ac2, ac3, ac4, _, _, b1, b2, _, _, _ = self._unpack()
        b6 = b5 - 4000
        square = b6 * b6 / 4096
        b3 = ac1 + (b2 * square + ac2 * b6) / 2048 / 4
        b4 = ac4 * (1 + (ac3 * b6 / 8192 + b1 * square / 65536) / 4 / 32768)
        p = (up - b3) * 50000 * 2 / b4
        return p + (p * p / 65536 * 3038 / 65536 - 7357 * p / 65536 + 3791) / 16


def _search(bits, rises, wanted):
    """The least raw value of so many bits whose conversion is not below what is wanted."""
    low, high = 0, (1 << bits) - 1
    while low < high:
        middle = (low + high) >> 1
        if rises(middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("pressure", name) / 100

    sim.i2c_attach(setting["sda"], setting["scl"], 0x77, Chip(sim, measure), name)
