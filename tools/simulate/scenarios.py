"""What happens to a simulated board, and when: the JSON list of `make run SCENARIO=`, checked before the board runs.

What there is to happen are the calls of sim/board/stand.py, which run on the simulated board alone: they are read, not imported.
"""

import ast
import difflib
import math
from collections.abc import Callable, Iterator
from typing import Any

from tools import ROOT
from tools.settings import judge, newconfig
from tools.settings.judge import BadConfig, parse_file

_BOARD = ROOT / "sim/board"
_INNER = {"the_world", "scenario", "soft_boot", "storm"}  # for tests; they take no JSON
_OF_AN_IMAGE = {"power_fails", "flash_counts"}  # the flash of `make run` is a folder
_OWN = ("at_s", "do")
_OF_A_SENSOR = ("unplug", "replug", "set", "door", "tip")
_TYPES = {"door": "input", "tip": "pulse"}  # what only one type of sensor has
_EVERYWHERE = "*"  # as a name of `set`
_DAY_MS = 86_400_000

Kind = tuple[Callable[[Any], bool], str]  # is a value right; what would be


def _number(least: float = -math.inf, most: float = math.inf) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and least <= value <= most


def _whole(least: int, most: float = math.inf) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _one_of(*choices: Any) -> Kind:
    words = ["null" if each is None else f'"{each}"' for each in choices]
    return lambda value: value in choices, "give " + ", ".join(words[:-1]) + " or " + words[-1]


def _is_hex(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(bytes.fromhex(value) or not value)
    except ValueError:
        return False


def _is_range(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(map(_whole(0, _DAY_MS), value))
        and value[0] <= value[1]
    )


_FLAG: Kind = (lambda value: isinstance(value, bool), "give true or false")
_TEXT: Kind = (lambda value: isinstance(value, str), "give a text")
_COUNT: Kind = (_whole(1, 100_000), "give a whole number from 1 to 100000")
_PIN: Kind = (_whole(0, 48), "give the number of a pin, from 0 to 48")
_QUANTITY: Kind = (
    lambda value: value is None or _number(-1e7, 1e7)(value),
    "give a number from -10000000 to 10000000, or null: as it is without events",
)

# What an argument is, by its name; `how` by its event.
ARGUMENTS: dict[str, Kind] = {
    "name": _TEXT,
    "on": _FLAG,
    "silent": _FLAG,
    "opened": _FLAG,
    "ssid": _TEXT,
    "key": _TEXT,
    "hex": (_is_hex, 'give bytes as hexadecimal digits, such as "ff41"'),
    "rssi": (_whole(-120, 0), "give dBm, a whole number from -120 to 0"),
    "channel": (_whole(1, 14), "give a whole number from 1 to 14"),
    "n": _COUNT,
    "pulses": _COUNT,
    "writes": _COUNT,
    "pin": _PIN,
    "sda": _PIN,
    "scl": _PIN,
    "level": (lambda value: value is None or _whole(0, 1)(value), "give 0, 1, or null: let go"),
    "ms": (_number(0, _DAY_MS), "give milliseconds, a number from 0 to 86400000"),
}
HOW: dict[str, Kind] = {
    "dns": _one_of("ok", "fail", "silent", "hang"),
    "ntp": _one_of("ok", "silent", "wrong", "kiss", "short"),
    "power_fails": _one_of("lost", "half", "garbage", "after"),
    "reset": _one_of("power", "wdt", "reset"),
}
SWITCHES: dict[str, Kind] = {
    "first_join_fails": _FLAG,
    "dhcp_on": _FLAG,
    "ip_ms": (_is_range, "give two whole numbers, from and to, as [600, 1800]"),
    "connect_clash": _one_of("state", "internal", "silent"),
    "radio_fault": _one_of("memory", "dead", "wedged", None),
    "tls_fault": _one_of("memory", None),
}


def read(path, sensors, board, network):
    """Return the events of a file. BadConfig: they cannot happen; CommandError: it cannot be read.

    sensors: the node's entries; network: the name of its Wi-Fi.
    """
    events = parse_file(path)
    if not isinstance(events, list):
        right = '[{"at_s": 5, "do": "unplug", "name": "room"}]'
        raise BadConfig(path, [f"is no list, give a list of events, as {right}"])
    check = _Check(events, sensors, board, network)
    faults = []
    for number, event in enumerate(events):
        faults += [f"[{number}]{fault}" for fault in check.faults(event)]
    if faults:
        raise BadConfig(path, faults)
    return events


def calls():
    """Return {what can happen: (its arguments, those that must be given)}; arguments None: any."""
    tree = _tree("stand.py")
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: dict[str, tuple[list[str] | None, list[str]]] = {"reset": (["how"], [])}
    for name in (
        node.id for node in ast.walk(_table(tree, "CALLS")) if isinstance(node, ast.Name)
    ):
        if name not in functions:
            continue
        arguments = functions[name]
        every = [argument.arg for argument in arguments.args]
        needed = every[: len(every) - len(arguments.defaults)]
        if name not in _INNER:
            found[name] = (None if arguments.kwarg else every, needed)
    return found


def quantities():
    """Return the names of what the simulated world has to be measured."""
    return list(ast.literal_eval(_table(_tree("world.py"), "DEFAULTS")))


def _tree(name):
    return ast.parse((_BOARD / name).read_text(encoding="utf-8"))


def _table(tree, name):
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return table


class _Check:
    def __init__(self, events, sensors, board, network):
        self.board = board
        self.calls = calls()
        self.quantities = dict.fromkeys(quantities(), _QUANTITY)
        there = [event for event in events if isinstance(event, dict)]
        wired = [event for event in there if event.get("do") == "wire"]
        self.types = {str(each.get("name")): str(each.get("type")) for each in [*sensors, *wired]}
        points = [event.get("ssid") for event in there if event.get("do") == "access_point"]
        self.networks = [network, *(name for name in points if isinstance(name, str))]

    def faults(self, event) -> Iterator[str]:
        if not isinstance(event, dict):
            yield ': is no object, give one as {"at_s": 5, "do": "wifi_off"}'
            return
        at_s = event.get("at_s", 0)
        if type(at_s) not in (int, float) or not 0 <= at_s < math.inf:
            yield ".at_s: give seconds as a number from 0 on"
        do = event.get("do")
        if not isinstance(do, str) or do not in self.calls:
            said = "unknown" if "do" in event else "missing"
            yield f".do: {said}, {_near(str(do), sorted(self.calls))}"
            return
        if do in _OF_AN_IMAGE:
            yield f".do: {do} is for tests, whose flash is an image: leave it out"
            return
        given = {key: event[key] for key in event if key not in _OWN}
        if do == "wire":
            yield from self._wire(given, at_s)
        else:
            yield from self._arguments(do, given)

    def _wire(self, entry, at_s):
        if at_s:
            yield ".at_s: what is wired is there from the start, leave it out"
        _, faults = judge.judge(newconfig.whole([entry]), self.board)
        for fault in faults:
            yield fault.removeprefix("sensors[0]")

    def _arguments(self, do, given):
        names, needed = self.calls[do]
        for key in needed:
            if key not in given:
                yield f".{key}: missing, {do} wants it"
        free = self.quantities if do == "set" else SWITCHES
        if names is None and len(given) <= len(needed):
            yield f": give at least one of {', '.join(free)}"
        for key, value in given.items():
            if names is not None and key not in names:
                yield f".{key}: unknown, {do} takes {', '.join(names) or 'nothing'}"
                continue
            kind = HOW[do] if key == "how" else ARGUMENTS.get(key)
            if names is None and key not in needed:
                kind = free.get(key)
                if not kind:
                    yield f".{key}: unknown, {_near(key, list(free))}"
                    continue
            if kind and not kind[0](value):
                yield f".{key}: {kind[1]}"
            elif key == "name":
                yield from self._sensor(do, value)
            elif key == "ssid" and do != "access_point" and value not in self.networks:
                yield f".ssid: there is no network {value!r}, only {', '.join(self.networks)}"

    def _sensor(self, do, name):
        if do not in _OF_A_SENSOR or (do == "set" and name == _EVERYWHERE):
            return
        wanted = _TYPES.get(do)
        fit = [
            each for each in self.types if wanted in (None, newconfig.own_name(self.types[each]))
        ]
        if name not in self.types:
            there_are = ", ".join(self.types) or "none"
            yield f".name: there is no sensor {name!r}; this config has {there_are}"
        elif name not in fit:
            there_is = ", ".join(fit) or "none here"
            yield f".name: {do} is for a sensor of type {wanted}, there is {there_is}"


def _near(word, there):
    near = difflib.get_close_matches(word, there, 1)
    return f"did you mean {near[0]}?" if near else "there is " + ", ".join(there)
