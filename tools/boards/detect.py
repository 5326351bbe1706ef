"""Which board is it? What MicroPython says, else what the chip's own boot loader says.

The boot loader of an ESP32 is asked by esptool; that of a Pico is a drive with a file that names the chip. Neither knows of a board
more than its chip: a Pico is taken for one with a W.
"""

import contextlib
import glob
import io
import os
import re
import string
from pathlib import Path

from tools import CommandError
from tools.boards import ports
from tools.boards.serialboard import Link
from tools.models import BOARDS, model_of, unknown_chip

# Where systems mount a boot loader's drive.
DRIVES = ("/media/*/*", "/media/*", "/run/media/*/*", "/Volumes/*", "/mnt/*")

_PATIENCE_S = 3  # for MicroPython; esptool comes next
_ATTEMPTS = 3  # of esptool, a second or two each

_NAME = """
import sys
print("@" + repr(getattr(sys.implementation, "_machine", "")))
"""
_FILES = """
import os
print("@" + repr(os.listdir("/")))
"""


def detect(port, drive):
    """Return (Model, drive or None) of the board that is to be flashed, saying how it is known.

    port, drive: those asked for, or None. CommandError: none, several, or one that Outpost does not know.
    """
    found = [Path(drive)] if drive else [] if port else drives()
    serial = ports.boards() if not (port or drive) else []
    if found and (len(found) > 1 or serial):
        names = [str(path) for path in found] + [board.device for board in serial]
        raise CommandError(
            f"several boards found ({', '.join(names)}): say DRIVE=folder or PORT=, and BOARD=",
            ports.MANY_BOARDS,
        )
    if found:
        return by_drive(found[0]), found[0]
    return by_port(ports.find(port)), None


def by_drive(drive):
    """The Model of a board whose boot loader is a drive."""
    name = drive_name(drive)
    model = next((model for model in BOARDS.values() if model.drive and model.drive == name), None)
    if name is None:
        raise no_drive(drive)
    if not model:
        raise CommandError(
            f"{drive} is the boot loader of a {name}, which Outpost does not know",
            ports.UNSUITABLE,
        )
    print(f"{drive}: boot loader of an {model.chip}, taken for a {model.title}", flush=True)
    return model


def by_port(port):
    """The Model of a board on a serial port; it runs on afterwards."""
    machine = _micropython(port)
    if machine:
        print(f"{port}: {machine}", flush=True)
        chip = machine.rpartition(" with ")[2]
        if machine.startswith("Raspberry Pi Pico") and " W " not in machine:
            print("its MicroPython is that of a Pico without W, on which Outpost does not run")
    elif "://" in port or ports.is_pico(port):
        raise CommandError(
            f"no MicroPython answers on {port}: say which board it is with BOARD=, "
            "and hold BOOTSEL while you plug a Pico in",
            ports.UNSUITABLE,
        )
    else:
        chip = _esptool(port)
        print(f"{port}: {chip}, says its boot loader", flush=True)
    name = model_of("a board with " + chip.replace("-", "").upper())
    if not name:
        raise CommandError(unknown_chip(chip), ports.UNSUITABLE)
    return BOARDS[name]


def files(port):
    """Names in the root folder of the board on a port, which runs on afterwards; None if no MicroPython answers."""
    return _asked(port, _FILES)


def _micropython(port):
    """What the MicroPython on a port calls the board, None if none answers."""
    return _asked(port, _NAME)


def _asked(port, code):
    with Link(port) as link:
        try:
            link.enter((_PATIENCE_S,))
            return link.answer(code)
        except CommandError:
            return None
        finally:
            link.restart()


def _esptool(port):
    """The chip on a port, as its boot loader says, such as ESP32-S3. The chip runs on afterwards."""
    from esptool import FatalError
    from esptool.cmds import detect_chip

    try:
        said = io.StringIO()  # what it has to say of the way there
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            chip = detect_chip(port, connect_attempts=_ATTEMPTS)
            try:
                chip.hard_reset()
                return chip.CHIP_NAME
            finally:
                chip._port.close()
    except (FatalError, OSError) as e:
        raise CommandError(
            f"nothing on {port} says what it is: hold the board's BOOT button while it starts, try another cable, "
            f"or say BOARD= ({str(e).splitlines()[0]})",
            ports.UNSUITABLE,
        ) from None


# ---- the drive of a Pico's boot loader


def drives():
    """Folders where boot loaders are mounted."""
    folders = {Path(folder) for pattern in DRIVES for folder in glob.glob(pattern)}
    if os.name == "nt":
        folders |= {Path(f"{letter}:/") for letter in string.ascii_uppercase}
    return sorted(folder for folder in folders if drive_name(folder))


def find_drive(board):
    """Folder where the boot loader of such a board is mounted, None if it is not."""
    return next((folder for folder in drives() if drive_name(folder) == board.drive), None)


def no_drive(folder):
    """The error for a folder that is none."""
    if not folder.exists():
        return CommandError(f"there is no {folder}", ports.NO_BOARD)
    return CommandError(
        f"{folder} is not the drive of a boot loader: there is no INFO_UF2.TXT", ports.NO_BOARD
    )


def drive_name(folder):
    """What the boot loader calls itself in INFO_UF2.TXT, None if that is not one."""
    try:
        found = re.search(
            r"^Board-ID:\s*(\S+)", (folder / "INFO_UF2.TXT").read_text(), re.MULTILINE
        )
    except (OSError, UnicodeError):
        return None
    return found[1] if found else None
