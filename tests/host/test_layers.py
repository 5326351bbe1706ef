"""Imports point one way: LAYERS is the table of docs/architecture.md, and a module without a place in it is a fault.

An import may go to a lower level, or stay within its part. A part is a module with its submodules, or several modules
joined by a space that are one job.
"""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from device_code import files

from tools.mpy import module_name

LAYERS = (
    ("boot", "main"),
    (
        "firmware.board firmware.radio firmware.accesspoint firmware.guard",
    ),  # so high that only boot and main reach it: hardware is handed down
    ("firmware.start",),
    ("firmware.app", "firmware.provisioning firmware.provisioning_*"),
    ("firmware.parts", "firmware.trial"),
    (
        "firmware.uplink firmware.brokers firmware.connecting firmware.leaving firmware.lost firmware.culprit firmware.limits firmware.answers firmware.retries firmware.connects firmware.suspects firmware.session firmware.garbled",
        "firmware.wifi firmware.joining",
        "firmware.clock firmware.sntp",
        "firmware.namesake",
        "firmware.health firmware.info firmware.crash firmware.cause firmware.safemode",
        "firmware.delivery firmware.starts firmware.bootcount firmware.earlier firmware.withdraw firmware.aside firmware.halfway firmware.pace",
        "firmware.sensors firmware.sensors.*",
        "firmware.outputs",
        "firmware.discovery firmware.discovery_*",
        "firmware.control firmware.commands firmware.restart firmware.blink firmware.access",
        "firmware.ghosts",
    ),
    ("firmware.boots", "firmware.keeping"),
    (
        "firmware.config firmware.checker firmware.settings firmware.entries firmware.kinds firmware.wiring firmware.partnames firmware.roms firmware.fixed",
        "firmware.topics",
        "firmware.payload",
        "firmware.document",
        "firmware.log firmware.reasons",
        "firmware.names firmware.lookup firmware.addresses",
    ),
    ("firmware.pins", "firmware.files firmware.reading"),
    ("firmware",),  # its version
    ("mqtt mqtt_*", "jsonfault", "jsonpairs", "drivers.*"),
    ("outbox outbox_*",),
    ("sht", "adcmean", "uartframe"),
    ("umqtt.simple", "umqtt.robust", "microdot.microdot", "crc8"),
)


def place(module):
    """(level, part) of a module, None if it has no place; a `*` part is as many parts as modules."""
    for level, parts in enumerate(LAYERS):
        for part in parts:
            if any(fnmatchcase(module, pattern) for pattern in part.split()):
                return level, module if part.endswith(".*") and " " not in part else part
    return None


def imports(module, source):
    """Yield (line, module named) for every import, wherever it stands."""
    package = module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (package if node.level else "", node.module)))
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def edges(modules):
    """Yield (importer, line, imported) between the modules of {name: source}, and to what was fetched."""
    for module, source in modules.items():
        for line, name in imports(module, source):
            # `from firmware import app` names a module, `from firmware.app import Node` something in one
            for target in (name, name.rpartition(".")[0]):
                if target in modules or target in LAYERS[-1]:
                    yield module, line, target
                    break


def faults(modules):
    """What is wrong with {name: source}, one text each."""
    found = [f"{module}: has no place in LAYERS" for module in modules if place(module) is None]
    graph = {}
    for module, line, target in edges(modules):
        here, there = place(module), place(target)
        if here and there and here[1] != there[1] and here[0] >= there[0]:
            found.append(f"{module}:{line}: must not import {target}")
        if target != module:
            graph.setdefault(module, set()).add(target)
    return found + [f"{' -> '.join(cycle)}: imports itself" for cycle in cycles(graph)]


def cycles(graph):
    done = set()
    found = []

    def walk(module, path):
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in done:
            for target in sorted(graph.get(module, ())):
                walk(target, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def test_imports_point_down():
    assert faults({module_name(path): source for path, source in files().items()}) == []


def test_table_names_what_exists():
    modules = [module_name(path) for path in files()] + [
        "umqtt.simple",
        "umqtt.robust",
        "microdot.microdot",
    ]
    for part in (part for parts in LAYERS for part in parts):
        for pattern in part.split():
            assert any(fnmatchcase(module, pattern) for module in modules), pattern


GOOD = {
    "main": "from firmware.board import Board\ndef f():\n    from firmware.app import Node",
    "firmware": "VERSION = '1'",
    "firmware.board": "import machine",
    "firmware.app": "import json\nfrom firmware import topics, uplink\nfrom firmware.sensors import load\nimport mqtt_client",
    "firmware.uplink": "from mqtt_client import Client\nfrom firmware import VERSION",
    "firmware.wifi": "import os",
    "firmware.sensors": "from firmware.sensors.channel import Channel",
    "firmware.sensors.channel": "from firmware.log import reason",
    "firmware.config": "from firmware.kinds import check\nfrom firmware.pins import PINS",
    "firmware.kinds": "",
    "firmware.pins": "",
    "firmware.log": "",
    "firmware.payload": "",
    "firmware.topics": "",
    "mqtt": "from mqtt_link import Link\nfrom umqtt.robust import MQTTClient",
    "mqtt_client": "",
    "mqtt_link": "import socket",
    "drivers.bme280": "import struct",
    "drivers.ds18b20": "",
}


def test_checker_accepts_what_points_down():
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("firmware.uplink", "from firmware.app import Node", "must not import firmware.app"),
        ("firmware.uplink", "from firmware import app", "must not import firmware.app"),
        ("firmware.uplink", "import firmware.wifi", "must not import firmware.wifi"),
        ("firmware.uplink", "from . import app", "must not import firmware.app"),
        ("firmware.uplink", "from .app import Node", "must not import firmware.app"),
        ("firmware.uplink", "def f():\n    import firmware.app", "must not import firmware.app"),
        (
            "firmware.uplink",
            "try:\n    import firmware.app\nexcept ImportError:\n    pass",
            "must not import",
        ),
        ("firmware.app", "from firmware.board import Board", "must not import firmware.board"),
        ("firmware.topics", "from firmware.config import load", "must not import firmware.config"),
        ("firmware.topics", "from firmware import payload", "must not import firmware.payload"),
        ("mqtt", "from firmware import VERSION", "must not import firmware"),
        ("mqtt", "import firmware", "must not import firmware"),
        ("mqtt", "import drivers.bme280", "must not import drivers.bme280"),
        ("drivers.bme280", "from drivers.ds18b20 import crc8", "must not import drivers.ds18b20"),
        ("drivers.bme280", "import mqtt", "must not import mqtt"),
        ("mqtt_link", "import mqtt", "mqtt -> mqtt_link -> mqtt: imports itself"),
        ("firmware.gossip", "import json", "firmware.gossip: has no place"),
        ("gossip", "import json", "gossip: has no place"),
    ],
)
def test_checker_finds_a_planted(module, line, fault):
    planted = GOOD | {module: f"{GOOD.get(module, '')}\n{line}"}
    assert any(fault in found for found in faults(planted))


def test_names():
    assert module_name(Path("firmware/sensors/__init__.py")) == "firmware.sensors"
    assert module_name(Path("lib/drivers/bme280.py")) == "drivers.bme280"
    assert module_name(Path("boot.py")) == "boot"
