"""`make micropython`: Outpost's own MicroPython for a board, whose definition is `boards/<board>`.

It builds only the Pico's, the one the emulator runs: for the others Debian lacks some sources. MicroPython's own build takes their
definitions as they are, and this command prints what to type.
"""

from emulator import build
from tools import ROOT
from tools.image import uf2
from tools.layouts import LAYOUTS
from tools.models import PICO


def add_arguments(parser):
    parser.add_argument(
        "--board", choices=LAYOUTS, default=build.BOARD, help="which (default: %(default)s)"
    )


def run(args):
    if args.board != build.BOARD:
        print(
            f"make micropython builds {build.BOARD} alone. For {args.board} MicroPython's own build takes the definition; "
            f"in its sources, set up as docs/boards.md says:\n  {command(args.board)}"
        )
        if " " in str(folder(args.board)):
            print(
                "make takes no folder with a space in its name: copy the definitions to another first"
            )
        return 0
    build.build()
    data = build.FIRMWARE.read_bytes()
    file = build.FIRMWARE.with_suffix(".uf2")  # what a Pico's drive and `make image` take
    file.write_bytes(uf2.of_bin(data, PICO.family))
    print(f"{file}: {len(data):,} bytes of {LAYOUTS[args.board].firmware.size:,}")
    return 0


def folder(board):
    return ROOT / "boards" / board


def command(board):
    """What builds a board's definition in a checkout of MicroPython."""
    port = "rp2" if board.startswith("pico") else "esp32"
    return f"make -C ports/{port} BOARD_DIR={folder(board)}"
