"""MH-Z19B: answers when it is asked; for a while after power-on it says always the same.

Source: Winsen MH-Z19B user's manual, version 1.0.
"""

_ANSWERS_MS = 15
_BYTES_PER_S = 960


class Chip:
    """measure() gives ppm. `warm_ms`: so long it shows `warming`; `deaf`: it hears nothing; `noise`: before an answer.

    `range`: where it ends; `only_2000`: and it knows no other.
    `spoil`: so many of the next answers have a wrong bit; `answer` (9 bytes) replaces what it says.
    """

    warming = 410
    range = 5000

    def __init__(self, sim, measure, warm_ms=90_000):
        self.sim = sim
        self.measure = measure
        self.warm_ms = warm_ms
        self.on_since = sim.now()
        self.deaf = self.only_2000 = False
        self.spoil = 0
        self.noise = b""
        self.answer = None
        self.calibrates = True
        self.zeroed = 0
        self.asked = 0
        self.sent = []  # [ms, bytes]
        self._came = b""

    def write(self, data):
        if self.deaf:
            return
        self._came += data
        while len(self._came) >= 9:
            if self._came[:2] != b"\xff\x01":
                self._came = self._came[1:]
                continue
            command, self._came = self._came[:9], self._came[9:]
            if command[8] == _check(command):
                self._command(command[2], command[3], command[6] << 8 | command[7])

    def _command(self, command, value, wide):
        if command == 0x86:
            self.asked += 1
            self._send(self.answer or self._frame())
        elif command == 0x79:
            self.calibrates = value == 0xA0
            self._send(b"\xff\x79\x01\x00\x00\x00\x00\x00\x86")
        elif command == 0x99:
            if not self.only_2000:
                self.range = wide
            self._send(b"\xff\x99\x01\x00\x00\x00\x00\x00\x66")
        elif command == 0x87:
            self.zeroed += 1

    def _frame(self):
        ppm = min(int(self.measure() + 0.5), self.range)
        if self.sim.now() - self.on_since < self.warm_ms:
            ppm = self.warming
        data = bytes((0xFF, 0x86, ppm >> 8, ppm & 0xFF, 62, 0, 0, 0))
        return data + bytes((_check(data),))

    def _send(self, data):
        if self.spoil:
            self.spoil -= 1
            data = bytearray(data)
            data[self.sim.random(2, 8)] ^= 1 << self.sim.random(0, 7)
        self.sent.append([self.sim.now() + _ANSWERS_MS, self.noise + bytes(data)])

    def read(self):
        came = b""
        now = self.sim.now()
        while self.sent and self.sent[0][0] <= now:
            at, data = self.sent[0]
            n = (now - at) * _BYTES_PER_S // 1000
            came += data[:n]
            if n < len(data):
                self.sent[0] = [now, data[n:]]
                break
            self.sent.pop(0)
        return came


def _check(data):
    return -sum(data[1:8]) & 0xFF


def attach(setting, world, sim):
    chip = Chip(sim, lambda: world.get("co2", setting["name"]), warm_ms=60_000)
    sim.uart_attach(setting["tx"], setting["rx"], chip, setting["name"])
