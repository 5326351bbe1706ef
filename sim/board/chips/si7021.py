"""Si7021, HTU21D, SHT21: one command for each quantity, and no acknowledge to a read while it is measured.

They differ in how long that takes, in the user register after a reset, and in what the last two bits of a measurement are.
Only the Si7021 knows its id. What was measured can be read once.
Source: Silicon Labs Si7021-A20, 5; Measurement Specialties HTU21D(F); Sensirion SHT21, 5.
"""

from chips.sht3x import crc8, spoil

RESET, WRITE_USER, READ_USER = 0xFE, 0xE6, 0xE7
TEMPERATURE, HUMIDITY = (0xE3, 0xF3), (0xE5, 0xF5)  # with and without clock stretching

# °C ms, % ms (rounded up), user register
KINDS = {"si7021": (11, 23, 0x3A), "htu21d": (50, 16, 0x02), "sht21": (85, 29, 0x02)}


class Chip:
    """measure() gives °C, %. kind: a key of KINDS.

    `frames`: what it measures (3 bytes each), first of all. `spoiled`: so many measurements have a wrong checksum. `stuck`:
    it measures for ever. `commands`: those to measure that it acknowledged.
    """

    def __init__(self, sim, measure, kind="si7021"):
        self.sim = sim
        self.measure = measure
        self.kind = kind
        self.frames = []
        self.spoiled = 0
        self.stuck = False
        self.commands = []
        self.user = KINDS[kind][2]
        self.reset()
        self.deaf_until = sim.now()  # it had its power when the board had

    def reset(self, heater=0):
        self.deaf_until = self.sim.now() + 15
        self.user = KINDS[self.kind][2] | heater
        self.ready_at = None  # when the measurement ends
        self.command = None
        self.answer = None

    def write(self, data):
        self._progress()
        if self.sim.now() < self.deaf_until or self.ready_at is not None:
            return False
        if not data:
            return None
        command = data[0]
        self.answer = None
        if command == RESET:
            self.reset(self.user & 4)
        elif command == READ_USER:
            self.answer = bytes((self.user,))
        elif command == WRITE_USER:
            if len(data) > 1:
                self.user = self.user & 0x78 | data[1] & 0x87
        elif command in TEMPERATURE or command in HUMIDITY:
            self.commands.append(command)
            self.command = command
            self.ready_at = self.sim.now() + KINDS[self.kind][command in HUMIDITY]
        elif data == b"\xfc\xc9" and self.kind == "si7021":
            self.answer = bytes.fromhex("15fffff0b5ff")[:6]
        else:
            return False
        return None

    def read(self, n):
        self._progress()
        answer, self.answer = self.answer, None
        if self.sim.now() < self.deaf_until or answer is None:
            return None
        return (answer + b"\xff" * n)[:n]

    def _progress(self):
        if self.ready_at is None or self.sim.now() < self.ready_at or self.stuck:
            return
        self.ready_at = None
        celsius, percent = self.measure()
        if self.command in TEMPERATURE:
            raw = round((celsius + 46.85) / 175.72 * 65536) & 0xFFFC
        else:
            raw = round((percent + 6) / 125 * 65536) & 0xFFFC | 2
        data = bytes((raw >> 8, raw & 0xFF))
        self.answer = data + bytes((crc8(data, 0),))
        if self.frames:
            self.answer = self.frames.pop(0)
        if self.spoiled:
            self.spoiled -= 1
            self.answer = spoil(self.answer)


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    sim.i2c_attach(setting["sda"], setting["scl"], 0x40, Chip(sim, measure), name)
