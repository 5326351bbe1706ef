"""Outpost's host commands: `python -m tools <command>`, one module a command, one package a group of them.

What several groups share stands beside this file. A command's module has `add_arguments(parser)` and `run(args)`, which returns the exit code, and has a row in
`tools/__main__.py`.
"""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


BY_MAKE = "OUTPOST_MAKE"  # in the environment of what make starts
_TARGETS = "setup|run|board|image|config|check-config|scan|deploy|flash|provision|watch|logs|repl"
_STATION = "alarms|broker|collect|export|fleet|fleet-sim|gaps|revoke|tidy"
_FLAGS = {"DRY": "dry-run", "NOPSRAM": "no-psram"}  # make's names that are not ours


def said(text: str) -> str:
    """Return a message that is written in make's words, `make flash BOARD=esp32`, in the words of who calls us without make."""
    if os.environ.get(BY_MAKE):
        return text
    text = re.sub(rf"\bmake (?=(?:{_TARGETS})\b)", "python -m tools ", text)
    text = re.sub(rf"\bmake (?=(?:{_STATION})\b)", "python -m station ", text)
    text = re.sub(
        r"\b([A-Z_]{3,})=1\b", lambda found: "--" + _FLAGS.get(found[1], _ours(found[1])), text
    )
    return re.sub(
        r"\b([A-Z_]{3,})=([^\s,;:)]?)",
        lambda found: f"--{_ours(found[1])} {found[2]}".rstrip(),
        text,
    )


def _ours(name: str) -> str:
    return name.lower().replace("_", "-")


class CommandError(Exception):
    """What the user must hear: one line on stderr, and an exit code. Never a traceback."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Stopped(KeyboardInterrupt):
    """A Ctrl-C of which the user has heard already."""


def unreadable(path: "str | Path", error: OSError) -> str:
    """Return what to tell of a file that could not be opened, and why: error is the OSError."""
    path = Path(path)
    if path.is_dir():
        usual = path / "config.json"
        return f"{path} is a folder, give a file" + (f": {usual}" if usual.is_file() else "")
    if isinstance(error, FileNotFoundError):
        return f"there is no {path}"
    if isinstance(error, PermissionError):
        return f"you may not read {path}: chmod u+r {path}, if it is yours"
    return f"{path}: {error.strerror}"
