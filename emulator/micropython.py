"""`make micropython`: Outpost's own MicroPython for a board, whose definition is `boards/<board>`.

It builds only the Pico's, the one the emulator runs: for the others Debian lacks some sources. MicroPython's own build takes their
definitions as they are, and this command prints what to type.
"""

from emulator import build
from tools import ROOT, CommandError
from tools.layouts import LAYOUTS


def add_arguments(parser):
    parser.add_argument(
        "--board", choices=LAYOUTS, default=build.BOARD, help="which (default: %(default)s)"
    )


def run(args):
    if args.board != build.BOARD:
        print(f"in MicroPython's sources, set up as docs/boards.md says:\n  {command(args.board)}")
        raise CommandError(
            f"make micropython builds {build.BOARD} alone; for {args.board} MicroPython's own build takes {folder(args.board)}"
        )
    build.build()
    room = LAYOUTS[args.board].firmware.size
    print(f"{build.FIRMWARE}: {build.FIRMWARE.stat().st_size:,} bytes of {room:,}")
    return 0


def folder(board):
    return ROOT / "boards" / board


def command(board):
    """What builds a board's definition in a checkout of MicroPython."""
    port = "rp2" if board.startswith("pico") else "esp32"
    return f"make -C ports/{port} BOARD_DIR={folder(board)}"
