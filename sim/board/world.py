"""The weather, doors and rain around the board, from a seed.

A day takes ten minutes, so that half a minute shows the sun move. Until `start()` nothing moves by itself: a test's world
stands still at noon of a mild day and changes by `set`, `door` and `tip` only.

For chips:

    world.get(quantity, name)       a float, in the unit of its name below; `name` is the sensor's
    world.on_door(name, function)   function(opened) is called when the contact or button of that sensor moves
    world.on_tip(name, function)    function() is called for every pulse (a bucket of the rain gauge, a turn ...)

Quantities: temperature (C), humidity (%), pressure (Pa), illuminance (lx), battery (V), moisture (0..1), co2 (ppm),
pm (ug/m3 of PM2.5), gas (ohm), distance (cm), current (A), uv (index).
"""

import math

import uos

import sim

_DAY_MS = 600_000
_BEFORE_MS = int(
    uos.getenv("OUTPOST_ELAPSED") or 0
)  # the world is older than a board that was reset
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
}


class World:
    def __init__(self):
        self._set = {}  # (name, quantity) -> value
        self._doors = {}
        self._tips = {}
        self._moves = False

    def start(self):
        """Let it live."""
        if not self._moves:
            self._moves = True
            sim.after(sim.random(2000, 5000), self._door_moves)
            sim.after(sim.random(1000, 3000), self._rains)

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
        value = DEFAULTS[quantity]
        if not self._moves:
            return value
        now = sim.now() + _BEFORE_MS
        day = now / _DAY_MS * 2 * math.pi
        # Each sensor hangs elsewhere: an offset by its name, and a little unrest of its own.
        place = (sum(name.encode()) % 16 - 8) / 8
        wave = math.sin(day + place)
        unrest = math.sin(day * 17 + place * 9) * 0.04
        if quantity == "temperature":
            return value + 6 * wave + 2 * place + 3 * unrest
        if quantity == "humidity":
            return value - 15 * wave + 4 * place - 10 * unrest
        if quantity == "pressure":
            return value + 600 * math.sin(day / 3) + 90 * unrest
        if quantity == "illuminance":
            return max(0.0, value * (1 + wave + unrest))
        if quantity == "battery":
            return max(3.0, value - 0.02 * now / 60_000 + 0.1 * unrest)
        if quantity == "moisture":
            return max(0.05, value - 0.01 * now / 60_000 + 0.1 * unrest)
        return value * (1 + 0.2 * wave + unrest)

    # -- things that happen

    def on_door(self, name, function):
        self._doors[name] = [False, function]
        function(False)

    def on_tip(self, name, function):
        self._tips[name] = function

    def door(self, name, opened=True):
        door = self._doors[name]
        door[0] = bool(opened)
        door[1](door[0])

    def tip(self, name, n=1):
        for _ in range(n):
            self._tips[name]()

    def _door_moves(self):
        for name in self._doors:
            self.door(name, not self._doors[name][0])
        sim.after(sim.random(4000, 12_000), self._door_moves)

    def _rains(self):
        for name in self._tips:
            self.tip(name)
        sim.after(sim.random(800, 4000), self._rains)
