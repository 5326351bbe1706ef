"""What surrounds the board: what its sensors measure, doors that open, pulses that come.

Until `start()` nothing moves by itself: a test's world stands still (DEFAULTS) and changes by `set`, `door` and `tip` only. Then
it is a house and its garden (house.py), whose doors open from time to time, by a seed. A door that `door` has moved stays as it is.

For chips:

    world.get(quantity, name)       a float, in the unit of its name below; `name` is the sensor's
    world.on_door(name, function, kind)   function(opened) is called when the contact of that sensor moves; kind: of HABITS
    world.on_tip(name, function, per_hour)  function() is called for every pulse (a bucket of the rain gauge, a turn ...), of which
                                            per_hour() come in an hour

Quantities: temperature (C), humidity (%), pressure (Pa), illuminance (lx), battery (V, of whatever supply), moisture (0..1), co2 (ppm),
pm (ug/m3 of PM2.5), gas (ohm), distance (cm), current (A), uv (index), rain (mm/h), wind (m/s), flow (L/min), load (W).
"""

import uos

import sim

# the world is older than a board that was reset
_BEFORE_MS = int(uos.getenv("OUTPOST_ELAPSED") or 0)
DEFAULTS = {
    "temperature": 21.5,
    "humidity": 45.0,
    "pressure": 101_325.0,
    "illuminance": 320.0,
    "battery": 3.95,
    "moisture": 0.4,
    "co2": 620.0,
    "pm": 12.0,
    "gas": 120_000.0,
    "distance": 150.0,
    "current": 0.35,
    "uv": 3.0,
    "rain": 4.0,
    "wind": 3.5,
    "flow": 6.0,
    "load": 400.0,
}
# kind of contact: how long it is open, pressed or sees motion, and how long not, in ms: from, to
HABITS = {
    "reed": ((5_000, 20_000), (60_000, 300_000)),
    "contact": ((5_000, 20_000), (60_000, 300_000)),
    "button": ((150, 700), (120_000, 900_000)),
    "pir": ((8_000, 40_000), (30_000, 240_000)),
}
_FIRST_MS = (4_000, 9_000)  # whoever has just started the board sees something happen
_BUCKET = 0.75  # of a pulse is there at power-on
_HOUR_MS = 3_600_000
_LOOK_MS = 10_000  # so often it is seen whether pulses come faster or slower


class World:
    def __init__(self):
        self.altitude_m = 0
        self._set = {}  # (name, quantity) -> value
        self._doors = {}
        self._held = set()  # names of doors that somebody has moved: the house leaves them alone
        self._tips = {}
        self._moves = False

    def start(self):
        """Let it live."""
        if self._moves:
            return
        import house  # not in the small heap of a test, whose world stands still

        self._measured = house.measured
        self._moves = True
        for name in self._doors:
            self._will_first_move(name)
        for bucket in self._tips.values():
            bucket.start()

    def set(self, name, values):
        for quantity in values:
            if quantity not in DEFAULTS:
                raise ValueError("the world has no " + quantity)
            if values[quantity] is None:
                self._set.pop((name, quantity), None)
            else:
                self._set[name, quantity] = values[quantity]

    def get(self, quantity, name="*"):
        for key in ((name, quantity), ("*", quantity)):
            if key in self._set:
                return self._set[key]
        if not self._moves:
            return DEFAULTS[quantity]
        return self._measured(quantity, name, _age_ms(), self.altitude_m)

    # -- things that happen

    def on_door(self, name, function, kind="reed"):
        self._doors[name] = [False, function, HABITS[kind]]
        function(False)
        if self._moves:
            self._will_first_move(name)

    def on_tip(self, name, function, per_hour):
        self._tips[name] = _Bucket(function, per_hour)
        if self._moves:
            self._tips[name].start()

    def door(self, name, opened=True):
        self._move(name, opened)
        self._held.add(name)

    def _move(self, name, opened):
        door = self._doors[name]
        door[0] = bool(opened)
        door[1](door[0])

    def tip(self, name, n=1):
        for _ in range(n):
            self._tips[name].tip()

    def _will_first_move(self, name):
        self._will_move(name, self._doors[name][2][1] if _BEFORE_MS else _FIRST_MS)

    def _will_move(self, name, within_ms):
        sim.after(sim.random(*within_ms), lambda: self._moves_now(name))

    def _moves_now(self, name):
        if name in self._held:
            return
        opened = not self._doors[name][0]
        self._move(name, opened)
        self._will_move(name, self._doors[name][2][0 if opened else 1])


class _Bucket:
    """What has come towards the next pulse: it fills as fast as it rains (blows, flows) at the time."""

    def __init__(self, tip, per_hour):
        self.tip = tip
        self.per_hour = per_hour

    def start(self):
        self.full = (_BUCKET + _age_ms() / _HOUR_MS * self.per_hour()) % 1
        self._wait()

    def _wait(self):
        self.since = _age_ms()
        self.rate = self.per_hour()
        ms = (1 - self.full) / self.rate * _HOUR_MS if self.rate > 0 else _LOOK_MS
        sim.after(min(int(ms) + 1, _LOOK_MS), self._fill)

    def _fill(self):
        self.full += (_age_ms() - self.since) / _HOUR_MS * self.rate
        if self.full >= 1:
            self.full -= 1
            self.tip()
        self._wait()


def _age_ms():
    return sim.now() + _BEFORE_MS
