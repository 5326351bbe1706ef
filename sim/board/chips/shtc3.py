"""SHTC3: two-byte commands, words with checksums, and sleep, in which it acknowledges nothing but the command to wake.

While it measures, wakes or starts it is deaf. What was measured can be read once, as can its id.
Source: Sensirion SHTC3 data sheet, 5.
"""

from chips.sht3x import spoil, words

WAKE, SLEEP, RESET, ID = 0x3517, 0xB098, 0x805D, 0xEFC8
# Temperature first, humidity first; each ms at most, rounded up. Those with clock stretching no board waits for.
NORMAL, LOW_POWER = (0x7866, 0x58E0), (0x609C, 0x401A)
MEASURE_MS = {0x7866: 13, 0x58E0: 13, 0x609C: 1, 0x401A: 1}


class Chip:
    """measure() gives °C, %.

    `frames`: what it measures (6 bytes), first of all. `spoiled`: so many measurements have a wrong checksum; `noise`:
    other answers have. `stuck`: it measures for ever. `id`: of its word of that name. `commands`: what it obeyed.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.frames = []
        self.spoiled = self.noise = 0
        self.stuck = False
        self.id = 0x0887
        self.commands = []
        self.reset()
        self.deaf_until = sim.now()  # it had its power when the board had

    def reset(self):
        self.deaf_until = self.sim.now() + 1
        self.asleep = False
        self.ready_at = None  # when the measurement ends
        self.command = None
        self.answer = None

    def write(self, data):
        self._progress()
        if self.sim.now() < self.deaf_until or self.ready_at is not None:
            return False
        command = data[0] << 8 | data[1] if len(data) >= 2 else None
        if self.asleep and command != WAKE:
            return False
        if command is None:
            return None
        self.answer = None
        if command == WAKE:
            if self.asleep:
                self.asleep = False
                self.deaf_until = self.sim.now() + 1
        elif command == SLEEP:
            self.asleep = True
        elif command == RESET:
            self.reset()
        elif command == ID:
            self.answer = words(self.id)
            if self.noise:
                self.noise -= 1
                self.answer = spoil(self.answer)
        elif command in MEASURE_MS:
            self.command = command
            self.ready_at = self.sim.now() + MEASURE_MS[command]
        else:
            return False
        self.commands.append(command)
        return len(data) == 2

    def read(self, n):
        self._progress()
        answer, self.answer = self.answer, None
        if self.sim.now() < self.deaf_until or self.asleep or answer is None:
            return None
        return (answer + b"\xff" * n)[:n]

    def _progress(self):
        if self.ready_at is None or self.sim.now() < self.ready_at or self.stuck:
            return
        self.ready_at = None
        celsius, percent = self.measure()
        numbers = round((celsius + 45) * 65536 / 175), min(round(percent * 65536 / 100), 0xFFFF)
        if self.command in (NORMAL[1], LOW_POWER[1]):
            numbers = numbers[::-1]
        self.answer = words(*numbers)
        if self.frames:
            self.answer = self.frames.pop(0)
        if self.spoiled:
            self.spoiled -= 1
            self.answer = spoil(self.answer)


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    sim.i2c_attach(setting["sda"], setting["scl"], 0x70, Chip(sim, measure), name)
