"""Show what a board prints, without stopping what runs on it. Ctrl-C ends it; a board that resets is waited for.

Nothing is sent. Some boards with a USB-to-serial chip reset when their port is opened, whoever opens it.
"""

import argparse

from tools import ports
from tools.serialboard import Link


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = ports.EXIT_CODES
    ports.add_port(parser)
    parser.add_argument("--seconds", type=float, help="end after so long")


def run(args):
    with Link(ports.find(args.port)) as link:
        print(f"{link.port}: what the board prints from now on (Ctrl-C ends)", flush=True)
        try:
            for line in link.lines(args.seconds):
                if line:
                    print(line, flush=True)
        except KeyboardInterrupt:
            print()  # the usual way to end it
    return 0
