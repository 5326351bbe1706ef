"""Make config.json.example, docs/config.md, docs/config.schema.json and docs/sensors.md from the node's tables."""

import json

from firmware.settings.tables import SETTINGS
from tools import ROOT, CommandError, pins
from tools.jsontext import pretty
from tools.reference import sensors
from tools.reference.schema import BEYOND, rows_of, schema
from tools.settings import newconfig
from tools.settings.judge import node

EXAMPLE_BOARD = "esp32"


def _usual(use):
    return pins.usual(EXAMPLE_BOARD, use, use)


# The sensors are on pins of an ESP32 that are free on every board. `...` is the default.
EXAMPLE = newconfig.whole(
    [
        {"name": "room", "type": "bme280", "interval_s": ..., **_usual("i2c")},
        {
            "name": "cellar",
            "type": "bmp280",
            "interval_s": ...,
            **_usual("i2c"),
            "address": "0x77",
        },
        {"name": "boiler", "type": "ds18b20", "interval_s": ..., **_usual("onewire")},
        {"name": "attic", "type": "dht22", "interval_s": ..., **_usual("dht")},
        {
            "name": "supply",
            "type": "adc",
            "interval_s": ...,
            **_usual("adc"),
            "r1": 10000,
            "r2": 10000,
        },
        {
            "name": "battery",
            "type": "battery",
            "interval_s": ...,
            **_usual("battery"),
            "r1": 100,
            "r2": 100,
        },
        {"name": "door", "type": "input", "kind": "reed", **_usual("input")},
        {
            "name": "rain",
            "type": "pulse",
            "interval_s": ...,
            **_usual("pulse"),
            "per_pulse": 0.2794,
            "unit": "mm/h",
        },
    ]
)
_INTRO = """\
# Settings

<!-- Made by `python -m tools reference` from firmware/settings/tables.py and firmware/sensors/types.py: edit those. -->

A node reads one file, `config.json`, when it starts. `make config BOARD=pico_w SENSORS=bme280` writes one that works once
your network and your broker are in it; `config.json.example` has more sensors, for an ESP32. A setting that you leave out has
the default given here. `make check-config` checks a file on your computer with the code the node uses, `make deploy`
does so before it writes anything:

```
{fault}
```

Every fault is reported at once, as `path: what is wrong, what would be right`. A node that finds its `config.json`
unusable runs on the last one that was good and says so in `info` and in its log. Passwords are never shown: not in
faults, not in the log, not over MQTT.

Editors that know JSON Schema, such as VS Code and PyCharm, check and complete the file while you write, if it begins as
the example does:

{scalars}A schema cannot say everything. Only `make check-config` finds:

{beyond}
- with `BOARD=`: a pin that the board does not have, or cannot use for that

"""


def add_arguments(parser):
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail if something would change"
    )


def run(args):
    stale = []
    for name, text in generate().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not args.check:
                path.write_text(text)
                print(f"wrote {name}")
    if args.check and stale:
        raise CommandError(f"not up to date: {', '.join(stale)}; run `python -m tools reference`")
    return 0


def generate():
    """Return {path: text} of everything that is made from the tables."""
    config, types = node()
    return {
        "config.json.example": pretty(example(config, types)) + "\n",
        "docs/config.md": reference(config, types),
        newconfig.SCHEMA: json.dumps(schema(types), indent=1, ensure_ascii=False) + "\n",
        "docs/sensors.md": sensors.page(types),
    }


# config.json.example


def example(config, types):
    """EXAMPLE with each `...` replaced by its default."""
    raw = filled(EXAMPLE, SETTINGS, types)
    _, faults = config.check(raw, types, EXAMPLE_BOARD)
    if faults:
        raise CommandError("the example is at fault:\n" + "\n".join(faults))
    return raw


def filled(value, rows, types):
    by_key = {row[0]: row for row in rows}
    return {key: filled_one(given, by_key[key], types) for key, given in value.items()}


def filled_one(given, row, types):
    _, kind, default, limit, _ = row
    if given is ...:
        return default
    if kind == "object":
        return filled(given, limit, types)
    if kind == "list":
        return [filled(item, limit[2], types) for item in given]
    if kind == "sensors":
        return [filled(item, rows_of(limit[2], types[item["type"]][2]), types) for item in given]
    return given


# docs/config.md


def reference(config, types):
    _, faults = config.check(
        {
            "wifi": {"networks": [{"sid": "attic"}]},
            "mqtt": {"brokers": [{"host": "b"}], "keepalive_s": 3},
        },
        types,
        None,
    )
    parts = [
        _INTRO.format(
            fault="$ make check-config\n" + "\n".join("config.json: " + fault for fault in faults),
            scalars=tables("", [row for row in SETTINGS if row[1] == "text"], config),
            beyond="\n".join(f"- {words}" for _, words in BEYOND),
        )
    ]
    for key, kind, _, limit, text in SETTINGS:
        if kind == "list":
            parts.append(
                f"## `{key}`: {text}\n\nA list.\n\n" + tables(f"{key}[]", limit[2], config)
            )
        elif kind == "object":
            parts.append(f"## `{key}`: {text}\n\n" + tables(key, limit, config))
    (common,) = [row[3][2] for row in SETTINGS if row[1] == "sensors"]
    parts.append(
        "## `sensors`: what is read\n\nA list; each entry has these settings and those of its type.\n\n"
        + tables("sensors[]", common, config)
        + "Two sensors may share an I2C bus (the same `sda`, `scl`, `freq`) or a 1-Wire pin if their `address` differs; any"
        " other pin has one user.\n\n"
    )
    for name, (_, _, own, _) in sorted(types.items()):
        parts.append(f"### `{name}`\n\n" + tables("", own, config))
    parts.append("The example:\n\n```json\n" + pretty(example(config, types)) + "\n```\n\n")
    parts.append(allowed_pins())
    return "".join(parts).rstrip() + "\n"


def tables(path, rows, config):
    """The table of some settings, and after it those of the objects within."""
    lines = ["| setting | value | default | |", "|---|---|---|---|"]
    within = []
    for key, kind, default, limit, text in rows:
        place = f"{path}.{key}" if path else key
        if kind in ("object", "list"):
            inner = place if kind == "object" else place + "[]"
            within.append((inner, limit if kind == "object" else limit[2]))
        elif kind == "quantities" and limit[0] == "object":
            within.append((f"{place}.<quantity>", limit[2]))
        lines.append(
            f"| `{key}` | {value_text(kind, limit, default)} | {default_text(kind, default)} | {text} |"
        )
    tail = "".join(f"`{place}`:\n\n" + tables(place, rows, config) for place, rows in within)
    return "\n".join(lines) + "\n\n" + tail


def value_text(kind, limit, default):
    from firmware.settings import kinds

    text = kinds.accepted(kind, limit, default)
    if kind == "pin":
        text = {"adc": "a pin with ADC", "input": "any pin"}.get(limit, "a pin that can be driven")
    return text.replace("|", "\\|")


def default_text(kind, default):
    if default is ... and kind != "object":
        return "**required**"
    if default is None:
        return ""
    return "" if default in ((), ...) else f"`{json.dumps(default)}`"


_PINS = """\
## Pins

What the check lets you use. Not there: the pins of flash, PSRAM, console, USB and radio, those that decide how the
chip starts, and ADC2, which does not work while Wi-Fi is on. A Pico has two I2C controllers, each on its own pins: I2C0
on 0/1, 4/5, 8/9, 12/13, 16/17, 20/21, I2C1 on 2/3, 6/7, 10/11, 14/15, 18/19, 26/27 (SDA is the even one).

| board | read | drive (I2C, 1-Wire, DHT) | resistor inside | ADC |
|---|---|---|---|---|
"""


def allowed_pins():
    from firmware.hardware.pins import PINS

    lines = []
    for name, board in PINS.items():
        lines.append(
            f"| `{name}` | "
            + " | ".join(board[use] for use in ("input", "output", "pull", "adc"))
            + " |"
        )
    return _PINS + "\n".join(lines) + "\n"
