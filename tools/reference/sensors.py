"""docs/sensors.md: the sensor tables and the drivers' own words (made by `python -m tools reference`)."""

import ast
import json
import re

from tools import ROOT, CommandError
from tools.reference.processing import processing
from tools.reference.wiring import BOARDS, NAMES, picture
from tools.settings.newconfig import entry

_LIB = ROOT / "lib"

_INTRO = """\
# Sensors

<!-- Made by `python -m tools reference` from firmware/sensors/types.py and lib/drivers: edit those. -->

What there is, how it is wired, what it publishes and what can go wrong. One that is missing:
[add-a-sensor.md](add-a-sensor.md).

"""

_WIRING = """
## Wiring

The pins below are those of `make config`, `config.json.example` and `make run`; [config.md](config.md#pins) has the others. All
sensors have their ground in common with the board, and none may put more than 3.3 V on a pin.

| bus | also needed |
|---|---|
| I2C | SDA and SCL need 2.2 to 10 kΩ to 3.3 V: most modules have these resistors, a bare chip does not. Several sensors share the two wires if each has its own `address`. Up to a metre; longer with a lower `freq` |
| 1-Wire | one resistor for all sensors on the wire, each sensor with its own `address`; tens of metres |
| DHT | a module has the resistor, a bare sensor needs it; one sensor a pin |
| ADC | ESP32: ADC1 only, GPIO32 to GPIO39. Pico: GP26 to GP28 |
| contact | the resistor is inside the board (`pull`); long wires need one of 4.7 kΩ to 3.3 V and 100 nF to ground. A PIR sensor: its output to the pin, its supply to 5 V |
| UART | crossed: the sensor's RX to the board's TX. Only the supply is 5 V: the lines have 3.3 V |
| trigger and echo | a divider that brings the sensor's 5 V down to the board's 3.3 V |

`make scan` finds what is on I2C and 1-Wire, and prints its entries.
"""

_FAILS = """
## What goes wrong

A sensor that fails publishes why, and never a value: `{"boot":17,"seq":42,"error":"no answer on the bus"}`, once when
it fails and then once an interval. It is tried again after 1 s, 2 s, 4 s and so on up to its interval, at most 5
minutes, from the beginning: plug it in and it comes to life. The others do not notice.

What a chip shows before it has measured, after it was reset, or at the end of its range is a failure, too, and no value.
A BME680 whose plate did not get hot (a weak supply, wind or frost at the sensor, a damaged chip) publishes the rest without
`gas_resistance`, and `failing` in `health` says `gas_resistance was not measured`.

| error | look for |
|---|---|
"""

# … is any text, and what is in brackets after one of these is more of it.
FAILURES = {
    "a chip answers, but not as this type does": "another chip than configured at that address; this one, while it is busy or damaged",
    "no answer on the bus": "wiring, supply, the address, missing pull-up resistors",
    "timed out": "a line held low: a short, a wrong pin; a DHT22 that does not answer",
    "no data from the sensor": "TX and RX exchanged, no 5 V at the sensor, another sensor",
    "chip id …": 'another chip than configured, and which: many a "BME280" is a BMP280',
    "another chip answers": "a look-alike at the same address: set `type` to what it is",
    "checksum": "long or bad wires, a pull-up too weak",
    "data line held low": "a short, no pull-up resistor",
    "chip has not measured": "a weak supply: the chip restarts when it measures; parasite power of a DS18B20",
    "chip is not calibrated": "an AHT10 where an AHT20 is configured, or another chip; a damaged one",
    "chip is locked by another program": "an MCP9808 whose limits were locked cannot be put to sleep: take its supply away for a moment",
    "chip stays busy": "a damaged chip or wire",
    "calibration is blank": "a damaged chip or wire",
    "chip does not keep its settings": "another chip than configured; a weak supply, at which it restarts",
    "reading out of the chip's range": "another chip than configured (DHT11 for DHT22), a damaged one; under 400 ppm at an MH-Z19, and 2000, 5000 or 10000, where its range ends",
    "too bright": "less `sensitivity` for a BH1750; others measure up to full sun: shade them",
    "current too large for the shunt": "a larger current needs a shunt of fewer ohms",
    "voltage beyond range_v": "set a larger `range_v`, or put a divider before the input",
    "data line held high": "a short; a chip that lost its power in mid-answer",
    "others answer on the wire, not this address": "`address`: that of a chip that was replaced; a broken wire to this one",
    "voltage above the ADC's range": "a divider (`r1`, `r2`) that brings it down; a broken wire to the divider's lower resistor",
    "voltage below the ADC's range": "an ESP32 cannot tell less than 0.1 to 0.15 V: a Pico or an `ads1115` can; nothing is connected",
    "under 0.3 V at the pin: no battery?": "the battery or the divider is not connected",
    "count on flash is damaged": "worn-out flash, or another program wrote to the file; the count begins at 0",
    "count on flash cannot be read": "worn-out flash. It is tried again, and pulses are counted meanwhile; to begin at 0, remove "
    "`state/count-<name>` from the board",
    "no sensor at the pin": "the soil sensor's output or its supply is not connected, or something holds the pin at 3.3 V",
    "dry_v and wet_v are the same: …": "read `voltage` in air and in water, and set both",
    "thermistor shorted or not connected": "a broken wire or a short; `side` and `supply_v`, if it is neither",
    "no echo": "nothing within 4 m, or it is soft or slanted; TRIG and ECHO exchanged; less than 5 V",
    "several on the wire, set address to one of …": "copy one of those addresses to each sensor",
    "… is no DS18B20's address": "`address`: that chip is on the wire but of another kind",
}

# What a bus says in any driver's place.
_OF_THE_BUS = {
    "i2c": ("no answer on the bus", "timed out", "a chip answers, but not as this type does"),
    "dht": ("timed out",),
}
_BUSES = {
    "i2c": "I2C",
    "onewire": "1-Wire",
    "dht": "DHT",
    "adc": "ADC",
    "input": "contact",
    "uart": "UART",
    "echo": "trigger and echo",
}


def page(types):
    from firmware.sensors import QUANTITIES as quantities

    modules: dict[str, list[str]] = {}
    for name, row in sorted(types.items()):
        modules.setdefault(row[0].split(".")[0], []).append(name)
    parts = [_INTRO, index(types, modules), _WIRING]
    parts += [section(module, names, types, quantities) for module, names in modules.items()]
    parts += [processing(types), _FAILS]
    parts += [f"| `{text}` | {cause} |\n" for text, cause in FAILURES.items()]
    return "".join(parts)


def index(types, modules):
    lines = ["| type | sensor | measures | bus |", "|---|---|---|---|"]
    rows = {}
    for module, names in modules.items():
        sensor = about(module)[0].partition("\n")[0].partition(":")[0].rstrip(".")
        for name in names:
            bus, _, measured = types[name][1:]
            published = ", ".join(dict.fromkeys(quantity for quantity, _ in listed(measured)))
            link = f"[`{name}`](#{anchor(names)})"
            rows[name] = f"| {link} | {sensor} | {published} | {_BUSES[bus]} |"
    return "\n".join(lines + [rows[name] for name in sorted(rows)]) + "\n"


def listing(words):
    return ", ".join(f"`{word}`" for word in words)


def anchor(names):
    """The name GitHub gives to the heading of these types."""
    return "-".join(names)


def section(module, names, types, quantities):
    words, limits, source = about(module)
    first = names[0]
    from firmware.settings.partnames import SYNONYMS

    bus, rows = types[first][1:3]
    parts = [f"\n## {listing(names)}\n\n{words}\n"]
    for name in names:
        if others := [other for other, kind in SYNONYMS.items() if kind == name]:
            parts.append(f"\n`{name}` may also be written {listing(others)}.\n")
    if limits:
        parts.append(f"\n**Range**: {limits}\n")
    parts.append(f"\n```text\n{picture(first, bus, rows)}\n```\n")
    for board in BOARDS:
        entries = [json.dumps(entry(name, name, types, board)) for name in names]
        # One after the other, as they are pasted; each is JSON.
        parts.append(
            f"\n{NAMES[board]}:\n\n```json\n" + "\n```\n\n```json\n".join(entries) + "\n```\n"
        )
    parts.append(settings(names, types))
    parts.append(publishes(names, types, quantities))
    texts = listing(dict.fromkeys(errors(module, bus)))
    if texts:
        parts.append(f"\n[What goes wrong](#what-goes-wrong): {texts}.\n")
    if source:
        parts.append(f"\nSource: {source}\n")
    return "".join(parts)


def settings(names, types):
    """Which settings there are besides the pins, with a link to all of them."""
    told = []
    for name in names:
        own = [row[0] for row in types[name][2] if row[1] != "pin" and row[0] != "freq"]
        keys = listing(own) or "the pins"
        told.append(f"\n[Settings of `{name}`](config.md#{name}): {keys}.\n")
    return "".join(told)


def publishes(names, types, quantities):
    """The tables of quantities; types that publish the same have one."""
    tables: dict[str, list[str]] = {}
    for name in names:
        tables.setdefault(table(types[name][3], quantities), []).append(name)
    return "".join(
        f"\n{listing(alike)} publish{'es' if len(alike) == 1 else ''}:\n\n{text}"
        for text, alike in tables.items()
    )


def listed(measured):
    """Return [(quantity, on what condition)] of the quantities of a row of TYPES."""
    if not isinstance(measured[-1], dict):
        return [(quantity, "") for quantity in measured]
    setting, choices = measured
    conditions: dict[str, list[str]] = {}
    for value, names in choices.items():
        for quantity in names:
            conditions.setdefault(quantity, []).append(json.dumps(value))
    return [
        (quantity, "" if len(values) == len(choices) else f" (`{setting}`: {', '.join(values)})")
        for quantity, values in conditions.items()
    ]


def table(measured, quantities):
    lines = ["| quantity | unit | decimals | Home Assistant's class |", "|---|---|---|---|"]
    for quantity, when in listed(measured):
        unit, device_class, decimals = quantities[quantity]
        if unit == "":
            unit, decimals = "true or false", ""
        elif unit is None:
            unit = "pulses" if quantity == "count" else "by `unit`"
        lines.append(f"| `{quantity}`{when} | {unit} | {decimals} | {device_class or ''} |")
    return "\n".join(lines) + "\n"


def about(module):
    """Return (a driver's own words, its range and accuracy, its source), the last two "" if it does not say."""
    words = ast.get_docstring(ast.parse((_LIB / "drivers" / f"{module}.py").read_text())) or ""
    words, _, source = words.partition("\nSource: ")
    words, _, limits = words.partition("\nRange: ")
    return words.rstrip(), " ".join(limits.split()), " ".join(source.split())


# What can go wrong, read from the drivers


def errors(module, bus):
    """Return the texts of FAILURES that a driver, its bus, or what it imports of lib/ can publish."""
    texts = list(_OF_THE_BUS.get(bus, ()))
    for path in _with_imports(_LIB / "drivers" / f"{module}.py"):
        texts += raised(ast.parse(path.read_text()))
    return [failure(text) for text in texts]


def failure(text):
    """Return which of FAILURES a text is."""
    for known in FAILURES:
        pattern = re.escape(known).replace("…", ".*")
        if re.fullmatch(pattern + r"( \(.*\))?", text):
            return known
    raise CommandError(f'no row in tools/reference/sensors.py explains "{text}"')


def _with_imports(path):
    yield path
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            if name == "flashfile":
                continue  # it reads the flash, and a driver says in its own words what failed
            imported = (_LIB / name.replace(".", "/")).with_suffix(".py")
            if imported.exists():
                yield from _with_imports(imported)


def raised(tree):
    """Yield the text of each OSError and ValueError that is raised, … for what is only known when it is."""
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for text in _texts(node.exc.args[-1], constants):
                yield re.sub("…+", "…", text)


def _texts(node, constants):
    """Yield what an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%\d*[a-z]", "…", node.value)
    elif isinstance(node, ast.Name) and node.id in ("EIO", "ENODEV"):
        yield "no answer on the bus"
    elif isinstance(node, ast.Name) and node.id == "ETIMEDOUT":
        yield "timed out"
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _texts(constants[node.id], constants)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, constants)
        yield from _texts(node.orelse, constants)
    elif isinstance(node, ast.BinOp):
        for left in _texts(node.left, constants):
            yield left if isinstance(node.op, ast.Mod) else left + "…"
    else:
        yield "…"
