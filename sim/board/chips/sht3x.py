"""SHT30, SHT31, SHT35: two-byte commands, words with checksums, and no acknowledge to a read while there is nothing.

It knows single measurements and periodic ones, in which it takes little but the break. What was measured can be read once.
Source: Sensirion SHT3x-DIS data sheet, 4.
"""

BREAK, RESET, STATUS, CLEAR, FETCH = 0x3093, 0x30A2, 0xF32D, 0x3041, 0xE000
HEATER_ON, HEATER_OFF = 0x306D, 0x3066
SERIAL = (0x3780, 0x3682)
SINGLE_MS = {0x2400: 16, 0x240B: 7, 0x2416: 5}  # at most, rounded up
PERIODIC_MS = {0x2032: 2000, 0x2130: 1000, 0x2236: 500, 0x2334: 250, 0x2737: 100}

_HEATER, _ALERT, _WAS_RESET, _WRONG = 0x2000, 0x8000, 0x0010, 0x0002


class Chip:
    """measure() gives °C, %.

    `frames`: what it measures (6 bytes), first of all. `spoiled`: so many measurements have a wrong checksum; `noise`:
    other answers have. `stuck`: it measures for ever. `commands`: what it acknowledged.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.frames = []
        self.spoiled = self.noise = 0
        self.stuck = False
        self.commands = []
        self.reset()
        self.deaf_until = sim.now()  # it had its power when the board had

    def reset(self):
        self.deaf_until = self.sim.now() + 2
        self.status = _ALERT | _WAS_RESET
        self.ready_at = None  # when the measurement ends
        self.period = None
        self.sample = None  # of periodic measurement
        self.answer = None

    def write(self, data):
        self._progress()
        now = self.sim.now()
        if now < self.deaf_until:
            return False
        if len(data) < 2:
            return None
        command = data[0] << 8 | data[1]
        if self.period:
            if command not in (BREAK, FETCH, STATUS):
                return False
        elif self.ready_at is not None and command != BREAK:
            return False
        self.answer = None
        if self._obey(command, now) is False:
            self.status |= _WRONG
            return False
        self.commands.append(command)
        return None

    def _obey(self, command, now):
        if command in SINGLE_MS:
            self.ready_at = now + SINGLE_MS[command]
        elif command in PERIODIC_MS:
            self.period = PERIODIC_MS[command]
            self.ready_at = now + 16
        elif command == FETCH:
            if not self.sample:
                return False
            self.answer, self.sample = self.sample, None
        elif command == BREAK:
            self.ready_at = self.period = self.sample = None
            self.deaf_until = now + 1
        elif command == RESET:
            self.reset()
        elif command == STATUS:
            self.answer = self._noisy(words(self.status))
        elif command == CLEAR:
            self.status &= ~(_ALERT | _WAS_RESET)
        elif command in (HEATER_ON, HEATER_OFF):
            self.status &= ~_HEATER
            self.status |= _HEATER if command == HEATER_ON else 0
        elif command in SERIAL:
            self.answer = self._noisy(words(0x0E5A, 0x31C7))
        else:
            return False
        return None

    def read(self, n):
        self._progress()
        answer, self.answer = self.answer, None
        if self.sim.now() < self.deaf_until or answer is None:
            return None
        return (answer + b"\xff" * n)[:n]

    def _noisy(self, answer):
        if self.noise:
            self.noise -= 1
            return spoil(answer)
        return answer

    def _progress(self):
        now = self.sim.now()
        while self.ready_at is not None and now >= self.ready_at and not self.stuck:
            celsius, percent = self.measure()
            frame = words(round((celsius + 45) * 65535 / 175), round(percent * 65535 / 100))
            if self.frames:
                frame = self.frames.pop(0)
            if self.spoiled:
                self.spoiled -= 1
                frame = spoil(frame)
            if self.period:
                self.sample = frame
                self.ready_at += self.period
            else:
                self.answer = frame
                self.ready_at = None


def crc8(data, crc=0xFF):
    for byte in data:
        for bit in range(7, -1, -1):
            out = crc >> 7 ^ byte >> bit & 1
            crc = (crc << 1 & 0xFF) ^ (0x31 if out else 0)
    return crc


def words(*numbers):
    data = b""
    for number in numbers:
        word = bytes((number >> 8, number & 0xFF))
        data += word + bytes((crc8(word),))
    return data


def spoil(data):
    """A bit of the last but one byte is lost."""
    return data[:-2] + bytes((data[-2] ^ 0x10, data[-1]))


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    address = int(setting.get("address", "0x44"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, Chip(sim, measure), name)
