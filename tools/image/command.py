"""`make image`: the image, or with a MicroPython beside it one file that makes a blank board a node.

The first is what `make deploy` installs; the second needs no Python where it is used. With it comes a page, if it is asked for, that
writes it onto an ESP32 from a browser.
"""

import argparse
from pathlib import Path

from tools import ROOT, CommandError, mpy, said, shell
from tools.image import image, joined, micropython, webpage
from tools.layouts import LAYOUTS


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""exit codes:
  {micropython.BAD_IMAGE}  the MicroPython is not for this board, or the image does not fit beside it
  {micropython.NO_IMAGE}  there is no such MicroPython
"""
    parser.add_argument(
        "--out",
        type=Path,
        help="file, or folder that is there (default: in .build, outpost-VERSION.romfs, with a board outpost-VERSION-BOARD.uf2 or .bin)",
    )
    parser.add_argument(
        "--board", choices=LAYOUTS, help="join the image and MicroPython for this board"
    )
    parser.add_argument(
        "--micropython",
        type=Path,
        metavar="FILE",
        help="which MicroPython: a .uf2 (Pico) or .bin (ESP32 family), official or Outpost's own",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="ESP32 family: make a folder, too, that is a web page which writes the file from Chrome or Edge",
    )


def run(args):
    if bool(args.board) != bool(args.micropython) or (args.page and not args.board):
        raise CommandError(
            "one file for a board needs both: make image BOARD=pico_w MICROPYTHON=file, a .uf2 or .bin of micropython.org/download "
            "or of your own build",
            2,
        )
    if args.board:
        return _join(args)
    made = image.build()
    place = _write(args.out, made.name, made.data)
    shell.say(f"{place}: {len(made.data):,} bytes, version {made.version}, {made.digest[:12]}")
    for name, layout in LAYOUTS.items():
        if len(made.data) > layout.romfs.size:
            shell.say(f"too large for {name}, whose ROMFS has {layout.romfs.size:,} bytes")
        elif len(made.data) > layout.slot:
            shell.say(f"on {name} it takes the whole ROMFS: a slot has {layout.slot:,} bytes")
    return 0


def _join(args):
    board = joined.model(args.board)
    if args.page and board.family:
        raise CommandError(
            f"a page is for the ESP32 family; a Pico needs none: its drive {board.drive} takes the .uf2",
            2,
        )
    if args.page:
        webpage.check()
    found = joined.look(args.micropython, board)  # before anything is compiled
    files = mpy.compiled()
    made = image.of(files)
    data, slot = joined.join(args.micropython, board, files, made)
    place = _write(args.out, joined.name(made.version, board), data)
    kind = "Outpost's own, with a ROMFS" if found.romfs else "without a ROMFS"
    shell.say(f"{found.name} ({kind})")
    shell.say(f"{place}: {len(data):,} bytes, with Outpost {made.version} in {slot}")
    shell.say(_use(place, board))
    shell.say("it replaces all on the board: settings and readings that are there are lost")
    if args.page:
        _say_page(webpage.make(place, board, found, made.version))
    elif not board.family:
        shell.say(said("PAGE=1 makes a page, too, that writes it from Chrome or Edge"))
    return 0


def _say_page(folder):
    shell.say(f"{folder}: a page that writes it from Chrome or Edge")
    shell.say("  on a web server with https: copy the folder there, as it is")
    shell.say(
        f"  here: python3 -m http.server --bind 127.0.0.1 --directory {folder}, then open http://localhost:8000/"
    )


def _use(place, board):
    if board.family:
        return f"hold BOOTSEL while you plug the board in, and copy it to the drive {board.drive}"
    chip = board.chip.lower()
    return f"esptool --chip {chip} write-flash {board.offset:#x} {place}"


def _write(out, name, data):
    place = out or ROOT / ".build"
    if place.is_dir() or not out:
        place = place / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    except OSError as e:
        raise CommandError(f"{place}: {e.strerror}") from None
    return place
