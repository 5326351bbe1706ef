"""The page that writes a joined file onto an ESP32 from Chrome or Edge: a folder of files for any web server, of which none runs there.

`page/` has what is ours, esptool-js comes by the set-up. `firmware.json` says what the page has to know before it writes. In it is the MD5 too, by
which the board compares what it has: a browser can do no MD5.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

from tools import ROOT, CommandError, toolchain

_OURS = Path(__file__).with_name("page")
ABOUT, LICENSES = "firmware.json", "licenses.txt"


def place(path):
    """The folder for a joined file."""
    return path.with_name(path.name.removesuffix(".bin") + "-page")


def check():
    """CommandError: esptool-js is missing."""
    if not (toolchain.PAGE / "stamp").exists():
        raise CommandError("esptool-js is not there yet: run `make setup PAGE=1`")


def make(path, board, found, version):
    """Make the page of a joined file and return its folder. found: the Division of the MicroPython in it."""
    folder = place(path)
    try:
        folder.mkdir(exist_ok=True)
        for file in (*_OURS.iterdir(), toolchain.PAGE / toolchain.ESPTOOL_JS, path):
            shutil.copyfile(file, folder / file.name)
        (folder / LICENSES).write_text(_licenses(), encoding="utf-8")
        text = json.dumps(about(path, board, found, version), indent=1) + "\n"
        (folder / ABOUT).write_text(text, encoding="utf-8")
    except OSError as e:
        raise CommandError(f"{folder}: {e.strerror}") from None
    return folder


def about(path, board, found, version):
    data = path.read_bytes()
    return {
        "version": version,
        "micropython": found.name.partition(" on ")[0],
        "chip": re.sub("(?<=ESP32)(?=.)", "-", board.chip),  # as esptool says it
        "flash": found.littlefs.end,  # the least, in bytes
        "psram": not found.romfs,
        "file": path.name,
        "offset": board.offset,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
    }


def _licenses():
    texts = {"Outpost": ROOT / "LICENSE"}
    for path in sorted(toolchain.PAGE.glob("*.txt")):
        texts[f"{path.stem}, in {toolchain.ESPTOOL_JS}"] = path
    rule = "-" * 78
    return "\n".join(
        f"{rule}\n{name}\n{rule}\n\n{path.read_text(encoding='utf-8').strip()}\n"
        for name, path in texts.items()
    )
