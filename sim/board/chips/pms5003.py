"""PMS5003: a frame a second while its fan runs; what it says in the first 30 s is far too much.

Source: Plantower PMS5003 series data manual, appendix I.
"""

_SETTLE_MS = 30_000
_BYTES_PER_S = 960


class Chip:
    """measure() gives µg/m³ of PM1, PM2.5, PM10. `every_ms`: from frame to frame; `passive`: it sends none.

    `spoil`: so many of the next frames have a wrong bit; `noise`: what comes before each. `awake_ms`: how long the fan
    ran. `frame` (32 bytes) replaces what it says.
    """

    def __init__(self, sim, measure, every_ms=1000):
        self.sim = sim
        self.measure = measure
        self.every_ms = every_ms
        self.passive = False
        self.spoil = 0
        self.noise = b""
        self.frame = None
        self.sent = []  # [ms, bytes]: on the wire from then on
        self.commands = []
        self.awake_ms = 0
        self.awake_since = None
        self._came = b""
        self._wake()
        sim.after(self.every_ms, self._next)

    def _wake(self):
        if self.awake_since is None:
            self.awake_since = self.sim.now()
            self.settled_at = self.sim.now() + _SETTLE_MS

    def lose_power(self):
        """It is gone and comes back at once."""
        self.sent.clear()
        self.awake_since = None
        self._wake()

    def _next(self):
        self.sim.after(self.every_ms, self._next)
        if self.awake_since is None or self.passive:
            return
        frame = bytearray(self.frame or self._frame())
        if self.spoil:
            self.spoil -= 1
            frame[self.sim.random(4, 31)] ^= 1 << self.sim.random(0, 7)
        self._send(self.noise + bytes(frame))

    def _frame(self):
        values = [int(value + 0.5) for value in self.measure()]
        if self.sim.now() < self.settled_at:
            values = [value + 800 for value in values]
        words = [value * 3 // 2 for value in values] + values + [900, 300, 60, 10, 3, 1, 0x9700]
        data = b"\x42\x4d\x00\x1c" + b"".join(bytes((word >> 8, word & 0xFF)) for word in words)
        return data + _sum(data)

    def _send(self, data):
        if len(self.sent) < 20:  # nobody listens: what is older is what a port would have kept
            self.sent.append([self.sim.now(), data])

    def read(self):
        """What is through the wire by now."""
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

    def write(self, data):
        self._came += data
        while len(self._came) >= 7:
            if self._came[:2] != b"\x42\x4d":
                self._came = self._came[1:]
                continue
            command, self._came = self._came[:7], self._came[7:]
            if _sum(command[:5]) == command[5:]:
                self._command(command[2], command[4])

    def _command(self, command, value):
        if command == 0xE4 and value:
            self._wake()
        elif self.awake_since is None:
            return  # asleep it hears nothing else
        elif command == 0xE4:
            self.awake_ms += self.sim.now() - self.awake_since
            self.awake_since = None
        elif command == 0xE1:
            self.passive = not value
        elif command == 0xE2:
            self._send(self._frame())
            return
        self.commands.append((command, value))
        answer = b"\x42\x4d\x00\x04" + bytes((command, value))
        self._send(answer + _sum(answer))


def _sum(data):
    total = sum(data)
    return bytes((total >> 8 & 0xFF, total & 0xFF))


def attach(setting, world, sim):
    def measure():
        pm25 = world.get("pm", setting["name"])
        return pm25 * 0.7, pm25, pm25 * 1.3

    sim.uart_attach(setting["tx"], setting["rx"], Chip(sim, measure), setting["name"])
