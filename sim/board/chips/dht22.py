"""DHT22, DHT11: answers with what it measured when it was last asked, and not at all if that was less than 2 s ago.

Source: Aosong AM2302 data sheet; Aosong DHT11 data sheet.
"""

_PAUSE_MS = 2000
_START_MS = 1000


class Chip:
    """measure() gives °C, %. `answer` (5 bytes) replaces what it says. `copy`: negative as two's complement.

    dht11: it is one, and with `old` one that knows no tenths.
    """

    def __init__(self, sim, measure, dht11=False):
        self.sim = sim
        self.measure = measure
        self.answer = None
        self.dht11 = dht11
        self.copy = self.old = False
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
        data = self.short(celsius, percent) if self.dht11 else self.long(celsius, percent)
        return data + bytes((sum(data) & 0xFF,))

    def short(self, celsius, percent):
        percent = min(max(percent, 20 if self.old else 5), 90 if self.old else 95)
        celsius = min(max(celsius, 0 if self.old else -20), 50 if self.old else 60)
        t = int(abs(celsius) * 10 + 0.5)
        tenths = 0 if self.old else t % 10 | (0x80 if celsius < 0 else 0)
        return bytes((int(percent + 0.5), 0, t // 10, tenths))

    def long(self, celsius, percent):
        celsius = min(max(celsius, -40), 80)
        t = int(abs(celsius) * 10 + 0.5)
        if celsius < 0 and t:
            t = 0x10000 - t if self.copy else t | 0x8000
        h = min(max(int(percent * 10 + 0.5), 0), 1000)
        return bytes((h >> 8, h & 0xFF, t >> 8, t & 0xFF))


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("temperature", name), world.get("humidity", name)

    sim.dht_attach(setting["pin"], Chip(sim, measure, setting["type"] == "dht11"), name)
