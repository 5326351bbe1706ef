"""`make bench-heap`: what a node keeps on the heap, by what it runs: loose files, an image that is a file, an image in place."""

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


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="print it as JSON, in bytes")


def run(args):
    if not args.json:
        shell.say("nine nodes, online at a broker each: a minute")
    kept = measure()
    if args.json:
        print(json.dumps(kept, indent=1))
        return 0
    rows = [(name, *(f"{each[slot]:,}" for slot in simulate.SLOTS)) for name, each in kept.items()]
    tables.show(tables.table(("bytes kept, online", *simulate.SLOTS), rows, right=(1, 2, 3)))
    return 0


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
    path = _NODES[name]
    sensors = json.loads((ROOT / path).read_text())["sensors"] if path else []
    return heap_measure.live({"sensors": sensors}, slot)
