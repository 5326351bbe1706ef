"""BME280 or BMP280: registers, forced and normal mode, and a calibration under which it shows what the world is.

Source: Bosch BST-BME280-DS002: 4.2.3 (floating-point compensation, 8.1), 5.3, 5.4, appendix B (measurement time).
"""

import struct

# Of a real BME280. 0x88..0xA1, 0xE1..0xE7.
CALIBRATION = bytes.fromhex("6c6e77663200a89227d5d00b6f18cafff9ffac260ad8bd10004b")
HUMIDITY = bytes.fromhex("650100140b001e")

ID, RESET, CTRL_HUM, STATUS, CTRL_MEAS, CONFIG, DATA = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xF5, 0xF7
BME280, BMP280 = 0x60, 0x58
_NOT_MEASURED = b"\x80\x00\x00\x80\x00\x00\x80\x00"
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)  # oversampling by its code


class Chip:
    """measure() gives °C, %, hPa. `stuck` keeps the chip busy for ever, `raw` (8 bytes) replaces what it measures.

    `copy_ms`: so long after it started the calibration is not yet there.
    """

    copy_ms = 3

    def __init__(self, sim, measure, id=BME280):
        self.sim = sim
        self.measure = measure
        self.id = id
        self.memory = bytearray(256)
        self.memory[0x88:0xA2] = CALIBRATION
        if id == BME280:
            self.memory[0xE1:0xE8] = HUMIDITY
        else:
            self.memory[0xA1] = 0
        self.stuck = False
        self.raw = None
        self.pointer = 0
        self.reset()
        self.starts_at = self.copied_at = sim.now()  # it had its power when the board had

    def reset(self):
        self.starts_at = self.sim.now() + 2
        self.copied_at = self.starts_at + self.copy_ms
        self.ready_at = None  # when the conversion ends
        self.osrs_h = 0
        for register in (CTRL_HUM, STATUS, CTRL_MEAS, CONFIG):
            self.memory[register] = 0
        self.memory[ID] = self.id
        self.memory[DATA : DATA + 8] = (
            _NOT_MEASURED if self.id == BME280 else _NOT_MEASURED[:6] + b"\0\0"
        )

    def write(self, data):
        if self.sim.now() < self.starts_at:
            return False
        if data:
            self.pointer = data[0]
        # Writes come as pairs: the register does not count on by itself as it does in a read.
        for i in range(0, len(data) - 1, 2):
            self._set(data[i], data[i + 1])

    def read(self, n):
        if self.sim.now() < self.starts_at:
            return None
        self._progress()
        if self.pointer != STATUS and self.sim.now() < self.copied_at:
            return bytes(n)
        data = bytes(self.memory[self.pointer : self.pointer + n])
        return data + bytes(n - len(data))

    def _set(self, register, value):
        self._progress()
        if register == RESET:
            if value == 0xB6:
                self.reset()
        elif (register == CTRL_HUM and self.id == BME280) or register == CONFIG:
            self.memory[register] = value
        elif register == CTRL_MEAS:
            self.memory[register] = value
            self.osrs_h = self.memory[CTRL_HUM] & 7  # only now
            if value & 3:
                self.ready_at = self.sim.now() + self._duration()

    def _duration(self):
        """Whole ms, rounded up: a program that comes a moment too early must see it."""
        t, p, h = self._oversampling()
        us = 1250 + 2300 * t + (2300 * p + 575 if p else 0) + (2300 * h + 575 if h else 0)
        return -(-us // 1000)

    def _oversampling(self):
        ctrl = self.memory[CTRL_MEAS]
        return _TIMES[ctrl >> 5], _TIMES[ctrl >> 2 & 7], _TIMES[self.osrs_h]

    def _progress(self):
        memory = self.memory
        now = self.sim.now()
        busy = self.ready_at is not None and now < self.ready_at
        copying = now < self.copied_at
        memory[STATUS] = (8 if busy or self.stuck else 0) | (1 if copying else 0)
        if self.ready_at is None or busy:
            return
        memory[DATA : DATA + 8] = self.raw or self._convert()
        if memory[CTRL_MEAS] & 3 == 3:
            self.ready_at = now + self._duration()  # normal mode goes on
        else:
            self.ready_at = None
            memory[CTRL_MEAS] &= 0xFC  # forced mode: asleep again

    def _convert(self):
        celsius, percent, hpa = self.measure()
        t, p, h = self._oversampling()
        self._unpack()
        raw_t = _search(20, self.celsius, celsius)
        fine = self.fine(raw_t)
        raw_p = 0x80000 if not p else _search(20, lambda raw: -self.pascal(raw, fine), -hpa * 100)
        raw_h = 0x8000 if not h else _search(16, lambda raw: self.percent(raw, fine), percent)
        if not t:
            raw_t = 0x80000
        data = struct.pack(">IIH", raw_p << 12, raw_t << 12, raw_h)
        return data[0:3] + data[4:7] + (data[8:] if self.id == BME280 else b"\0\0")

    # The data sheet's floating-point formulas, by which the raw values are found.

    def _unpack(self):
        self.T = struct.unpack("<Hhh", self.memory[0x88:0x8E])
        self.P = struct.unpack("<Hhhhhhhhh", self.memory[0x8E:0xA0])
        e = self.memory[0xE1:0xE8]
        h4, h5 = e[3] << 4 | e[4] & 15, e[5] << 4 | e[4] >> 4
        self.H = (self.memory[0xA1],) + struct.unpack("<hB", e[:3])
        self.H += (h4 - (h4 & 0x800) * 2, h5 - (h5 & 0x800) * 2, e[6] - (e[6] & 0x80) * 2)

    def fine(self, raw):
        t1, t2, t3 = self.T
        x = raw / 131072 - t1 / 8192
        return (raw / 16384 - t1 / 1024) * t2 + x * x * t3

    def celsius(self, raw):
        return self.fine(raw) / 5120

    def pascal(self, raw, fine):
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self.P
        a = fine / 2 - 64000
        b = a * a * p6 / 32768 + a * p5 * 2
        b = b / 4 + p4 * 65536
        a = (1 + (p3 * a * a / 524288 + p2 * a) / 524288 / 32768) * p1
        p = (1048576 - raw - b / 4096) * 6250 / a
        return p + (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16

    def percent(self, raw, fine):
        h1, h2, h3, h4, h5, h6 = self.H
        h = fine - 76800
        h = (raw - (h4 * 64 + h5 / 16384 * h)) * (
            h2 / 65536 * (1 + h6 / 67108864 * h * (1 + h3 / 67108864 * h))
        )
        return h * (1 - h1 * h / 524288)


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
        )

    chip = Chip(sim, measure, BME280 if setting["type"] == "bme280" else BMP280)
    address = int(setting.get("address", "0x76"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
