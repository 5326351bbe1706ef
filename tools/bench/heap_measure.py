"""Measures what the parts of a node keep on the heap, and writes the table that `check-config` estimates by (heap.py).

Modules: as `make size` counts them. The rest: whole nodes on the simulated board, 32-bit objects, from an image that is a file, online at a real
broker; the difference of two is what the part between them keeps.
"""

import json
import re
import ssl
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sim.broker import Broker
from sim.certificates import Authority
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
_ONLINE_S = 40  # on a busy machine, back-off included
_CA = "ca.der"
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
import firmware.upkeep.log, sys
def _show(log, document, show=firmware.upkeep.log.Log.state):
    show(log, document)
    if "firmware.discovery.payload" not in sys.modules:  # it is telling Home Assistant
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
    # Where an image runs in place the names stand in MicroPython's own flash (boards/common/names.py).
    entry = 0 if slot == "rom" else size.ENTRY
    with running(settings, _HEAP_KB, slot, _FIRST, _LAST) as (board, _):
        return _kept(board, entry)


@contextmanager
def running(settings, kilobytes, slot=_SLOT, first="", last="", tls=False):
    """A node with these sections of settings and so much RAM: gives (its board, its broker). first, last: what boot.py begins and ends with.

    tls: with TLS, keys are P-256.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        TimeServer() as clock,
        _broker(name, tls) as broker,
    ):
        config = {
            "node": {"name": "node"},
            "wifi": {"networks": [{"ssid": "attic", "password": "simulated"}]},
            "mqtt": {
                "brokers": [
                    {"host": broker.host, "port": broker.port}
                    | ({"tls": {"ca": _CA}} if tls else {})
                ]
            },
            "ntp": {"host": clock.host, "port": clock.port},
            "publish": {"health_s": 5},
        } | settings
        flash = Path(name) / "flash"
        rom = simulate.make_flash(flash, config, slot)
        if tls:
            flash.joinpath(_CA).write_bytes(ssl.PEM_cert_to_DER_cert(broker.tls.ca.read_text()))
        boot = flash / "boot.py"
        boot.write_text(first + boot.read_text() + last)
        with SimBoard(flash, _BOARD, f"{kilobytes}k", rom=rom) as board:
            yield board, broker


def _broker(folder, tls):
    issued = Authority(Path(folder) / "ca").issue("broker", ("127.0.0.1",)) if tls else None
    return Broker(Path(folder) / "broker", tls=issued)


def lives(settings, kilobytes, slot, tls):
    """Can a node live with so much RAM? It starts, loses its broker, comes back, is reset while the broker is away, and comes back."""
    with running(settings, kilobytes, slot, tls=tls) as (board, broker):
        if not _online(board, 1):
            return False
        broker.restart()
        if not _online(board, 2):
            return False
        broker.stop()
        board.do("reset", how="reset")
        board.wait_resets(2, _PATIENCE_S)
        broker.start()
        return _online(board, 3)


def _online(board, times):
    """Wait for it. False: the node was reset, or is at the prompt, or does not come."""
    resets = len(board.resets)
    end = time.monotonic() + _ONLINE_S
    while time.monotonic() < end and len(board.resets) == resets and board.dead is None:
        if board.output.count("status online") >= times:
            return True
        time.sleep(0.1)
    return False


def _kept(board, entry):
    """What is gone between the start and some `health`; the least, for the collector may take a number on the stack for an address."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        output = board.output
        free = [_all_but_names(match, entry) for match in _LINE.finditer(output)]
        if len(free) > _REPORTS:
            return free[0] - max(free[_REPORTS // 2 :])
        time.sleep(0.1)
    raise CommandError(f"the node did not say its health:\n{board.output[-2000:]}")


def _all_but_names(match, entry):
    free, names, text, total = (int(match[key]) for key in ("free", "names", "text", "total"))
    return free + (total - text) - names * entry
