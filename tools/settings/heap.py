"""How much RAM a node with these settings takes, and whether a board has it.

What the parts take is measured, in `heap_costs.json`: `python -m tools heap` measures and writes it anew. A test holds an
estimate against a whole node (tests/host/test_heap.py), so that it fails when the firmware has grown: then measure again.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

COSTS = Path(__file__).with_name("heap_costs.json")

# Bytes that a node has, where its board has no PSRAM. Pico W: free at the prompt of MicroPython 1.25. Pico 2 W: its chip has 256 KB
# more; not measured. ESP32: the heap begins with 56 KB (the others 64) and doubles once; what it takes beyond is missing for
# Wi-Fi and TLS, which have the rest (MicroPython, ports/esp32/mpconfigport.h, py/gc.c, pull request 13219).
ROOM = {
    "pico_w": 201_300,
    "pico2_w": 201_300 + 256 * 1024,
    "esp32": 112 * 1024,
    "esp32s2": 128 * 1024,
    "esp32s3": 128 * 1024,
    "esp32c3": 128 * 1024,
    "esp32c6": 128 * 1024,
}

# Beside what a node keeps (docs/performance.md). WORK, with TELLING: the smallest heap of a simulated board in which one starts, loses its
# broker and comes back, less what it keeps: 16 KB, and 20 in the worst of some runs. SPARE: with so much more it is well over days, too.
# TLS: that heap grows by 10 to 15 KB only, since the start needs its own before there is a session, which keeps 27; with this, a Pico W on
# which SPARE is left over has 24 KB free while it is online: with so much the true firmware came back after each restart of the broker,
# with 17 not always. LEFT_BY_TLS: the next handshake wants 17 KB in one piece.
WORK = 16_000
SPARE = 8 * 1024
TELLING = 4_500  # while the node announces itself to Home Assistant
TLS = 23_000
LEFT_BY_TLS = 17_000
_NEWEST = 128  # bytes of the newest reading of a channel, for `publish.plain`
_RECORD = 1.8  # bytes that a byte of a reading takes in `outbox.ram_bytes`
_RAM = 4096  # of them are in WORK


class Estimate(NamedTuple):
    kept: int  # bytes, while it is online
    work: int  # beside that, for a moment
    tls: int  # on a board whose TLS takes it from the same heap


@functools.cache
def costs():
    return json.loads(COSTS.read_text())


def estimate(settings):
    """Estimate what checked settings take."""
    cost = costs()
    sensors, outputs = settings["sensors"], settings["outputs"]
    modules = {name for sensor in sensors for name in _modules(sensor)}
    kept = cost["node"]
    if settings["publish"]["plain"]:
        modules.add("firmware.readings.values")
        kept += len(sensors) * _NEWEST
    kept += sum(cost["modules"][name] for name in modules)
    kept += len(sensors) * cost["sensor"]
    work = WORK + int(max(settings["outbox"]["ram_bytes"] - _RAM, 0) * _RECORD)
    if outputs:
        kept += cost["outputs"] + len(outputs) * cost["output"]
    if settings["discovery"]["enabled"]:
        kept += cost["discovery"]
        work += TELLING
    has_tls = any(broker["tls"] for broker in settings["mqtt"]["brokers"])
    tls = TLS + max(LEFT_BY_TLS - work, 0) if has_tls else 0
    return Estimate(kept, work, tls)


def _modules(sensor):
    """The modules that a sensor needs, of those that only sensors need."""
    cost = costs()
    yield from cost["every"]
    yield from cost["types"][sensor["type"]]
    derived = any(sensor.get(key) not in (None, False) for key in _DERIVED)
    if derived or sensor["calibrate"] or sensor["filter"]:
        yield "firmware.sensors.process"
    if derived:
        yield "firmware.sensors.derived"
    if sensor["delivery"] == "change":
        yield "firmware.sensors.change"


_DERIVED = ("dew_point", "absolute_humidity", "altitude_m")


def told(settings, model):
    """Say what settings take and what the board has, or which boards have too little. model: None, any."""
    if model:
        return (
            f"takes about {_kilobytes(_need(settings, model))} of the {_kilobytes(ROOM[model])} KB "
            f"of RAM of {_named(model)}"
        )
    text = f"takes about {_kilobytes(_need(settings, 'pico_w'))} KB of RAM"
    small = [each for each in ROOM if not _fits(settings, each)]
    if not small:
        return text + ", which every board has"
    return f"{text}, which is too much for these without PSRAM: {', '.join(small)}"


def short(settings, kilobytes):
    """Return what is wrong with so much RAM for these settings, None if nothing is."""
    need = _need(settings, "esp32")
    if need + SPARE <= kilobytes * 1024:
        return None
    return (
        f"memory: these settings take about {_kilobytes(need)} KB of RAM, and with HEAP={kilobytes} "
        "the node may run out of it"
    )


def warning(settings, model):
    """Return what is wrong with these settings on a board without PSRAM, and what would help; None if nothing is."""
    if _fits(settings, model):
        return None
    need = _need(settings, model)
    has = f"has {_kilobytes(ROOM[model])}" + (
        "" if need > ROOM[model] else ", too little to spare"
    )
    return (
        f"memory: these settings take about {_kilobytes(need)} KB of RAM, and {_named(model)} {has}; "
        f"it may run out of it: take {', or '.join(_enough(settings, model))}"
    )


def _enough(settings, model):
    """What helps, in words: each change of the settings that is enough, else all of them if they are, and other boards."""
    ways = [(words, less) for words, less in _WAYS if less(settings) != settings]
    found = [words for words, less in ways if _fits(less(settings), model)]
    least = functools.reduce(lambda changed, way: way[1](changed), ways, settings)
    if not found and _fits(least, model):
        found = [" and ".join(words for words, _ in ways)]
    pico = ["a pico_w"] if model != "pico_w" and _fits(settings, "pico_w") else []
    return [*found, *pico, "a pico2_w", "an ESP32 with PSRAM"]


def _one_sensor(settings):
    """With the smallest of them alone: the fewest that somebody wants."""
    each = [settings | {"sensors": [sensor]} for sensor in settings["sensors"]]
    return min(each, key=lambda one: estimate(one).kept, default=settings)


def _untold(settings):
    return settings | {"discovery": settings["discovery"] | {"enabled": False}}


def _plain(settings):
    brokers = [broker | {"tls": None} for broker in settings["mqtt"]["brokers"]]
    return settings | {"mqtt": settings["mqtt"] | {"brokers": brokers}}


def _little_outbox(settings):
    size = min(settings["outbox"]["ram_bytes"], _RAM)
    return settings | {"outbox": settings["outbox"] | {"ram_bytes": size}}


_WAYS = (
    ("fewer sensors", _one_sensor),
    ('"discovery": false', _untold),
    ("a broker without TLS", _plain),
    (f"outbox.ram_bytes of {_RAM}", _little_outbox),
)


def _fits(settings, model):
    return _need(settings, model) + SPARE <= ROOM[model]


def _need(settings, model):
    """Bytes. On an ESP32 TLS has RAM of its own, which it finds if the node leaves it alone."""
    found = estimate(settings)
    return found.kept + found.work + (0 if model.startswith("esp") else found.tls)


def _kilobytes(number):
    return round(number / 1024)


def _named(model):
    return f"an {model} without PSRAM" if model.startswith("esp") else f"a {model}"
