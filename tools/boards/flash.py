"""Put MicroPython on a board: with esptool on the ESP32 family, by copying a UF2 to the drive of a Pico's boot loader.

Nothing is asked; what is going to happen is printed. Files on the board stay unless `--erase` is given. The board is looked at
first (`detect.py`), and so is the image: one for another chip is refused before anything is written.

A file that `make image BOARD=` has joined has Outpost in it, too, and replaces all on the board. Who names it gets it. If it is only there,
it is taken before an official image, but never over files: for a board that says it has none, or with `--erase`.

Source: RP2040 data sheet, 2.8.4 (the boot ROM's drive).
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tools import ROOT, CommandError, Stopped, said
from tools.boards import detect, ports
from tools.boards.progress import Show
from tools.boards.serialboard import Link
from tools.image import image as outpost
from tools.image import joined, micropython
from tools.image.micropython import BAD_IMAGE, NO_IMAGE
from tools.models import BOARDS
from tools.settings import nodeconfig, overlays

FAILED = 9  # exit code, beside those of ports and of micropython.py

_BAUD = 460800
_DRIVE_S = 30  # for the boot loader's drive to appear
_GONE_S = 5  # for it to go away
_PIECE = 32768  # bytes written to the drive at a time


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""{ports.EXIT_CODES}\
  {BAD_IMAGE}  the firmware is not for this board
  {NO_IMAGE}  no firmware: the file is missing, or could not be downloaded
  {FAILED}  writing it failed
"""
    ports.add_port(parser)
    parser.add_argument(
        "--board", choices=BOARDS, help="which board it is (default: what the board says)"
    )
    parser.add_argument(
        "--firmware",
        type=Path,
        metavar="FILE",
        help="a .bin (ESP32 family) or .uf2 (Pico), joined or MicroPython alone; else the one that `image` has joined, if the board has no files; "
        "else the newest release",
    )
    parser.add_argument(
        "--erase",
        action="store_true",
        help="erase the whole flash before, files included (ESP32 family)",
    )
    parser.add_argument(
        "--drive",
        type=Path,
        metavar="FOLDER",
        help="where the Pico's boot loader is mounted, if it is not found",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check, and only say what would be done"
    )


def run(args):
    if args.firmware:
        micropython.read(args.firmware)
    if args.port:
        ports.find(args.port)
    if args.board:
        board = BOARDS[args.board]
    else:
        board, args.drive = detect.detect(args.port, args.drive)
    if args.erase and board.family:
        raise CommandError(
            "a Pico is not erased by its boot loader: to start empty, copy Raspberry Pi's flash_nuke.uf2 to its drive first",
            2,
        )
    args.firmware = args.firmware or prefer(board, args)
    if args.firmware:
        micropython.check(args.firmware, board)
    look(board, args)
    image = args.firmware or (cached(board) if args.dry_run else download(board))
    if image and image != args.firmware:
        micropython.check(image, board)
    version = joined.version(micropython.read(image), board) if image else None
    if version:
        print(f"{image} is MicroPython and Outpost {version}: it replaces all on the board")
    if not image:
        print("it would be downloaded first")
        image = board.release
    write = to_pico if board.family else to_esp32
    try:
        write(image, board, args, _fate(version, args.erase))
    except KeyboardInterrupt:
        print(
            "\nstopped; if it had begun, MicroPython is not whole: run it again", file=sys.stderr
        )
        raise Stopped from None
    if not args.dry_run:
        known = nodeconfig.DEFAULT.exists() or Path(overlays.FOLDER).is_dir()
        following = "make deploy" if known else f"make config BOARD={board.name}"
        if version:
            following = (
                "join the node's own Wi-Fi with a phone; make logs shows its name and password"
            )
        print(said(f"done. Next: {following}"))
    return 0


def prefer(board, args):
    """Return the joined file of this version for a board, None if there is none, or if something on the board may be lost by it."""
    path = ROOT / ".build" / joined.name(outpost.version(), board)
    if not path.is_file():
        return None
    if args.erase or _has_no_files(board, args):
        return path
    print(
        said(
            f"{path} is not taken, as it would replace settings and readings that may be on the board: make flash FIRMWARE={path} takes it"
        ),
        flush=True,
    )
    return None


def _has_no_files(board, args):
    """True if the MicroPython that runs says so. A boot loader does not know."""
    if board.family and (args.drive or detect.find_drive(board)):
        return False
    try:
        files = detect.files(ports.find(args.port))
    except CommandError:
        return False  # look() says why
    # an ESP32 makes itself a boot.py of comments
    return files is not None and not set(files) - {"boot.py"}


def _fate(version, erase):
    """What becomes of the files on the board."""
    if version:
        return "settings and readings on the board are lost"
    return "files on the board are erased" if erase else "files on the board stay"


def look(board, args):
    """Refuse a board that is not there, before anything is downloaded for it."""
    if board.family and args.drive:
        _check_drive(args.drive, board)
    elif not (board.family and detect.find_drive(board)):
        try:
            ports.find(args.port)
        except CommandError as e:
            raise _or_by_hand(e, board) if board.family else e from None


def _folder():
    return ROOT / ".build/micropython"


def cached(board):
    """Path of the newest release that was downloaded, None if there is none."""
    found = _folder().rglob(f"{board.build}-v*{board.suffix}")
    found = [*found, *_folder().rglob(f"{board.build}-[0-9]*-v*{board.suffix}")]
    return max(found, key=micropython.version, default=None)


def download(board):
    """Fetch the newest release with mpflash. Returns its path; an earlier download will do where there is no internet."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"looking for the newest MicroPython, {board.release}", flush=True)
    mpflash = Path(sys.executable).with_name("mpflash")
    what = ["download", "--version", "stable", "--board", board.build]
    words = [str(mpflash), "--quiet", "--no-interactive", "--dir", str(folder), *what]
    try:
        subprocess.run(
            words,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        raise CommandError("mpflash is not there yet: run `make setup`", NO_IMAGE) from None
    # its exit status is 0 even when there was no internet: what counts is the file
    image = cached(board)
    if not image:
        raise CommandError(
            f"MicroPython could not be downloaded: get {board.release} from micropython.org/download on a machine that can, "
            f"then make flash BOARD={board.name} FIRMWARE=file",
            NO_IMAGE,
        )
    return image


# ---- onto the board


def esptool_words(image, board, port, erase):
    """Arguments of esptool."""
    words = ["--chip", board.chip.lower(), "--port", port, "--baud", str(_BAUD), "write-flash"]
    return [*words, *(["--erase-all"] if erase else []), hex(board.offset), str(image)]


def to_esp32(image, board, args, fate):
    port = ports.find(args.port)
    if ports.is_pico(port):
        raise CommandError(
            f"{port} is a board of Raspberry Pi's: say BOARD=pico_w", ports.UNSUITABLE
        )
    words = esptool_words(image, board, port, args.erase)
    print(f"{image} goes onto the {board.chip} on {port}; {fate}")
    print("  esptool", *words, flush=True)
    if args.dry_run:
        return
    Link(port).close()  # says who has it, if somebody has
    if subprocess.call([sys.executable, "-m", "esptool", *words]):
        raise CommandError(
            "esptool could not write it (see above): hold the board's BOOT button while it starts, try another cable",
            FAILED,
        )


def to_pico(image, board, args, fate):
    drive = args.drive or detect.find_drive(board)  # look() has seen what it is
    if not drive and args.dry_run:
        drive = f"the drive {board.drive}, after the board on {ports.find(args.port)} was sent to its boot loader"
    elif not drive:
        _to_boot_loader(args.port, board)
        drive = _await_drive(board)
    print(f"{image} goes to {drive}; {fate}", flush=True)
    if not args.dry_run:
        _copy(image, drive)


def _check_drive(drive, board):
    name = detect.drive_name(drive)
    if name is None:
        raise detect.no_drive(drive)
    if name != board.drive:
        raise CommandError(
            f"{drive} is the boot loader of a {name}, not of a {board.drive} ({board.name})",
            ports.UNSUITABLE,
        )


def _to_boot_loader(port, board):
    """Ask the MicroPython that runs to start the boot loader."""
    try:
        port = ports.find(port)
        with Link(port) as link:
            link.enter()
            print(f"{port}: to the boot loader", flush=True)
            link.start_boot_loader()
    except CommandError as e:
        raise _or_by_hand(e, board) from None


def _or_by_hand(error, board):
    return CommandError(
        f"{error}\nor hold BOOTSEL while you plug the board in, and run this again when the drive {board.drive} is there",
        error.code,
    )


def _await_drive(board):
    deadline = time.monotonic() + _DRIVE_S
    while time.monotonic() < deadline:
        drive = detect.find_drive(board)
        if drive:
            return drive
        time.sleep(0.2)
    raise CommandError(
        f"the drive {board.drive} did not appear: mount it, then make flash BOARD={board.name} DRIVE=folder",
        ports.NO_BOARD,
    )


def _copy(image, drive):
    data = image.read_bytes()
    with Show() as show:
        line = show.line(image.name)
        line.begin(len(data))
        try:
            # unbuffered, and each piece on the drive before the next: what the bar shows is true
            with open(drive / image.name, "wb", buffering=0) as file:
                for at in range(0, len(data), _PIECE):
                    file.write(data[at : at + _PIECE])
                    os.fsync(file.fileno())
                    line.moved(len(data[at : at + _PIECE]))
        except OSError as e:
            # The boot loader starts the board as soon as it has the last block: the drive may be gone before the file is closed.
            deadline = time.monotonic() + _GONE_S
            while detect.drive_name(drive):
                if time.monotonic() > deadline:
                    raise CommandError(f"{drive}: {e.strerror}", FAILED) from None
                time.sleep(0.1)
        line.end()
