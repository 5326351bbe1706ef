"""Open a board's REPL with mpremote. What runs there goes on until Ctrl-C.

mpremote waits for a port by its file descriptor, and a URL's (`socket://…`) has none: there `python -m tools.boards.repl` is mpremote with a
wait that looks fifty times a second.
"""

import argparse
import os
import select
import subprocess
import sys

from tools import ROOT, CommandError
from tools.boards import ports
from tools.boards.serialboard import Link


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ports.EXIT_CODES
    ports.add_port(parser)


def run(args):
    if not sys.stdin.isatty():
        line = ports.mpremote(args.port or "PORT", "exec", "print(1)")
        raise CommandError(
            f"the REPL needs a terminal to type at; to run a line on a board: {line}"
        )
    port = ports.find(args.port)
    Link(port).close()  # says who has it, if somebody has
    print(
        "Ctrl-C stops the node (press it again if a Pico was just writing a file), Ctrl-D starts it again, Ctrl-] leaves. A stopped node's watchdog resets the board.",
        flush=True,
    )
    try:
        # `resume`: mpremote would otherwise soft-reset the board
        module = "tools.boards.repl" if "://" in port else "mpremote"
        words = [sys.executable, "-m", module, "connect", port, "resume", "repl"]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        return subprocess.call(words, env=environment)
    except KeyboardInterrupt:
        return 0


def main():
    """mpremote for the port of a URL. Its arguments are ours."""
    from mpremote import console
    from mpremote.main import main as mpremote

    if hasattr(console, "ConsolePosix"):
        console.ConsolePosix.waitchar = lambda self, port: select.select([self.infd], [], [], 0.02)
    try:
        return mpremote()
    except OSError as e:
        print(f"\r\nlost the board: {e}", file=sys.stderr)
        return ports.LOST


if __name__ == "__main__":
    sys.exit(main())
