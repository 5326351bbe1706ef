"""Imports point one way, on the device and on the host: a module without a place in its table is a fault, and so is a circle.

An import may go to a lower level, or stay within its part. A part is a module with its submodules, or several modules
joined by a space that are one job. LAYERS is the device, the table of docs/architecture.md; HOST what CPython runs; SIMULATED what
MicroPython runs of sim/, whose modules have no package: `board.` and `dst.` stand before their names here.
"""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from device_code import files

from tools import ROOT
from tools.mpy import module_name

LAYERS = (
    ("boot", "main"),
    (
        "firmware.hardware.board firmware.hardware.radio firmware.hardware.accesspoint firmware.hardware.guard",
    ),  # so high that only boot and main reach it: hardware is handed down
    ("firmware.start",),
    (
        "firmware.app",
        "firmware.provisioning.portal firmware.provisioning.dns firmware.provisioning.form firmware.provisioning.http firmware.provisioning.page firmware.provisioning.password firmware.provisioning.sensors",
    ),
    ("firmware.parts", "firmware.provisioning.trial"),
    (
        "firmware.link.uplink firmware.link.connecting firmware.link.leaving firmware.link.lost firmware.link.culprit firmware.link.garbled firmware.link.session",
        "firmware.link.wifi firmware.link.joining",
        "firmware.link.clock firmware.link.sntp",
        "firmware.link.namesake",
        "firmware.link.ghosts",
        "firmware.readings firmware.readings/",
        "firmware.sensors firmware.sensors/",
        "firmware.control firmware.control.commands firmware.control.restart firmware.control.blink firmware.control.access",
        "firmware.control.outputs",
        "firmware.discovery/",
    ),
    ("firmware.limits/", "firmware.link.names firmware.link.lookup firmware.link.addresses"),
    ("firmware.upkeep/", "firmware.settings/"),
    ("firmware.topics", "firmware.identity", "firmware.payload"),
    ("firmware.hardware.pins", "firmware.hardware.usualpins", "firmware.files firmware.reading"),
    ("firmware",),  # its version
    ("mqtt mqtt.*", "jsonfault", "jsonpairs", "drivers.*"),
    (
        "outbox outbox.*",
        "drivers.shared.sht",
        "drivers.shared.adcmean",
        "drivers.shared.uartframe",
    ),
    ("flashfile", "drivers.shared.crc8"),
    ("umqtt.simple", "umqtt.robust", "microdot.microdot"),
)

FETCHED = LAYERS[-1]

HOST = (
    ("station.__main__",),  # its commands, imported by their rows
    ("tools.__main__",),  # the commands, imported by their rows when they are called
    ("tools.bench tools.bench.*", "station.bench", "station.fleetsim station.fleetsim.*"),
    (
        "station.broker station.broker.*",
        "station.collect station.progress",
        "station.export",
        "station.tidy",
    ),
    ("station.fleet station.fleet.*",),
    ("station.collector",),
    ("station.lookout", "station.pending"),
    ("station.session",),
    ("station.access", "station.gaps", "station.metrics"),
    ("station.store station.store.*",),
    ("station.messages",),
    ("station",),
    (
        "tools.boards tools.boards.*",
        "tools.simulate tools.simulate.*",
        "tools.torture tools.torture.*",
        "tools.reference tools.reference.*",
        "emulator emulator.*",
    ),
    ("tools.settings tools.settings.*",),
    ("tools.setup tools.setup.*", "tools.image tools.image.*", "sim sim.*"),
    (
        "tools.jsontext",
        "tools.layouts",
        "tools.models",
        "tools.mpy",
        "tools.numbers",
        "tools.pins",
        "tools.processes",
        "tools.shell",
        "tools.tables",
        "tools.variables",
        "tools.wholefile",
    ),
    ("tools.toolchain",),
    ("tools",),
)

SIMULATED = (("dst.lives dst.*",), ("board.sim board.*",))
# Who may import what: the packages of the device from the host, and the host's from anywhere else.
DEVICE_PACKAGES = (
    "firmware",
    "drivers",
    "mqtt",
    "outbox",
    "flashfile",
    "jsonfault",
    "jsonpairs",
    "umqtt",
    "microdot",
)
HOST_PACKAGES = ("tools", "sim", "emulator", "station", "tests")
KNOW_THE_DEVICE = (
    "station.broker.*",  # names of topics, and how a node may be called
    "tools.settings.*",
    "tools.reference.*",
    "tools.boards.newnode",  # its version
    "tools.boards.scan_config",
    "tools.pins",
    "tools.bench.*_probe",  # run by MicroPython
    "station.messages",  # the names of topics
    "board.chips",  # other names of the types
    "board.sensorscript",  # a program that reads a sensor
)


# What is loaded by a name that stands in a table, or is a program of the board's.
BY_NAME = {
    *("firmware.sensors", "mqtt"),
    *("tools.__main__", "tools.bench.client_probe"),
    *(
        "board.boardrun",
        "board.chips",
        "board.machine",
        "board.ptyboard",
        "board.socket",
        "board.stand",
    ),
    "dst.lives",
}


def host_files():
    """{module: source} of what CPython runs."""
    found = {}
    for package in ("tools", "sim", "emulator", "station"):
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT)
            if (
                place.parts[:2] not in (("sim", "board"), ("sim", "dst"), ("emulator", "modules"))
                and place.name != "manifest.py"
            ):
                found[module_name(place)] = path.read_text()
    return found


def packages():
    """{package: source of its __init__.py} of the host."""
    everything = host_files()
    return {
        name: source
        for name, source in everything.items()
        if (ROOT / name.replace(".", "/")).is_dir()
    }


def simulated_files():
    """{module: source} of what MicroPython runs of sim/, with its folder before its name."""
    return {
        module_name(path.relative_to(ROOT / "sim")): path.read_text()
        for folder in ("board", "dst")
        for path in sorted((ROOT / "sim" / folder).rglob("*.py"))
    }


def patterns(part):
    """A room, named with a `/`, is one part with all that is in it."""
    return [f"{word[:-1]}.*" if word.endswith("/") else word for word in part.split()]


def place(module, layers=LAYERS):
    """(level, part) of a module, None if it has no place; a `*` part is as many parts as modules. A name of its own goes first."""
    everywhere = [(level, part) for level, parts in enumerate(layers) for part in parts]
    for level, part in everywhere:
        if module in part.split():
            return level, part
    for level, part in everywhere:
        if any(fnmatchcase(module, pattern) for pattern in patterns(part)):
            return level, module if part.endswith(".*") and " " not in part else part
    return None


def imports(module, source):
    """Yield (line, module named) for every import, wherever it stands. Of a relative one, which no file may have (see hidden_imports), the dots."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def hidden_imports(module, source):
    """What an import is that `imports` cannot place, one text each: relative, or of a name that is not known before it runs."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{module}:{node.lineno}: a relative import")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("__import__", "import_module", "exec"):
                found.append(f"{module}:{node.lineno}: {called}()")
    return found


def edges(modules, folders=("",)):
    """Yield (importer, line, imported) between the modules of {name: source}, and to what was fetched.

    folders: where the name of an import is looked for, one after another.
    """
    for module, source in modules.items():
        for line, name in imports(module, source):
            # `from firmware import app` names a module, `from firmware.app import Node` something in one
            for target in (
                folder + part for folder in folders for part in (name, name.rpartition(".")[0])
            ):
                if target in modules or target in FETCHED:
                    yield module, line, target
                    break


def faults(modules, layers=LAYERS, folders=("",)):
    """What is wrong with {name: source}, one text each."""
    found = [
        f"{module}: has no place in the table"
        for module in modules
        if place(module, layers) is None
    ]
    graph = {}
    for module, line, target in edges(modules, folders):
        here, there = place(module, layers), place(target, layers)
        if here and there and here[1] != there[1] and here[0] >= there[0]:
            found.append(f"{module}:{line}: must not import {target}")
        if target != module:
            graph.setdefault(module, set()).add(target)
    return found + [f"{' -> '.join(cycle)}: imports itself" for cycle in cycles(graph)]


def strangers(modules, packages, knowing=()):
    """The imports of other worlds: of these packages, by modules of {name: source} that are not among the knowing."""
    return [
        f"{module}:{line}: must not know {name}"
        for module, source in modules.items()
        if not any(fnmatchcase(module, pattern) for pattern in knowing)
        for line, name in imports(module, source)
        if any(fnmatchcase(name.partition(".")[0], package) for package in packages)
    ]


def simulated_faults(modules):
    """The two folders' modules are found by their bare names, those of dst first."""
    found = []
    for folder, folders in (("board.", ("board.",)), ("dst.", ("dst.", "board."))):
        own = {name: source if name.startswith(folder) else "" for name, source in modules.items()}
        found += faults(own, SIMULATED, folders)
    return found


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


def test_imports_of_the_host_point_down():
    assert faults(host_files(), HOST) == []


def test_every_import_can_be_placed():
    everything = {module_name(path): source for path, source in files().items()}
    everything |= host_files() | simulated_files()
    found = {module for module, source in everything.items() if hidden_imports(module, source)}
    assert found == BY_NAME


def test_nothing_knows_the_station():
    others = {
        name: source
        for name, source in (host_files() | simulated_files()).items()
        if name.partition(".")[0] != "station"
    }
    assert strangers(others, ("station",)) == []
    assert strangers(GOOD_HOST | {"tools.shell": "from station import messages"}, ("station",))


def test_the_host_does_not_know_its_tests():
    assert strangers(host_files() | simulated_files(), ("tests",)) == []
    assert strangers(GOOD_HOST | {"tools.shell": "from tests.host import configs"}, ("tests",))


@pytest.mark.parametrize(
    "line",
    [
        "from . import app",
        "def f():\n    from ..app import Node",
        "__import__('firmware.app')",
        "import importlib\nimportlib.import_module('firmware.app')",
        "exec('import firmware.app')",
    ],
)
def test_checker_finds_an_import_that_cannot_be_placed(line):
    assert len(hidden_imports("firmware.control", line)) == 1


def test_imports_of_the_simulated_board_point_down():
    assert simulated_faults(simulated_files()) == []


def test_the_device_and_the_simulated_board_know_no_host():
    device = {module_name(path): source for path, source in files().items()}
    assert strangers(device, HOST_PACKAGES) == []
    others = simulated_files()
    for path in (ROOT / "emulator" / "modules").glob("*.py"):
        others[f"modules.{path.stem}"] = path.read_text()
    assert strangers(others, ("tools", "emulator", "station", "tests")) == []


def test_few_of_the_host_know_the_device():
    others = host_files() | simulated_files()
    assert strangers(others, DEVICE_PACKAGES, KNOW_THE_DEVICE) == []
    for pattern in KNOW_THE_DEVICE:
        knowing = {name: source for name, source in others.items() if fnmatchcase(name, pattern)}
        assert strangers(knowing, DEVICE_PACKAGES), pattern


@pytest.mark.parametrize("name", [name for name in packages() if name != "tools"])
def test_a_package_of_the_host_does_nothing_when_it_is_imported(name):
    assert [type(node) for node in ast.parse(packages()[name]).body] == [ast.Expr]


def test_table_names_what_exists():
    modules = [module_name(path) for path in files()] + [
        "umqtt.simple",
        "umqtt.robust",
        "microdot.microdot",
    ]
    everything = ((LAYERS, modules), (HOST, host_files()), (SIMULATED, simulated_files()))
    for layers, modules in everything:
        for part in (part for parts in layers for part in parts):
            for pattern in patterns(part):
                assert any(fnmatchcase(module, pattern) for module in modules), pattern


GOOD = {
    "main": "from firmware.hardware.board import Board\ndef f():\n    from firmware.app import Node",
    "firmware": "VERSION = '1'",
    "firmware.hardware.board": "import machine",
    "firmware.app": "import json\nfrom firmware import topics\nfrom firmware.link import uplink\nfrom firmware.sensors import load\nimport mqtt.client",
    "firmware.link.uplink": "from mqtt.client import Client\nfrom firmware import VERSION",
    "firmware.link.wifi": "import os",
    "firmware.sensors": "from firmware.sensors.channel import Channel",
    "firmware.sensors.channel": "from firmware.upkeep.log import reason",
    "firmware.settings.config": "from firmware.settings.kinds import check\nfrom firmware.hardware.pins import PINS",
    "firmware.settings.kinds": "",
    "firmware.hardware.pins": "",
    "firmware.upkeep.log": "",
    "firmware.payload": "",
    "firmware.topics": "",
    "mqtt": "",
    "mqtt.blocking": "import mqtt.client\nfrom umqtt.robust import MQTTClient",
    "mqtt.client": "from mqtt.transport import Transport",
    "mqtt.transport": "import socket",
    "drivers.bme280": "import struct",
    "drivers.ds18b20": "",
}


def test_checker_accepts_what_points_down():
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("firmware.link.uplink", "from firmware.app import Node", "must not import firmware.app"),
        ("firmware.link.uplink", "from firmware import app", "must not import firmware.app"),
        (
            "firmware.link.uplink",
            "import firmware.link.wifi",
            "must not import firmware.link.wifi",
        ),
        (
            "firmware.link.uplink",
            "def f():\n    import firmware.app",
            "must not import firmware.app",
        ),
        (
            "firmware.link.uplink",
            "try:\n    import firmware.app\nexcept ImportError:\n    pass",
            "must not import",
        ),
        (
            "firmware.app",
            "from firmware.hardware.board import Board",
            "must not import firmware.hardware.board",
        ),
        (
            "firmware.topics",
            "from firmware.settings.config import load",
            "must not import firmware.settings.config",
        ),
        ("firmware.topics", "from firmware import payload", "must not import firmware.payload"),
        ("mqtt", "from firmware import VERSION", "must not import firmware"),
        ("mqtt", "import firmware", "must not import firmware"),
        ("mqtt", "import drivers.bme280", "must not import drivers.bme280"),
        ("drivers.bme280", "from drivers.ds18b20 import crc8", "must not import drivers.ds18b20"),
        ("drivers.bme280", "import mqtt", "must not import mqtt"),
        (
            "mqtt.transport",
            "import mqtt.client",
            "mqtt.client -> mqtt.transport -> mqtt.client: imports itself",
        ),
        ("firmware.gossip", "import json", "firmware.gossip: has no place"),
        ("gossip", "import json", "gossip: has no place"),
    ],
)
def test_checker_finds_a_planted(module, line, fault):
    planted = GOOD | {module: f"{GOOD.get(module, '')}\n{line}"}
    assert any(fault in found for found in faults(planted))


GOOD_HOST = {
    "tools": "import os",
    "tools.__main__": "from tools import ROOT",
    "tools.toolchain": "from tools import ROOT",
    "tools.shell": "from tools import ROOT",
    "tools.mpy": "from tools import ROOT, toolchain",
    "tools.setup": "",
    "tools.setup.debs": "from tools.shell import say",
    "tools.setup.setup": "from tools.setup import debs",
    "tools.settings": "",
    "tools.settings.judge": "def node():\n    from firmware.settings import config",
    "tools.settings.overlays": "from tools.settings import judge",
    "tools.boards.ports": "",
    "tools.boards.deploy": "from tools.boards import ports\nfrom tools.settings.judge import BadConfig",
    "tools.simulate.simulate": "from sim.broker import Broker",
    "tools.bench.drain": "from tools.simulate.simulate import make_flash",
    "sim": "",
    "sim.broker": "from tools import toolchain",
    "emulator.build": "from tools.setup import debs",
}


def test_checker_accepts_a_host_that_points_down():
    assert faults(GOOD_HOST, HOST) == []
    assert strangers(GOOD_HOST, DEVICE_PACKAGES, KNOW_THE_DEVICE) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        # up
        (
            "tools.settings.judge",
            "from tools.boards import ports",
            "must not import tools.boards.ports",
        ),
        (
            "tools.settings.judge",
            "def f():\n    import tools.boards.ports",
            "must not import tools.boards.ports",
        ),
        (
            "tools.setup.debs",
            "from emulator.build import FOLDER",
            "must not import emulator.build",
        ),
        (
            "sim.broker",
            "from tools.simulate import simulate",
            "must not import tools.simulate.simulate",
        ),
        ("tools.toolchain", "from tools import mpy", "must not import tools.mpy"),
        ("tools", "from tools.shell import say", "must not import tools.shell"),
        ("tools.mpy", "from tools import __main__", "must not import tools.__main__"),
        # aside
        (
            "tools.boards.ports",
            "from tools.simulate import simulate",
            "must not import tools.simulate.simulate",
        ),
        ("tools.setup.debs", "from sim import broker", "must not import sim.broker"),
        ("tools.shell", "from tools import mpy", "must not import tools.mpy"),
        # in a circle, as check_config and overlays were
        (
            "tools.settings.judge",
            "def f():\n    from tools.settings import overlays",
            "imports itself",
        ),
        ("tools.boards.ports", "from tools.boards.deploy import Plan", "imports itself"),
        # nowhere
        ("tools.gossip", "import json", "tools.gossip: has no place"),
    ],
)
def test_checker_finds_a_planted_fault_of_the_host(module, line, fault):
    planted = GOOD_HOST | {module: f"{GOOD_HOST.get(module, '')}\n{line}"}
    assert any(fault in found for found in faults(planted, HOST))


@pytest.mark.parametrize("name", ["firmware.app", "drivers.bme280", "mqtt.client", "outbox"])
def test_checker_finds_who_should_not_know_the_device(name):
    planted = GOOD_HOST | {"sim.broker": f"def f():\n    import {name}"}
    assert strangers(planted, DEVICE_PACKAGES, KNOW_THE_DEVICE) == [
        f"sim.broker:2: must not know {name}"
    ]


def test_checker_finds_a_device_that_knows_the_host():
    assert strangers(GOOD | {"firmware.link.wifi": "from tools import mpy"}, HOST_PACKAGES)
    assert strangers(GOOD | {"firmware.link.wifi": "import sim"}, HOST_PACKAGES)


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        (
            "board.machine",
            "import story",
            "",
        ),  # not on its search path: another module of that name
        (
            "board.machine",
            "import _pin",
            "board.machine -> board._pin -> board.machine: imports itself",
        ),
        ("dst.story", "import lives", "dst.lives -> dst.story -> dst.lives: imports itself"),
        ("board.chips.bme280", "from chips import attach", "imports itself"),
    ],
)
def test_checker_finds_a_planted_fault_of_the_simulated_board(module, line, fault):
    good = {
        "board.machine": "",
        "board._pin": "import machine",
        "board.chips": "from chips import bme280",
        "board.chips.bme280": "",
        "dst.lives": "import story\nimport machine",
        "dst.story": "import machine",
    }
    assert simulated_faults(good) == []
    found = simulated_faults(good | {module: f"{good[module]}\n{line}"})
    assert any(fault in each for each in found) if fault else found == []


def test_names():
    assert module_name(Path("firmware/sensors/__init__.py")) == "firmware.sensors"
    assert module_name(Path("lib/drivers/bme280.py")) == "drivers.bme280"
    assert module_name(Path("boot.py")) == "boot"
