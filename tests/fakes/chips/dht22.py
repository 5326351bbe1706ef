"""DHT22: answers with what it measured when it was last asked, and not at all if that was less than 2 s ago.

Source: Aosong AM2302 data sheet.
"""

_PAUSE_MS = 2000
_START_MS = 1000


class Chip:
    """measure() gives °C, %. `answer` (5 bytes) replaces what it says. `copy`: negative as two's complement."""

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.answer = None
        self.copy = False
        self.quiet_until = _START_MS
        self.measured = measure()

    def frame(self):
        if self.sim.now() < self.quiet_until:
            return None
        self.quiet_until = self.sim.now() + _PAUSE_MS
        celsius, percent = self.measured
        self.measured = self.measure()
        if self.answer:
            return self.answer
        t = int(abs(celsius) * 10 + 0.5)
        if celsius < 0 and t:
            t = 0x10000 - t if self.copy else t | 0x8000
        h = min(max(int(percent * 10 + 0.5), 0), 1000)
        data = bytes((h >> 8, h & 0xFF, t >> 8, t & 0xFF))
        return data + bytes((sum(data) & 0xFF,))


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    sim.dht_attach(setting["pin"], Chip(sim, measure), name)
