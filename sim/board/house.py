"""A house and its garden: what a sensor would measure there, at any moment.

At power-on it is ten in the morning of a mild, showery day in April, and then time passes as it does. A sensor is where its name says
(PLACES); what it measures is a function of that place and of the time, so the sensors of one place agree: humidity follows from
temperature and dew point, rain and darkness from the clouds, and the pressure is that of the whole house. Each sensor
adds a small error of its own and noise.
"""

import math

_MORNING_H = 10
_H_MS = 3_600_000
_MIN_MS = 60_000

# A row of PLACES: words in the names of its sensors, °C, by how much that swings in a day, at what hour it is warmest, by how much
# it wanders within an hour, dew point, share of the daylight, CO2 in ppm, share of the dust.
# fmt: off
PLACES = (  # one row a place; the first that fits a name is taken
    (("greenhouse", "glasshouse"),                                       21.0, 7.0, 14, 0.40,  14.0, 0.60,  480, 0.8),
    (("outside", "outdoor", "outdoors", "garden", "balcony", "terrace",
      "roof", "shed", "weather", "rain", "wind", "sun", "solar", "uv"),  11.0, 4.0, 15, 0.20,   8.0, 1.00,  424, 1.0),
    (("cellar", "basement"),                                             13.5, 0.2, 18, 0.05,   9.5, 0.00,  520, 0.4),
    (("attic", "loft"),                                                  18.5, 4.0, 16, 0.15,   9.0, 0.01,  470, 0.7),
    (("boiler", "heating", "radiator"),                                  58.0, 1.0, 20, 3.00,  10.0, 0.00,  640, 0.6),
    (("freezer",),                                                      -18.5, 0.2, 18, 1.20, -22.0, 0.00,  640, 0.6),
    (("fridge",),                                                         5.0, 0.3, 18, 0.90,   1.0, 0.00,  640, 0.6),
    (("soil", "bed", "ground", "pot", "tank", "pool", "well"),           12.0, 0.8, 18, 0.05,  10.0, 0.50,  430, 0.9),
    ((),                                                                 21.0, 0.7, 18, 0.15,   9.5, 0.02,  680, 0.6),  # a room
)
# fmt: on
_ROOM = len(PLACES) - 1

_SUPPLIES = (  # volts
    (("supply", "mains", "usb"), 5.04),
    (("pressure", "tank"), 1.62),  # of a transducer, 0.5 V to 4.5 V
)
_FRESH_PPM = 424
_PANELS = ("solar", "panel", "sun", "pv")


def measured(quantity, name, ms, altitude_m=0):
    """Return what the sensor of this name measures when the house is ms old. Quantities and units: see world.py."""
    return _QUANTITIES[quantity](_Moment(name, ms, altitude_m))


def _words(name):
    return "".join([c if c.isalpha() else " " for c in name.lower()]).split()


class _Moment:
    """A place at a time."""

    def __init__(self, name, ms, altitude_m):
        self.words = _words(name)
        self.ms = ms
        self.altitude_m = altitude_m
        self.hour = (_MORNING_H + ms / _H_MS) % 24
        self.salt = sum(name.encode())
        self.place = 0
        while self.place < _ROOM and not self.named(PLACES[self.place][0]):
            self.place += 1
        (
            _,
            self.mean,
            self.swing,
            self.warmest,
            self.wander,
            self.dew_point,
            self.light,
            self.co2,
            self.dust,
        ) = PLACES[self.place]

    def named(self, words):
        return any(word in self.words for word in words)

    def error(self, size):
        """Of this one sensor, always the same."""
        return size * (self.salt % 21 - 10) / 10

    def noise(self, size, which=0):
        """Another with each millisecond, and the same when it is asked again."""
        x = math.sin(self.ms * 12.9898 + (self.salt + 31 * which) * 78.233) * 43_758.5453
        return size * 2 * (x - math.floor(x) - 0.5)

    def wave(self, minutes, phase=0.0):
        return math.sin(2 * math.pi * (self.ms / (minutes * _MIN_MS) + phase))

    def day(self, peak_h):
        return math.cos(2 * math.pi * (self.hour - peak_h) / 24)

    def unrest(self):
        """-1 to 1 within the hour, the same for a whole place."""
        return 0.7 * self.wave(37, self.place / 9) + 0.3 * self.wave(11, self.place / 5)

    def clouds(self):
        return 0.5 + 0.35 * self.wave(83, 0.15) + 0.15 * self.wave(29, 0.12)

    def sun(self):
        """0 by night, 1 at noon of a clear day."""
        height = math.sin(math.pi * (self.hour - 6.2) / 13.6) if 6.2 < self.hour < 19.8 else 0
        return height * (1 - 0.8 * self.clouds())

    def celsius(self):
        return self.mean + self.swing * self.day(self.warmest) + self.wander * self.unrest()


def _temperature(at):
    return at.celsius() + at.error(0.1) + at.noise(0.02)


def _humidity(at):
    dew = at.dew_point + 0.8 * at.wave(700, 0.1)
    celsius = max(at.celsius(), dew)
    percent = 100 * math.exp(17.62 * dew / (243.12 + dew) - 17.62 * celsius / (243.12 + celsius))
    return min(percent + at.error(0.5) + at.noise(0.1, 1), 100.0)


def _pressure(at):
    sea_level = 101_420 + 600 * at.wave(4700, 0.1) + 50 * at.wave(310)
    return sea_level * (1 - at.altitude_m / 44_330) ** 5.255 + at.error(5) + at.noise(1.5, 2)


def _illuminance(at):
    lamp = 6.5 < at.hour < 7.5 or 18.5 < at.hour < 23
    lamp_lx = 140 if lamp and at.place == _ROOM else 0
    return ((0.3 + 50_000 * at.sun()) * at.light + lamp_lx) * (1 + at.noise(0.01, 3))


def _uv(at):
    return 7 * at.sun() ** 1.5 * at.light * (1 + at.noise(0.02, 4))


def _battery(at):
    if at.named(_PANELS):
        return 4.6 + 1.0 * at.sun() + at.noise(0.004, 5)
    for words, volts in _SUPPLIES:
        if at.named(words):
            return volts + 0.004 * at.unrest() + at.noise(0.003, 5)
    # A cell that lasts for a month.
    return max(3.98 - 0.0008 * at.ms / _H_MS, 3.4) + at.noise(0.002, 5)


def _current(at):
    if at.named(_PANELS):
        return 0.9 * at.sun() + at.noise(0.002, 6)
    return 0.085 + at.noise(0.008, 6)


def _moisture(at):
    """It dries, and every third day it is watered."""
    return 0.44 - 0.16 * ((at.ms / _H_MS + 18) % 72 / 72) + at.noise(0.001, 7)


def _co2(at):
    return (
        _FRESH_PPM
        + (at.co2 - _FRESH_PPM) * (1 + 0.4 * at.day(22) + 0.08 * at.unrest())
        + at.noise(4, 8)
    )


def _pm(at):
    return (9 + 3 * at.wave(410, 0.2) + 1.5 * at.unrest()) * at.dust + at.noise(0.8, 9)


def _gas(at):
    return 120_000 * (1 + 0.15 * at.unrest() + at.noise(0.004, 10))


def _distance(at):
    """From the lid of a cistern down to its water."""
    return 148 + 22 * at.wave(3300, 0.1) + at.noise(0.3, 11)


def _rain(at):
    return max(at.clouds() - 0.7, 0) * 40


def _wind(at):
    return 3.6 + 1.2 * at.wave(47) + 0.8 * at.wave(1.3) + 0.5 * at.wave(0.21)


def _flow(at):
    """Somebody draws water for a quarter of the time."""
    return max(at.wave(13, 0.2) - 0.7, 0) * 25


def _load(at):
    return 380 + 120 * at.day(20) + 60 * at.unrest() + at.noise(8, 12)


_QUANTITIES = {
    "temperature": _temperature,
    "humidity": _humidity,
    "pressure": _pressure,
    "illuminance": _illuminance,
    "battery": _battery,
    "moisture": _moisture,
    "co2": _co2,
    "pm": _pm,
    "gas": _gas,
    "distance": _distance,
    "current": _current,
    "uv": _uv,
    "rain": _rain,
    "wind": _wind,
    "flow": _flow,
    "load": _load,
}
