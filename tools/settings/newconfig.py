"""A config to begin with: a network and a broker to put in, and sensors on the pins that a board usually has for them."""

import re
from collections.abc import Collection, Iterable, Iterator

from tools import CommandError, pins
from tools.settings import judge, usable

SCHEMA = "docs/config.schema.json"

# Settings without which an entry would not show what its type is for.
SHOWN: dict[str, dict] = {
    "adc": {"r1": 10000, "r2": 10000},
    "battery": {"r1": 100, "r2": 100},
    "input": {"kind": "reed"},
    "pulse": {"per_pulse": 0.2794, "unit": "mm/h"},
}


def whole(sensors: list[dict], schema: str | None = "./" + SCHEMA) -> dict:
    """Return a config with these entries of `sensors`. schema: where editors find it, from the file on; they want the point."""
    ssid, password = usable.PLACEHOLDERS
    return ({"$schema": schema} if schema else {}) | {
        "node": {"name": ""},
        "wifi": {"networks": [{"ssid": ssid, "password": password}]},
        "mqtt": {"brokers": [{"host": "192.168.1.10", "user": "", "password": ""}]},
        "sensors": sensors,
    }


def entry(name: str, kind: str, types: dict[str, tuple], model: str) -> dict:
    """Return the entry of `sensors` for one of a type, on the board's usual pins: all it must say, and what it is for."""
    return {
        "name": name,
        "type": kind,
        **pins.usual(model, kind, types[kind][1]),
        **SHOWN.get(kind, {}),
    }


def new_name(kind: str, types: dict[str, tuple], taken: Collection[str]) -> str:
    """Return a name for a sensor of a type: what it measures, if that is one thing, and a number."""
    quantities = types[kind][3]
    base = quantities[0] if len(quantities) == 1 else kind
    number = 1
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


def entries(names: Iterable[str], model: str) -> list[dict]:
    """Return entries of `sensors` for types, by any of their names, on a board's usual pins, so that they get on with each other.

    CommandError: there is no such type, or no usual pin is left for one.
    """
    _, types = judge.node()
    found: list[dict] = []
    for name in names:
        kind = _kind(name, types)
        made = entry(new_name(kind, types, [each["name"] for each in found]), kind, types, model)
        faults_of_ways: list[str] = []
        for other in _ways(made, types, model):
            _, faults = judge.judge(whole([*found, other]), model)
            if not faults:
                found.append(other)
                break
            faults_of_ways.append(faults[0])
        else:
            why = _why(faults_of_ways, found, _addresses(types[kind]))
            raise CommandError(
                f"the usual pins of {model} have no room for {name} ({why}): leave it out, and add it by hand"
            )
    return found


def own_name(kind: str) -> str:
    """Return a sensor type's own name, by any of its names; what is none as it is."""
    from firmware.settings.partnames import SYNONYMS

    return SYNONYMS.get(kind, kind)


def _kind(name: str, types: dict[str, tuple]) -> str:
    """Return the type that is called so."""
    kind = own_name(name)
    if kind not in types:
        _, faults = judge.judge(whole([{"name": "x", "type": name}]), None)
        raise CommandError(f"SENSORS={name}: {faults[0].partition(': ')[2]}")
    return kind


def _why(faults: list[str], found: list[dict], addresses: Collection[str]) -> str:
    """Return why no way is left, in the names of the sensors that are there. faults: what is wrong with each way."""
    paths = [fault.partition(": ")[0] for fault in faults]
    said = [
        re.sub(r"sensors\[(\d+)\]", lambda at: found[int(at[1])]["name"], fault.partition(": ")[2])
        for fault in faults
    ]
    if not paths[0].endswith(".address"):
        return said[0]
    names = [entry["name"] for entry in found]
    beside = ", ".join(name for name in names if any(f"from {name} " in each for each in said))
    if addresses:
        return f"its addresses are those of {beside}"
    return f"it wants its own `address` beside {beside}"


def _addresses(row: tuple) -> list[str]:
    """Return the addresses that a type can have, if they are few."""
    for key, row_kind, _, limit, _ in row[2]:
        if key == "address" and row_kind == "choice":
            return list(limit)
    return []


def _ways(made: dict, types: dict[str, tuple], model: str) -> Iterator[dict]:
    """Yield an entry as it is, and as it is at the other addresses and on the other pins that are usual for it."""
    kind = made["type"]
    bus = types[kind][1]
    use = kind if kind in pins.USES else bus
    addresses: list[dict] = [{}, *({"address": each} for each in _addresses(types[kind]))]
    for numbers in dict.fromkeys(pins.each(model, use) + pins.each(model, bus)):
        for address in addresses:
            yield made | dict(zip(pins.USES[use], numbers, strict=True)) | address
