"""Check a config.json with the code the node checks it with, and the files it names.

Of a fleet: what `nodes/<name>.json` over config.json makes, of one node or of all.
"""

import sys
from pathlib import Path

from tools import CommandError, said
from tools.models import BOARDS
from tools.settings import heap, overlays
from tools.settings.judge import LOCK, BadConfig, node, parse
from tools.settings.usable import for_use, warnings


def add_arguments(parser):
    parser.add_argument(
        "file", nargs="?", default="config.json", help="what to check, config.json if left out"
    )
    parser.add_argument("--board", choices=BOARDS, help="check the pins against this board")
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="check nodes/NAME.json laid over the file; all: every one there is",
    )


def run(args):
    path = Path(args.file)
    if args.node:
        return run_overlays(path, args)
    try:
        raw = parse(path, args.board)
    except BadConfig as e:
        return tell(path, e.faults)
    return look(path, raw, path, args.board)


def run_overlays(path, args):
    """Check what nodes are given by overlays: the one named, or all."""
    if args.node != "all":
        try:
            return look_over(path, overlays.named(path, args.node), args.board)
        except BadConfig as e:
            return tell(e.title, e.faults)
    found = overlays.each(path)
    if not found:
        place = overlays.folder(path)
        raise CommandError(f"there is no {place}/<name>.json; docs/deploy.md shows one")
    bad = 0
    for place, overlay, faults in found:
        if faults or overlay is None:
            bad += tell(place, faults)
        else:
            bad += look_over(path, overlay, args.board)
    if bad and found[1:]:
        print(f"{bad} of {len(found)} cannot be used", file=sys.stderr)
    return 1 if bad else 0


def look_over(path, overlay, board):
    """Check what an overlay makes of the config in path. Returns the exit code."""
    return look(overlays.title(path, overlay), overlays.laid_over(path, overlay), path, board)


def tell(title, faults):
    """Say what is at fault. Returns the exit code."""
    for fault in faults:
        print(f"{title}: {fault}")
    print(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
    return 1


def look(title, raw, path, board):
    """Check parsed JSON, and say what is found, whatever it is. path: what lies beside it. Returns the exit code."""
    settings, faults = for_use(raw, board, path)
    found = warnings(raw, path.parent)
    short = board and heap.warning(settings or _but_for_faults(raw, board), board)
    if short:
        found.append(short)
    for warning in found:
        print(f"{title}: warning: {warning}")
    if faults:
        return tell(title, faults)
    good = "can be used, but look at what is warned of" if found else "good"
    if not short:
        print(f"{title}: {heap.told(settings, board)}")
    print(said(f"{title}: {good}" + ("" if board else "; to check the pins too, give BOARD=")))
    return 0


def _but_for_faults(raw, model):
    """The part of parsed JSON that is not at fault, as far as an estimate of its memory needs it. At most that is too little."""
    _, types = node()
    from firmware.settings.checker import Checker
    from firmware.settings.tables import SETTINGS

    with LOCK:
        found = Checker(types, model).object("", raw, SETTINGS) or {}
    parts = {key: found.get(key) or {} for key in ("mqtt", "publish", "outbox", "discovery")}

    def entries(value):
        return [entry for entry in value or () if entry]

    return {
        "sensors": entries(found.get("sensors")),
        "outputs": entries(found.get("outputs")),
        "mqtt": {"brokers": entries(parts["mqtt"].get("brokers"))},
        "outbox": {"ram_bytes": parts["outbox"].get("ram_bytes") or 0},
        "publish": {"plain": bool(parts["publish"].get("plain"))},
        "discovery": {"enabled": bool(parts["discovery"].get("enabled"))},
    }
