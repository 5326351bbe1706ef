"""Measures what the parts of a node keep on the heap, and writes the table that `check-config` estimates by (heap.py).

Modules: as `make size` counts them. The rest: whole nodes on the simulated board, 32-bit objects, from an image that is a file, online at a real
broker; the difference of two is what the part between them keeps.
"""

import json
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sim.broker import Broker
from sim.ntp import TimeServer
from sim.simboard import SimBoard
from tools import CommandError, shell, tables
from tools.bench import size
from tools.settings import heap, judge
from tools.simulate import simulate

_BOARD = "esp32"
_SLOT = "file"  # as `make deploy` leaves a board with an official MicroPython
_HEAP_KB = 300  # more than any takes: here nothing is to be short
_REPORTS = 10  # of `health`; in the second half of them all has been told, on a busy machine, too
_PATIENCE_S = 120
_PINS = (2, 5, 18, 19)  # of outputs
# A fake is silicon on a board: those that load late come first, and are not counted. Beside each `health` stands the size of the
# table of names, which grows in steps of kilobytes: as in `make size` a name counts as its share of a full table.
_FIRST = """\
import _network_config, esp32, gc, micropython, os
def _say(free):
    print("free", free, end=" ")
    micropython.qstr_info()
gc.collect()
_say(gc.mem_free())
"""
# Behind boot.py: only then there is an image to import from.
_LAST = """\
import firmware.upkeep.log
def _show(log, document, show=firmware.upkeep.log.Log.state):
    show(log, document)
    gc.collect()
    _say(gc.mem_free())
firmware.upkeep.log.Log.state = _show
"""
_LINE = re.compile(
    r"free (?P<free>\d+) qstr pool: n_pool=\d+, n_qstr=(?P<names>\d+), "
    r"n_str_data_bytes=(?P<text>\d+), n_total_bytes=(?P<total>\d+)"
)


def add_arguments(parser):
    parser.add_argument(
        "--dry-run", action="store_true", help="only print it, and leave the table as it is"
    )


def run(args):
    table = measure()
    text = json.dumps(table, indent=1) + "\n"
    if args.dry_run:
        print(text, end="")
        return 0
    old = json.loads(heap.COSTS.read_text()) if heap.COSTS.exists() else {}
    rows = [
        (key, f"{value:,}", f"{value - old.get(key, 0):+,}")
        for key, value in table.items()
        if isinstance(value, int)
    ]
    tables.show(tables.table(("", "bytes", "change"), rows, right=(1, 2)))
    heap.COSTS.write_text(text)
    return 0


def measure():
    """Return the table: bytes, and which modules a type of sensor needs."""
    modules, types, every = of_sensors()
    example = json.loads((simulate.ROOT / "config.json.example").read_text())["sensors"]
    plain = {"discovery": False}

    nodes = (
        plain,
        {"sensors": example} | plain,
        {"sensors": example},
        {"outputs": outputs(1)} | plain,
        {"outputs": outputs(4)} | plain,
    )
    shell.say("five nodes, half a minute")
    with ThreadPoolExecutor() as threads:
        node, eight, told, one, four = threads.map(live, nodes)
    loaded = {name for sensor in example for name in (*every, *types[sensor["type"]])}
    channels = eight - node - sum(modules[name] for name in loaded)
    output = (four - one) // 3
    return {
        "node": node,
        "sensor": channels // len(example),
        "discovery": told - eight,
        "outputs": one - node - output,
        "output": output,
        "every": every,
        "types": types,
        "modules": modules,
    }


def outputs(count):
    return [{"name": f"relay{pin}", "pin": pin} for pin in _PINS[:count]]


def of_sensors():
    """Return ({module: bytes}, {type: its modules}, the modules of every sensor)."""
    _, found = judge.node()
    graph = size.imports()
    with tempfile.TemporaryDirectory() as name:
        size.mpy.compile_tree(Path(name))
        bytes_of = size.kept(Path(name))
    every = ["firmware.sensors.build", "firmware.sensors.channel"]
    types = {
        kind: _closure("drivers." + row[0].split(".")[0], graph) for kind, row in found.items()
    }
    more = ["firmware.sensors." + name for name in ("process", "derived", "change")]
    more.append("firmware.readings.values")
    names = {*every, *more, *(name for needed in types.values() for name in needed)}
    return {name: bytes_of[name] for name in sorted(names)}, types, every


def _closure(module, graph):
    """A module and what it imports, packages left out: they are empty."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name]
    return sorted(name for name in found if name not in ("drivers", "firmware"))


def live(settings, slot=_SLOT):
    """Return the bytes that a node keeps with these sections of settings, online, after a while. slot: what it runs."""
    with running(settings, _HEAP_KB, slot, _FIRST, _LAST) as (board, _):
        return _kept(board)


@contextmanager
def running(settings, kilobytes, slot=_SLOT, first="", last=""):
    """A node with these sections of settings and so much RAM: gives (its board, its broker). first, last: what boot.py begins and ends with."""
    with (
        tempfile.TemporaryDirectory() as name,
        Broker(Path(name) / "broker") as broker,
        TimeServer() as clock,
    ):
        config = {
            "node": {"name": "node"},
            "wifi": {"networks": [{"ssid": "attic", "password": "simulated"}]},
            "mqtt": {"brokers": [{"host": broker.host, "port": broker.port}]},
            "ntp": {"host": clock.host, "port": clock.port},
            "publish": {"health_s": 5},
        } | settings
        flash = Path(name) / "flash"
        rom = simulate.make_flash(flash, config, slot)
        boot = flash / "boot.py"
        boot.write_text(first + boot.read_text() + last)
        with SimBoard(flash, _BOARD, f"{kilobytes}k", rom=rom) as board:
            yield board, broker


def _kept(board):
    """What is gone between the start and some `health`; the least, for the collector may take a number on the stack for an address."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        output = board.output
        free = [_all_but_names(match) for match in _LINE.finditer(output)]
        if len(free) > _REPORTS:
            return free[0] - max(free[_REPORTS // 2 :])
        time.sleep(0.1)
    raise CommandError(f"the node did not say its health:\n{board.output[-2000:]}")


def _all_but_names(match):
    free, names, text, total = (int(match[key]) for key in ("free", "names", "text", "total"))
    return free + (total - text) - names * size.ENTRY
