"""BH1750: one-byte commands. It always acknowledges, and shows what it measured last.

Asleep, it takes nothing but the commands to wake and to measure.
Source: ROHM BH1750FVI data sheet.
"""

POWER_DOWN, POWER_ON, RESET = 0x00, 0x01, 0x07
ONCE, CONTINUOUS, LOW_RES, HALF_LUX = 0x20, 0x10, 0x03, 0x01  # of a command to measure


class Chip:
    """measure() gives lx. `frames`: what it measures (2 bytes), first of all. `commands`: what it heeded."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.frames = []
        self.commands = []
        self.reset()

    def reset(self):
        """Its power comes back."""
        self.on = False
        self.time = 69
        self.mode = None  # what it does
        self.ready_at = None
        self.data = b"\0\0"

    def write(self, data):
        self._progress()
        for command in data[:1]:  # each wants a transfer of its own
            if self._obey(command):
                self.commands.append(command)

    def _obey(self, command):
        if command == POWER_DOWN:
            self.on = False
            self.mode = None
        elif command == POWER_ON or (command & 0x30 in (ONCE, CONTINUOUS) and command < 0x30):
            self.on = True
            if command != POWER_ON:
                self.mode = command
                self.ready_at = self.sim.now() + self._duration()
        elif not self.on:
            return False
        elif command == RESET:
            self.data = b"\0\0"
        elif command & 0xF8 == 0x40:
            self.time = self.time & 0x1F | (command & 7) << 5
        elif command & 0xE0 == 0x60:
            self.time = self.time & 0xE0 | command & 0x1F
        else:
            return False
        return True

    def _duration(self):
        """At most, whole ms, rounded up: a program that comes a moment too early must see it."""
        return -(-(24 if self.mode & LOW_RES == LOW_RES else 180) * self.time // 69)

    def read(self, n):
        self._progress()
        return (self.data + b"\xff" * n)[:n]

    def _progress(self):
        while self.mode is not None and self.sim.now() >= self.ready_at:
            counts = self.measure() * 1.2 * self.time / 69
            if self.mode & LOW_RES == HALF_LUX:
                counts *= 2
            self.data = min(round(counts), 0xFFFF).to_bytes(2, "big")
            if self.frames:
                self.data = self.frames.pop(0)
            if self.mode & ONCE:
                self.on = False
                self.mode = None
            else:
                self.ready_at += self._duration()


def attach(setting, world, sim):
    name = setting["name"]
    chip = Chip(sim, lambda: world.get("illuminance", name))
    address = int(setting.get("address", "0x23"), 16)
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
