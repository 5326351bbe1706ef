"""AHT20 and AHT10: a status byte before what was measured, three-byte commands; the AHT20 adds a checksum.

It is deaf after its power comes, and while it resets. Busy, it answers with the status and what it measured before. An
AHT10 has its calibration only once it got the command to load it; each knows its own command for that.
Source: Aosong data sheets AHT20, DHT20 and AHT10.
"""

from chips.sht3x import crc8

INIT = {"aht20": b"\xbe\x08\x00", "aht10": b"\xe1\x08\x00"}
MEASURE, RESET, STATUS = b"\xac\x33\x00", b"\xba", b"\x71"
POWER_UP_MS = {"aht20": 100, "aht10": 20}

_BUSY, _CALIBRATED = 0x80, 0x08


class Chip:
    """measure() gives °C, %. kind: "aht20" or "aht10".

    `takes_ms`: how long it measures; `stuck`: for ever. `frames`: what it measures (status and five bytes, a checksum of an
    AHT20), first of all. `spoiled`: so many answers have a wrong checksum. `damaged`: it never has its calibration.
    `loaded`: an AHT20 has it from the start, as newer ones do. `commands`: what it obeyed.
    """

    def __init__(self, sim, measure, kind="aht20"):
        self.sim = sim
        self.measure = measure
        self.kind = kind
        self.takes_ms = 80
        self.stuck = self.damaged = False
        self.loaded = kind == "aht20"
        self.frames = []
        self.spoiled = 0
        self.commands = []
        self.reset()
        self.deaf_until = sim.now()  # it had its power when the board had

    def reset(self, ms=None):
        self.deaf_until = self.sim.now() + (POWER_UP_MS[self.kind] if ms is None else ms)
        self.ready_at = None  # when the measurement ends
        self.loads_at = None
        self.status = 0x10 if self.kind == "aht20" else 0
        if self.loaded and not self.damaged:
            self.status |= _CALIBRATED
        self.data = bytes(5)
        self.frame = None

    def write(self, data):
        self._progress()
        if self.sim.now() < self.deaf_until:
            return False
        data = bytes(data)
        if data == RESET:
            self.stuck = False
            self.reset(20)
        elif data == MEASURE:
            if self.ready_at is None:
                self.ready_at = self.sim.now() + self.takes_ms
        elif data == INIT[self.kind]:
            self.loads_at = self.sim.now() + 10
        elif data == INIT["aht10"]:
            return False  # an AHT20 may refuse the other's
        self.commands.append(data)
        return None

    def read(self, n):
        if self.sim.now() < self.deaf_until:
            return None
        self._progress()
        if self.ready_at is None and self.frame:
            answer = self.frame
        else:
            answer = bytes((self.status,)) + self.data
            if self.kind == "aht20":
                answer += bytes((crc8(answer),))
        if self.spoiled and n > 6:
            self.spoiled -= 1
            answer = answer[:-2] + bytes((answer[-2] ^ 0x10, answer[-1]))
        return (answer + b"\xff" * n)[:n]

    def _progress(self):
        now = self.sim.now()
        if self.loads_at is not None and now >= self.loads_at:
            self.loads_at = None
            if not self.damaged:
                self.status |= _CALIBRATED
        self.status |= _BUSY
        if self.ready_at is not None:
            if now < self.ready_at or self.stuck:
                return
            self.ready_at = None
            self.frame = self.frames.pop(0) if self.frames else None
            celsius, percent = self.measure()
            t = round((celsius + 50) / 200 * (1 << 20)) & 0xFFFFF
            h = min(round(percent / 100 * (1 << 20)), 0xFFFFF)
            self.data = (h << 20 | t).to_bytes(5, "big")
        self.status &= ~_BUSY


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    address = int(setting.get("address", "0x38"), 16)
    chip = Chip(sim, measure, setting["type"])
    sim.i2c_attach(setting["sda"], setting["scl"], address, chip, name)
