"""SHT40, SHT41, SHT45: one-byte commands, words with checksums, and no acknowledge to a read while there is nothing.

A second byte it does not acknowledge, nor a command it does not know; the first byte of an SHT3x's command may be one of
its own. While it measures or heats it is deaf. What was measured can be read once.
Source: Sensirion SHT4x data sheet, 4.
"""

from chips.sht3x import spoil, words

RESET, SERIAL = 0x94, 0x89
MEASURE_MS = {0xFD: 9, 0xF6: 5, 0xE0: 2}  # at most, rounded up
HEAT_MS = {0x39: 1100, 0x32: 110, 0x2F: 1100, 0x24: 110, 0x1E: 1100, 0x15: 110}


class Chip:
    """measure() gives °C, %.

    `frames`: what it measures (6 bytes), first of all. `spoiled`: so many measurements have a wrong checksum; `noise`:
    other answers have. `stuck`: it measures for ever. `commands`: what it obeyed.
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
        self.deaf_until = self.sim.now() + 1
        self.ready_at = None  # when the measurement ends
        self.answer = None
        self.answer_at = 0

    def write(self, data):
        self._progress()
        now = self.sim.now()
        if now < self.deaf_until or self.ready_at is not None:
            return False
        if not data:
            return None
        command = data[0]
        self.answer = None
        if command in MEASURE_MS:
            self.ready_at = now + MEASURE_MS[command]
        elif command in HEAT_MS:
            self.ready_at = now + HEAT_MS[command]
        elif command == RESET:
            self.reset()
        elif command == SERIAL:
            self.answer = words(0x0F3C, 0x8D21)
            self.answer_at = now + 1
            if self.noise:
                self.noise -= 1
                self.answer = spoil(self.answer)
        else:
            return False
        self.commands.append(command)
        return len(data) == 1

    def read(self, n):
        self._progress()
        now = self.sim.now()
        if now < self.deaf_until or now < self.answer_at or self.answer is None:
            return None
        answer, self.answer = self.answer, None
        return (answer + b"\xff" * n)[:n]

    def _progress(self):
        if self.ready_at is None or self.sim.now() < self.ready_at or self.stuck:
            return
        self.ready_at = None
        celsius, percent = self.measure()
        self.answer = words(
            round((celsius + 45) * 65535 / 175), round((percent + 6) * 65535 / 125)
        )
        if self.frames:
            self.answer = self.frames.pop(0)
        if self.spoiled:
            self.spoiled -= 1
            self.answer = spoil(self.answer)


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    address = int(setting.get("address", "0x44"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, Chip(sim, measure), name)
