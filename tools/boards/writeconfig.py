"""Write a config.json to begin with, for one board: sensors on its usual pins, or those that are found on a board that is plugged in.

Without SENSORS= it has none: one that is not wired would only publish that it fails. Network and broker are the example's, until you
put in yours. What is there already stays, unless it is to be replaced.
"""

import os
import shlex
from pathlib import Path

from tools import ROOT, CommandError, pins, said, unreadable, wholefile
from tools.boards import ports, scan
from tools.jsontext import pretty
from tools.models import BOARDS
from tools.settings import newconfig, nodeconfig

SCAN = "scan"
_LONGEST = 256  # bytes of `$schema` (firmware/settings)
STDOUT = "-"
PINS = dict.fromkeys(key for keys in pins.USES.values() for key in keys)


def add_arguments(parser):
    parser.add_argument("--board", choices=BOARDS, help="whose pins")
    parser.add_argument(
        "--sensors",
        default="",
        metavar="TYPES",
        help=f"with commas between, as bme280,ds18b20; {SCAN}: those that a board has which is plugged in",
    )
    parser.add_argument(
        "--out",
        default=str(nodeconfig.DEFAULT),
        metavar="FILE",
        help=f"what to write, {nodeconfig.DEFAULT} if left out; {STDOUT}: print it",
    )
    parser.add_argument("--replace", action="store_true", help="replace a file that is there")
    ports.add_port(parser)


def run(args):
    sensors, model = found(args) if args.sensors.strip().lower() == SCAN else asked(args)
    text = pretty(newconfig.whole(sensors, schema(args.out))) + "\n"
    if args.out == STDOUT:
        print(text, end="")
        return 0
    path = Path(args.out)
    there = present(path)
    if there == text:
        print(f"{path} is there, and as it would be written")
    elif there is None or args.replace:
        write(path, text)
        print(f"wrote {path}")
    else:
        raise CommandError(
            f"{path} is there, with other settings: OUT=file writes another, REPLACE=1 replaces it"
        )
    tell(path, sensors, model)
    return 0


def asked(args):
    """Return (entries of `sensors`, model) of the types and the board that are asked for."""
    if not args.board:
        raise CommandError(
            f"which board is it for? Give BOARD=, one of {', '.join(BOARDS)}; or SENSORS={SCAN} with the board plugged in"
        )
    names = [name.strip().lower() for name in args.sensors.split(",")]
    if SCAN in names:
        raise CommandError(f"SENSORS={SCAN} finds what is there: give no other type with it")
    return newconfig.entries([name for name in names if name], args.board), args.board


def found(args):
    """Return (entries of `sensors`, model) of the board that is plugged in."""
    entries, model = scan.found(args.port)
    if args.board and args.board != model:
        raise CommandError(f"the board is {model}, not {args.board}: leave BOARD= out")
    return entries, model


def present(path):
    """Return what is in a file, None if it is not there. CommandError: it cannot be one."""
    try:
        if not path.exists():
            return None
        if not (path.is_file() or path.is_dir()):  # a device may have no end
            raise CommandError(f"{path} is no file: OUT={STDOUT} prints it")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None


def write(path, text):
    """Write a file, in a folder that is made if need be. CommandError: it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise CommandError(f"{path} cannot be written: {(e.strerror or str(e)).lower()}") from None
    wholefile.write(path, text)


def schema(out):
    """Where an editor finds the schema, from the file on; None: too far for what a config may have."""
    folder = Path() if out == STDOUT else Path(out).parent
    place = Path(os.path.relpath(ROOT / newconfig.SCHEMA, folder)).as_posix()
    place = place if place.startswith("..") else f"./{place}"
    return place if len(place.encode()) <= _LONGEST else None


def tell(path, sensors, model):
    """Say which pins the sensors have, and what there is to do next."""
    for entry in sensors:
        wires = ", ".join(f"{key} {entry[key]}" for key in PINS if key in entry)
        print(f"  {entry['name']}: {entry['type']}, {wires}")
    if sensors:
        print("docs/sensors.md shows how they are wired")
    else:
        print(
            f"it has no sensors: add them with SENSORS=bme280,ds18b20 or SENSORS={SCAN}, or by hand"
        )
    config = "" if path == nodeconfig.DEFAULT else f" CONFIG={shlex.quote(str(path))}"
    board = f" BOARD={model}" if model else ""
    print(said(f"put your network and your broker into it, then make check-config{config}{board}"))
