"""SCD40 and SCD41: words with checksums, and a chip that most of the time acknowledges nothing.

It knows the states: starting, idle, measuring by itself, ending that, asleep. While it measures it takes three commands
only; an answer wants a stop condition and 1 ms before it is read, and what was measured can be read once.
Source: Sensirion SCD4x data sheet, 3.3 to 3.11.
"""

STOP, WAKE, SLEEP = 0x3F86, 0x36F6, 0x36E0
START, START_LOW_POWER = 0x21B1, 0x21AC
IS_READY, FETCH, SERIAL = 0xE4B8, 0xEC05, 0x3682
HEIGHT, GET_HEIGHT = 0x2427, 0x2322
SELF_CALIBRATION, GET_SELF_CALIBRATION = 0x2416, 0x2313
PERSIST, REINIT = 0x3615, 0x3646

_WHILE_MEASURING = (STOP, IS_READY, FETCH)
_MS = {STOP: 500, PERSIST: 800, REINIT: 30}  # others take 1


class Chip:
    """measure() gives ppm, °C, %.

    `first_ppm`: what the first measurement after a start says of the CO2. `period_ms`: its clock may be a bit off; None:
    it never has a measurement. `frames`: what it measures (9 bytes), first of all. `spoil`: command: so many of its answers
    have a wrong checksum. `commands`: what it acknowledged.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.first_ppm = 0
        self.period_ms = 5000
        self.frames = []
        self.spoil = {}
        self.commands = []
        self.persisted = {HEIGHT: 0, SELF_CALIBRATION: 1}
        self.reset()
        self.deaf_until = sim.now()  # it had its power when the board had

    def reset(self):
        """Its power comes back."""
        self.deaf_until = self.sim.now() + 1000
        self.asleep = False
        self.next_at = None  # when it measures, as long as it does
        self.period = 0
        self.buffer = None  # what was measured
        self.answer = None
        self.answer_at = 0
        self.settings = dict(self.persisted)

    def write(self, data):
        self._progress()
        command = data[0] << 8 | data[1] if len(data) > 1 else None
        if self.asleep:
            if command == WAKE:
                self.asleep = False
                self.deaf_until = self.sim.now() + 30
            return False
        if self.sim.now() < self.deaf_until:
            return False
        if command is None:
            return None
        words = [data[i : i + 3] for i in range(2, len(data), 3)]
        for word in words:
            if len(word) < 3 or crc8(word[:2]) != word[2]:
                return False
        if self.next_at is not None and command not in _WHILE_MEASURING:
            return False
        self.answer = None
        if self._obey(command, [word[0] << 8 | word[1] for word in words]) is False:
            return False
        self.commands.append(command)
        self.stopped = False
        return None

    def stop(self):
        self.stopped = True

    def read(self, n):
        self._progress()
        now = self.sim.now()
        if self.asleep or now < self.deaf_until or now < self.answer_at or not self.stopped:
            return None
        answer, self.answer = self.answer, None
        if answer is None:
            return None
        if self.spoil.get(self.commands[-1]):
            self.spoil[self.commands[-1]] -= 1
            answer = answer[:-1] + bytes((answer[-1] ^ 0x10,))
        return (answer + b"\xff" * n)[:n]

    def _obey(self, command, words):
        now = self.sim.now()
        self.answer_at = now + 1
        self.deaf_until = now + _MS.get(command, 0)
        if command == STOP:
            self.next_at = self.buffer = None
        elif command in (START, START_LOW_POWER):
            self.period = 1 if command == START else 6
            self.first = True
            self._schedule(now)
        elif command == IS_READY:
            self.answer = _words(0x8006 if self.buffer else 0x8000)
        elif command == FETCH:
            if not self.buffer:
                return False
            self.answer, self.buffer = self.buffer, None
        elif command == SLEEP:
            self.asleep = True
        elif command in self.settings:
            self.settings[command] = words[0]
        else:
            return self._seldom(command)
        return None

    def _seldom(self, command):
        if command == SERIAL:
            self.answer = _words(0xF896, 0x9F07, 0x3BBE)
        elif command == GET_HEIGHT:
            self.answer = _words(self.settings[HEIGHT])
        elif command == GET_SELF_CALIBRATION:
            self.answer = _words(self.settings[SELF_CALIBRATION])
        elif command == PERSIST:
            self.persisted = dict(self.settings)
        elif command == REINIT:
            self.settings = dict(self.persisted)
        else:
            return False
        return None

    def _schedule(self, now):
        period = self.period_ms
        self.next_at = now + (1 << 30 if period is None else period * self.period)

    def _progress(self):
        while self.next_at is not None and self.sim.now() >= self.next_at:
            ppm, celsius, percent = self.measure()
            if self.first:
                self.first = False
                ppm = self.first_ppm
            self.buffer = _words(
                round(ppm), round((celsius + 45) * 65535 / 175), round(percent * 65535 / 100)
            )
            if self.frames:
                self.buffer = self.frames.pop(0)
            self._schedule(self.next_at)


def crc8(data):
    crc = 0xFF
    for byte in data:
        for bit in range(7, -1, -1):
            out = crc >> 7 ^ byte >> bit & 1
            crc = (crc << 1 & 0xFF) ^ (0x31 if out else 0)
    return crc


def _words(*words):
    data = b""
    for word in words:
        word = bytes((word >> 8, word & 0xFF))
        data += word + bytes((crc8(word),))
    return data


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return tuple(world.get(quantity, name) for quantity in ("co2", "temperature", "humidity"))

    sim.i2c_attach(setting["sda"], setting["scl"], 0x62, Chip(sim, measure), name)
