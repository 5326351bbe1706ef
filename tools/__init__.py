"""Outpost's host commands: `python -m tools <command>`, one module a command.

A command's module has `add_arguments(parser)` and `run(args)`, which returns the exit code, and has a row in
`tools/__main__.py`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class CommandError(Exception):
    """What the user must hear: one line on stderr, and an exit code. Never a traceback."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code
