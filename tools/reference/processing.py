"""docs/sensors.md, what becomes of a reading before it is published: examples, reckoned by the node's own code."""

from tools.jsontext import pretty
from tools.settings.newconfig import entry

CALIBRATED = {
    "calibrate": {
        "temperature": {"points": [{"reads": 0.6, "is": 0}, {"reads": 98.1, "is": 100}]},
    }
}
SHIFTED = {
    "calibrate": {"temperature": {"offset": -1.5}, "humidity": {"scale": 1.02, "offset": 2}}
}
FILTERED = {"filter": {"distance": {"median": 5, "average": 2, "max": 180}}}
DERIVED = {"dew_point": True, "absolute_humidity": True, "altitude_m": 520}

# What is put through them.
_BOILS = (0.6, 20.0, 98.1, 110.0)
_PINGS = (150.0, 151.0, 20.0, 152.0, 153.0, 350.0, 351.0, 352.0)
_AIR = (21.5, 45.0, 952.3)


def example(name, types, more):
    """Return an entry of that type with more settings, on an ESP32, as JSON."""
    return pretty(entry(name, name, types, "esp32") | more)


def processing(types):
    from firmware.sensors import QUANTITIES
    from firmware.sensors.process import Process

    def process(name, more):
        filled = {
            part: {q: _filled(values, part) for q, values in more.get(part, {}).items()}
            for part in ("calibrate", "filter")
        }
        return Process(types[name][3], filled["calibrate"], filled["filter"])

    calibrated = process("ds18b20", CALIBRATED)
    boiled = [calibrated.apply((value,))[0] for value in _BOILS]
    filtered = process("hcsr04", FILTERED)
    pinged = [filtered.apply((value,))[0] for value in _PINGS]
    air = process("bme280", {})
    names = [air.derive(setting, value) for setting, value in DERIVED.items()]
    derived = []
    for setting, name, value in zip(DERIVED, names, air.apply(_AIR)[len(_AIR) :], strict=True):
        unit, device_class, decimals = QUANTITIES[name]
        derived.append(
            f"| `{setting}` | `{name}` | {value:.{decimals}f} {unit} | {decimals} | {device_class or ''} |"
        )
    return _TEXT.format(
        calibrated=example("ds18b20", types, CALIBRATED),
        boils=_row(_BOILS),
        boiled=_row(boiled),
        shifted=example("sht4x", types, SHIFTED),
        filtered=example("hcsr04", types, FILTERED),
        columns="---|" * len(_PINGS),
        pings=_row(_PINGS),
        pinged=_row(pinged),
        air=example("bme280", types, DERIVED),
        measured="{} °C, {} % and {} hPa".format(*_AIR),
        derived="\n".join(derived),
    )


def _filled(given, part):
    """Give an object of `calibrate` or `filter` its defaults, as the check does."""
    from firmware.settings import entries

    rows = {row[0]: row for row in entries.SENSOR}[part][3][2]
    return {row[0]: given.get(row[0], row[2]) for row in rows}


def _row(values):
    return " | ".join(f"{value:.1f}" for value in values)


_TEXT = """
## From what is measured to what is published

In this order, each only if it is set: `calibrate`, `filter`, what is derived, and then `delivery`, which decides what
is worth sending. You set the first two for each quantity that the sensor itself measures. All settings:
[config.md](config.md#sensors-what-is-read).

**Calibrate**: two or more points say what is true when the sensor reads something; between them, and beyond, it is the
line through the nearest two. A thermometer that was in melting ice and in boiling water:

```json
{calibrated}
```

| it reads | {boils} |
|---|---|---|---|---|
| published | {boiled} |

Or, after the points if there are any, the reading times `scale` plus `offset`:

```json
{shifted}
```

**Filter**: `median` takes the middle one of the last readings: one outlier has no effect. `average` is the mean of the last
medians; `min` and `max` hold the result within bounds. A real change shows up with a delay of half of both windows. Until
enough readings exist, the filter uses those it has. After a failure it begins anew and forgets what was before. A tank
180 cm deep:

```json
{filtered}
```

| it reads | {pings} |
|---|{columns}
| published | {pinged} |

**Derived**: what follows from the air, of any sensor that measures temperature and humidity (`dew_point`,
`absolute_humidity`) or pressure (`altitude_m`). It is published beside what it follows from, after calibration and
filters:

```json
{air}
```

At {measured}:

| setting | quantity | | decimals | Home Assistant's class |
|---|---|---|---|---|
{derived}
"""
