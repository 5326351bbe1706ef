"""Open a board's REPL with mpremote. What runs there goes on until Ctrl-C."""

import argparse
import subprocess
import sys

from tools import CommandError, ports
from tools.serialboard import Link


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ports.EXIT_CODES
    ports.add_port(parser)


def run(args):
    if not sys.stdin.isatty():
        raise CommandError(
            "the REPL needs a terminal to type at; to run a line on a board: mpremote exec"
        )
    port = ports.find(args.port)
    Link(port).close()  # says who has it, if somebody has
    print(
        "Ctrl-C stops the node, Ctrl-D starts it again, Ctrl-] leaves. A stopped node's watchdog resets the board.",
        flush=True,
    )
    try:
        # `resume`: mpremote would otherwise soft-reset the board
        return subprocess.call(
            [sys.executable, "-m", "mpremote", "connect", port, "resume", "repl"]
        )
    except KeyboardInterrupt:
        return 0
