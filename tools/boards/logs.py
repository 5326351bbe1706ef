"""Show what a board prints, without stopping what runs on it. Ctrl-C ends it; a board that resets is waited for.

A node that is well says little: its state (`health`) once a minute. Nothing is sent. Some boards with a USB-to-serial chip reset when their port is opened, whoever opens it.
"""

import argparse
import time

from tools import said
from tools.boards import ports
from tools.boards.serialboard import Link
from tools.numbers import seconds


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ports.EXIT_CODES
    ports.add_port(parser)
    parser.add_argument("--seconds", type=seconds, help="end after so long")


SILENCE_S = 75  # publish.health_s is 60 unless config.json says otherwise


def more(port):
    """How to see more of a board that is silent."""
    return said(f"""\
nothing for {SILENCE_S} s. A node says its `health` every publish.health_s (60 s), with log.level info or debug. If that is what it has,
no node runs: press the board's reset button and watch it start, or look with make repl PORT={port}.
More of a node that is well: make watch shows its readings; "log": {{"level": "debug"}} in config.json, then make deploy PORT={port}, what it does""")


def follow(lines, port):
    """Print what comes; once, when nothing does, how to see more. lines: as of Link.lines, "" for silence."""
    heard = time.monotonic()
    told = False
    for line in lines:
        if line:
            print(line, flush=True)
            heard = time.monotonic()
        elif not told and time.monotonic() - heard > SILENCE_S:
            told = True
            print(more(port), flush=True)


def run(args):
    with Link(ports.find(args.port)) as link:
        print(
            f"{link.port}: what the board prints from now on (Ctrl-C ends). A node that is well says its `health` once a minute",
            flush=True,
        )
        try:
            follow(link.lines(args.seconds), link.port)
        except KeyboardInterrupt:
            print()  # the usual way to end it
    return 0
