"""What the node's own code says of a config: it is loaded here, and asked."""

import shlex
import sys
import threading
from pathlib import Path
from typing import Any

from tools import ROOT, CommandError, unreadable

# The node's code unloads what it needs once, and may be asked by several threads.
LOCK = threading.Lock()
Judged = tuple[dict | None, list[str]]  # settings with every default, or None if there are faults
BAD_CONFIG = 7  # exit code of the commands that want a config for something


class BadConfig(CommandError):
    """A config cannot be used: the faults of all of it."""

    def __init__(self, title: object, faults: list[str]) -> None:
        lines = "\n".join("  " + fault for fault in faults)
        super().__init__(f"{title} cannot be used:\n{lines}", BAD_CONFIG)
        self.title = title
        self.faults = faults


def node() -> tuple[Any, dict[str, tuple]]:
    """Return (firmware.settings.config, TYPES): the node's own code."""
    # lib is a folder of modules on a board, not a package
    sys.path += [folder for folder in (str(ROOT), str(ROOT / "lib")) if folder not in sys.path]
    from firmware.sensors import TYPES
    from firmware.settings import config

    return config, TYPES


def check(path: Path, model: str | None) -> Judged:
    """Return (settings with defaults or None, faults) of a file."""
    try:
        return judge(parse(path, model), model)
    except BadConfig as e:
        return None, e.faults


def judge(raw: Any, model: str | None) -> Judged:
    """Return (settings with defaults or None, faults) of parsed JSON; the pins only for a model."""
    config, types = node()
    from tools.settings import meant

    with LOCK:
        settings, faults = config.check(raw, types, model)
    return settings, meant.explained(raw, faults, types)


def missing(path: Path, model: str | None = None) -> str:
    out = "" if str(path) == "config.json" else f" OUT={shlex.quote(str(path))}"
    return (
        f"there is no {path}: make config BOARD={model or 'pico_w'}{out} writes one for such a board, "
        "then put your network and your broker into it"
    )


def parse(path: Path, model: str | None = None) -> Any:
    """Return the JSON of a config, for a model. BadConfig: it is none; CommandError: it cannot be read."""
    if not path.exists():
        raise CommandError(missing(path, model))
    return parse_file(path)


def parse_file(path: Path) -> Any:
    """Return the JSON of a file, of whatever. BadConfig: it is none; CommandError: it cannot be read."""
    if path.is_char_device():
        raise CommandError(f"{path} may have no end, give a file")
    try:
        data = path.read_bytes()
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None
    return parse_bytes(data, path)


def parse_bytes(data: bytes, title: object) -> Any:
    """Return the JSON in what a file holds. BadConfig: it is none."""
    config, _ = node()
    if not data.strip():
        raise BadConfig(title, ["is empty"])
    try:
        with LOCK:
            return config.parse(data.decode())
    except UnicodeError:
        raise BadConfig(title, ["not UTF-8 text, save it as UTF-8"]) from None
    except ValueError as e:
        raise BadConfig(title, [str(e)]) from None
