"""docs/sensors.md: the sensor tables and the drivers' own words (made by `python -m tools reference`)."""

import ast

from tools import ROOT

_INTRO = """\
# Sensors

<!-- Made by `python -m tools reference` from firmware/sensors/types.py and lib/drivers: edit those. -->

What each sensor publishes, and what to know about it. Their settings are in [config.md](config.md#sensors-what-is-read).

A sensor that fails publishes why, and never a value: `{"boot":17,"seq":42,"error":"no answer on the bus"}`, once when
it fails and then once an interval. It is tried again after 1 s, 2 s, 4 s and so on up to its interval, at most 5
minutes, from the beginning: plug it in and it comes to life. The others do not notice.

| error | look for |
|---|---|
| `no answer on the bus` | wiring, supply, the address, missing pull-up resistors |
| `timed out` | a line held low: a short, a wrong pin; a DHT22 that does not answer |
| `chip id … is a …; expected a …` | another chip than configured: many a "BME280" is a BMP280 |
| `checksum` | long or bad wires, a pull-up too weak |
| `data line held low` | a short, no pull-up resistor |
| `chip has not measured` | a weak supply: the chip restarts when it measures; parasite power of a DS18B20 |
| `another chip answers (…)` | a look-alike at the same address: set `type` to what it is |
| `chip is not calibrated` | an AHT10 where an AHT20 is configured, or another chip; a damaged one |
| `chip stays busy`, `calibration is blank` | a damaged chip or wire |
| `chip does not keep its settings` | another chip than configured; a weak supply, at which it restarts |
| `reading out of the chip's range` | another chip than configured (DHT11 for DHT22), a damaged one |
| `too bright` | less `sensitivity` for a BH1750; others measure up to full sun: shade them |
| `current too large for the shunt` | a larger current needs a shunt of fewer ohms |
| `voltage beyond range_v` | set a larger `range_v`, or put a divider before the input |
| `heater did not reach its temperature` | a weak supply, wind or frost at the sensor, a damaged chip |
| `under 0.3 V at the pin: no battery?` | the battery or the divider is not connected |
| `count on flash is damaged` | worn-out flash, or another program wrote to the file; the count begins at 0 |
| `no sensor at the pin` | the soil sensor's output or its supply is not connected, or something holds the pin at 3.3 V |
| `thermistor shorted or not connected` | a broken wire or a short; `side` and `supply_v`, if it is neither |
| `no echo` | nothing within 4 m, or it is soft or slanted; TRIG and ECHO exchanged; less than 5 V |
| `several on the wire, set address to one of …` | copy one of those addresses to each sensor |
"""


def page(types):
    from firmware.sensors import QUANTITIES as quantities

    parts = [_INTRO]
    modules = {}
    for name, row in sorted(types.items()):
        modules.setdefault(row[0].split(".")[0], []).append(name)
    for module, names in modules.items():
        parts.append(f"\n## {', '.join(f'`{name}`' for name in names)}\n\n{about(module)}\n")
        for name in names:
            parts.append(f"\n`{name}` publishes:\n\n" + table(types[name][3], quantities))
    return "".join(parts)


def table(measured, quantities):
    if isinstance(measured[-1], dict):
        setting, choices = measured
        rows = [(q, f" (`{setting}`: `{value}`)") for value, qs in choices.items() for q in qs]
    else:
        rows = [(quantity, "") for quantity in measured]
    lines = ["| quantity | unit | decimals | Home Assistant's class |", "|---|---|---|---|"]
    for quantity, when in rows:
        unit, device_class, decimals = quantities[quantity]
        if unit == "":
            unit, decimals = "true or false", ""
        elif unit is None:
            unit = "`unit`" if decimals else "pulses"
        lines.append(f"| `{quantity}`{when} | {unit} | {decimals} | {device_class or ''} |")
    return "\n".join(lines) + "\n"


def about(module):
    """A driver's own words: its docstring."""
    return ast.get_docstring(ast.parse((ROOT / "lib" / "drivers" / f"{module}.py").read_text()))
