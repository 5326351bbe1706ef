"""HC-SR04: a pulse of 10 µs at TRIG, and ECHO is high for as long as the sound was on its way.

Source: ELEC Freaks HC-SR04 user guide.
"""

import time

_TRIGGER_US = 10
_BURST_US = 450  # from the end of the trigger to the rise of ECHO
_NOTHING_US = 38_000
_CYCLE_MS = 60


class Chip:
    """measure() gives cm, °C of the air. `deaf`: hears nothing; `hangs`: and then ECHO stays high, as with some copies.

    `pulses`: µs it says instead, one after the other.
    """

    def __init__(self, sim, measure):
        self.sim = sim
        self.measure = measure
        self.deaf = self.hangs = False
        self.pulses = []
        self.asked = 0  # triggers that were heeded
        self._high_at = None
        self._again_at = 0
        self._edges = None

    def trigger(self, level):
        now = time.ticks_us()
        if level:
            self._high_at = now
            return
        high_at, self._high_at = self._high_at, None
        if high_at is None or time.ticks_diff(now, high_at) < _TRIGGER_US:
            return
        if self.sim.now() < self._again_at:
            self._edges = None  # it hears itself
            return
        self.asked += 1
        self._again_at = self.sim.now() + _CYCLE_MS
        begins = time.ticks_add(now, _BURST_US)
        us = self.pulses.pop(0) if self.pulses else self._sound()
        hangs = self.hangs and us == _NOTHING_US
        self._edges = begins, None if hangs else time.ticks_add(begins, us)

    def _sound(self):
        cm, celsius = self.measure()
        if self.deaf or not 2 <= cm <= 400:
            return _NOTHING_US
        return int(cm * 2 / 100 / (331.3 + 0.606 * celsius) * 1_000_000 + 0.5)

    def edges(self):
        return self._edges


def attach(setting, world, sim):
    name = setting["name"]

    def measure():
        return world.get("distance", name), world.get("temperature", name)

    sim.echo_attach(setting["trigger"], setting["echo"], Chip(sim, measure), name)
