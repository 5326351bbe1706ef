"""`make bench-heap`: what a node keeps on the heap, and the smallest heap that it lives in, by what it runs: loose files, an image in a file or in place."""

import json
from concurrent.futures import ThreadPoolExecutor

from tools import ROOT, shell, tables
from tools.bench import heap_measure
from tools.simulate import simulate

_NODES = {
    "no sensors": None,
    "eight": "config.json.example",
    "twelve": "docs/examples/twelve.json",
}
_SLOTS = ("file", "rom")
_LIVES = (("eight", False), ("eight", True), ("twelve", True))  # of _NODES, with TLS
# Bytes that each may have at most.
GOALS = {
    "kept": {"eight": {"file": 96 * 1024, "rom": 56 * 1024}},
    "smallest": {
        "eight": {"file": 108 * 1024, "rom": 72 * 1024},
        "eight, TLS": {"file": 132 * 1024, "rom": 96 * 1024},
        "twelve, TLS": {"file": 150 * 1024, "rom": 108 * 1024},
    },
}
_BELOW, _ABOVE, _STEP = 56, 200, 2  # KB


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="print it as JSON, in bytes")
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="also the smallest heap in which a node starts, loses its broker, is reset meanwhile and comes back; fifteen minutes more",
    )


def run(args):
    if not args.json:
        shell.say("nine nodes, online at a broker each: four minutes")
    found = {"kept": measure()}
    if args.smallest:
        found["smallest"] = smallest(None if args.json else shell.say)
    if args.json:
        print(json.dumps(found | {"goals": GOALS}, indent=1))
        return 0
    slots = simulate.SLOTS
    _show("bytes kept, online", found["kept"], slots)
    _judge(found["kept"], GOALS["kept"])
    if args.smallest:
        _show("smallest heap, bytes", found["smallest"], _SLOTS)
        _judge(found["smallest"], GOALS["smallest"])
    return 0


def _show(title, found, slots):
    rows = [(name, *(f"{each[slot]:,}" for slot in slots)) for name, each in found.items()]
    tables.show(tables.table((title, *slots), rows, right=range(1, len(slots) + 1)))


def _judge(found, goals):
    for name, each in goals.items():
        for slot, goal in each.items():
            is_met = found[name][slot] <= goal
            shell.say(f"goal of {name}, {slot}: {goal:,}, {'met' if is_met else 'missed'}")


def measure():
    """Return {sensors: {slot: bytes}}; 32-bit objects, without the fakes."""
    kept: dict[str, dict[str, int]] = {name: {} for name in _NODES}
    with ThreadPoolExecutor(2) as threads:
        cases = [(name, slot) for name in _NODES for slot in simulate.SLOTS]
        for (name, slot), found in zip(cases, threads.map(_live, cases), strict=True):
            kept[name][slot] = found
    return kept


def _live(case):
    name, slot = case
    return heap_measure.live({"sensors": _sensors(name)}, slot)


def _sensors(name):
    path = _NODES[name]
    return json.loads((ROOT / path).read_text())["sensors"] if path else []


def smallest(say):
    """Return {sensors: {slot: bytes}}: the fakes have theirs beside it, but for 2 KB that come late. say: for progress, or None."""
    cases = [(name, tls, slot) for name, tls in _LIVES for slot in _SLOTS]
    found: dict[str, dict[str, int]] = {}
    with ThreadPoolExecutor(2) as threads:
        for (name, tls, slot), size in zip(cases, threads.map(_smallest, cases), strict=True):
            title = name + (", TLS" if tls else "")
            if say:
                say(f"{title}, {slot}: {size // 1024} KB")
            found.setdefault(title, {})[slot] = size
    return found


def _smallest(case):
    name, tls, slot = case
    low, high = _BELOW // _STEP, _ABOVE // _STEP  # not enough, enough
    while high - low > 1:
        middle = (low + high) // 2
        # once more, as what a heap has room for is not the same each time
        if any(
            heap_measure.lives({"sensors": _sensors(name)}, middle * _STEP, slot, tls)
            for _ in range(2)
        ):
            high = middle
        else:
            low = middle
    return high * _STEP * 1024
