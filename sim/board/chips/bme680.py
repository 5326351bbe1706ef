"""BME680 or BME688: registers, forced mode with its hot plate, and a calibration under which it shows what the world is.

What it measures is found by search in the data sheet's floating-point formulas.
Source: Bosch BST-BME680-DS001: 3.3 (floating-point compensation), 5.3; BST-BME688-DS000.
"""

import struct

# Of a real BME680. 0x8A..0xA0, 0xE1..0xEE, 0x00..0x04.
CALIBRATION = bytes.fromhex("65670300418fedd65800a61877ff331e000001f6f6f51e")
CALIBRATION_2 = bytes.fromhex("3f2830002d14789cb965afe8e212")
CALIBRATION_3 = bytes.fromhex("3200100000")

BME680, BME688 = 0, 1
ID, VARIANT, RESET, FIELD = 0xD0, 0xF0, 0xE0, 0x1D
RES_HEAT, GAS_WAIT, CTRL_GAS_0, CTRL_GAS_1, CTRL_HUM, CTRL_MEAS = (
    0x5A,
    0x64,
    0x70,
    0x71,
    0x72,
    0x74,
)
_SETTINGS = (RES_HEAT, GAS_WAIT, CTRL_GAS_0, CTRL_GAS_1, CTRL_HUM, CTRL_MEAS, 0x75)
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)  # oversampling by its code
_K1 = {5: -1, 7: -0.8, 10: -0.2, 11: -0.5, 13: -1}
_K2 = {4: 0.1, 5: 0.7, 7: -0.8, 8: -0.1}


class Chip:
    """measure() gives °C, %, hPa, Ω.

    `stuck` keeps it busy for ever; `field` (17 bytes) replaces what it measures; `cold`: its plate does not get warm.
    `plate_c`: how warm the plate was last told to become.
    """

    def __init__(self, sim, measure, variant=BME680):
        self.sim = sim
        self.measure = measure
        self.variant = variant
        self.memory = bytearray(256)
        self.memory[0x8A:0xA1] = CALIBRATION
        self.memory[0xE1:0xEF] = CALIBRATION_2
        self.memory[0x00:0x05] = CALIBRATION_3
        self.memory[ID] = 0x61
        self.memory[VARIANT] = variant
        self.stuck = self.cold = False
        self.field = self.plate_c = None
        self.pointer = 0
        self.reset()
        self.starts_at = sim.now()  # it had its power when the board had

    def reset(self):
        self.starts_at = self.sim.now() + 10
        self.ready_at = None  # when the measurement ends
        for register in _SETTINGS:
            self.memory[register] = 0
        self.memory[FIELD : FIELD + 17] = b"\0\0\x80\0\0\x80\0\0\x80\0" + bytes(7)

    def write(self, data):
        if self.sim.now() < self.starts_at:
            return False
        self._progress()
        if data:
            self.pointer = data[0]
        for i in range(0, len(data) - 1, 2):  # pairs
            self._set(data[i], data[i + 1])

    def read(self, n):
        if self.sim.now() < self.starts_at:
            return None
        self._progress()
        data = bytes(self.memory[self.pointer : self.pointer + n])
        return data + bytes(n - len(data))

    def _set(self, register, value):
        if register == RESET and value == 0xB6:
            self.reset()
        elif register in _SETTINGS and self.ready_at is None:
            self.memory[register] = value
            if register == CTRL_MEAS and value & 3 == 1:
                self._begin()

    def _oversampling(self):
        ctrl = self.memory[CTRL_MEAS]
        return _TIMES[ctrl >> 5], _TIMES[ctrl >> 2 & 7], _TIMES[self.memory[CTRL_HUM] & 7]

    def _heating_ms(self):
        """0: the gas is not measured."""
        memory = self.memory
        run = 0x20 if self.variant == BME688 else 0x10
        if memory[CTRL_GAS_0] & 8 or not memory[CTRL_GAS_1] & run:
            return 0
        wait = memory[GAS_WAIT]
        return (wait & 0x3F) << (wait >> 6) * 2

    def _begin(self):
        """The times in whole ms, rounded up: a program that comes a moment too early must see it."""
        now = self.sim.now()
        self.heats_at = now - -(1963 * sum(self._oversampling()) + 477 * 9 + 1000) // 1000
        self.heated_ms = self._heating_ms()
        self.ready_at = self.heats_at + self.heated_ms
        self._progress()

    def _progress(self):
        """The data and their "new" of last time stay until there are others."""
        if self.ready_at is None:
            return
        memory = self.memory
        now = self.sim.now()
        memory[FIELD] &= 0x9F
        if now < self.ready_at or self.stuck:
            memory[FIELD] |= 0x20 if now < self.heats_at else 0x40
            return
        self.ready_at = None
        memory[CTRL_MEAS] &= 0xFC
        memory[FIELD : FIELD + 17] = self.field or self._measured()

    def _measured(self):
        celsius, percent, hpa, ohm = self.measure()
        t, p, h = self._oversampling()
        self._unpack()
        raw_t = _search(20, self.celsius, celsius)
        fine = self.fine(raw_t)
        raw_p = 0x80000 if not p else _search(20, lambda raw: -self.pascal(raw, fine), -hpa * 100)
        raw_h = 0x8000 if not h else _search(16, lambda raw: self.percent(raw, fine), percent)
        if not t:
            raw_t = 0x80000
        data = struct.pack(">IIH", raw_p << 12, raw_t << 12, raw_h)
        data = b"\x80\0" + data[0:3] + data[4:7] + data[8:] + bytes(3)
        gas = b"\0\0"
        if self.heated_ms:
            self.plate_c = self.plate(celsius)
            hot = self.heated_ms >= 20 and not self.cold and 150 < self.plate_c < 420
            raw, range = self.raw_gas(ohm)
            gas = bytes((raw >> 2, raw << 6 & 0xC0 | 0x20 | hot << 4 | range))
        return data + (b"\xff\xff" + gas if self.variant == BME688 else gas + b"\xff\xff")

    # The data sheet's floating-point formulas.

    def _unpack(self):
        m = self.memory
        self.T = struct.unpack("<H", m[0xE9:0xEB]) + struct.unpack("<hb", m[0x8A:0x8D])
        p1, p2, p3 = struct.unpack("<Hhb", m[0x8E:0x93])
        p4, p5, p7, p6 = struct.unpack("<hhbb", m[0x94:0x9A])
        self.P = (p1, p2, p3, p4, p5, p6, p7) + struct.unpack("<hhB", m[0x9C:0xA1])
        h1, h2 = m[0xE3] * 16 + m[0xE2] % 16, m[0xE1] * 16 + m[0xE2] // 16
        self.H = (h1, h2) + struct.unpack("<bbbBb", m[0xE4:0xE9])
        self.G = struct.unpack("<hbb", m[0xEB:0xEF])  # GH2, GH1, GH3

    def fine(self, raw):
        t1, t2, t3 = self.T
        x = raw / 131072 - t1 / 8192
        return (raw / 16384 - t1 / 1024) * t2 + x * x * t3 * 16

    def celsius(self, raw):
        return self.fine(raw) / 5120

    def pascal(self, raw, fine):
        p1, p2, p3, p4, p5, p6, p7, p8, p9, p10 = self.P
        a = fine / 2 - 64000
        b = a * a * p6 / 131072 + a * p5 * 2
        b = b / 4 + p4 * 65536
        a = (1 + (p3 * a * a / 16384 + p2 * a) / 524288 / 32768) * p1
        p = (1048576 - raw - b / 4096) * 6250 / a
        c = p / 256
        return (
            p
            + (p9 * p * p / 2147483648 + p * p8 / 32768 + c * c * c * p10 / 131072 + p7 * 128) / 16
        )

    def percent(self, raw, fine):
        h1, h2, h3, h4, h5, h6, h7 = self.H
        t = fine / 5120
        h = (raw - (h1 * 16 + h3 / 2 * t)) * h2 / 262144
        h *= 1 + h4 / 16384 * t + h5 / 1048576 * t * t
        return h + (h6 / 16384 + h7 / 2097152 * t) * h * h

    def ohm(self, raw, range):
        if self.variant == BME688:
            return 1e6 * (262144 >> range) / (4096 + 3 * (raw - 512))
        error = self.memory[4] >> 4
        error -= (error & 8) * 2
        x = (1340 + 5 * error) * (1 + _K1.get(range, 0) / 100)
        return 8e6 / (1 << range) / (1 + _K2.get(range, 0) / 100) / (1 + (raw - 512) / x)

    def raw_gas(self, ohm):
        """(raw, range) of the finest range that reaches so far."""
        for range in (15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0):
            if self.ohm(0, range) >= ohm:
                break
        return _search(10, lambda raw: -self.ohm(raw, range), -ohm), range

    def plate(self, ambient):
        """The temperature that res_heat asks for."""
        m = self.memory
        g2, g1, g3 = self.G
        value, range = struct.unpack("b", m[:1])[0], m[2] >> 4 & 3
        x = (m[RES_HEAT] / 3.4 + 25) * (1 + 0.002 * value) * (4 + range) / 4 - g3 / 1024 * ambient
        return (x / (g1 / 16 + 49) - 1) / (g2 / 32768 * 0.0005 + 0.00235)


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
        return (
            world.get("temperature", name),
            world.get("humidity", name),
            world.get("pressure", name) / 100,
            world.get("gas", name),
        )

    address = int(setting.get("address", "0x76"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, Chip(sim, measure), name)
