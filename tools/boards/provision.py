"""Tell a node its name, network and broker over USB: by questions, from a file of answers, or many nodes from a CSV.

The firmware is brought along if it is not there or older. The settings are tried from the board first, its Wi-Fi and its broker; config.json
is only replaced when that works, or when you say so. Passwords are asked without echo; none is an option, for a command line can be read
by every user of the machine.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from tools import CommandError, Stopped
from tools.boards import answers, boardtrial, deploy, ports, several
from tools.boards.newnode import UNTRIED, NewNode, refused
from tools.boards.online import OFFLINE
from tools.boards.ports import LOST
from tools.boards.progress import Show
from tools.boards.roster import GOOD, KEPT, Roster
from tools.boards.serialboard import Link
from tools.numbers import patience
from tools.settings import judge
from tools.settings.judge import BAD_CONFIG, BadConfig

_ABSENT_S = 5  # a port that was away for so long may be another board's


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"""\
answers and columns: {answers.NAMES}; what is left out stays as it is.
Passwords are never options: other users could read them in the list of processes.

{ports.EXIT_CODES}\
  {BAD_CONFIG}  the settings are missing or wrong
  {LOST}  the board went away in the middle: run it again
 {OFFLINE}  the settings are on the board, but the node is not online
 {UNTRIED}  Wi-Fi or broker did not work from the board: its settings are as they were
{several.EXIT_CODE}"""
    ports.add_port(parser, several=True)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--answers", type=Path, metavar="FILE", help="JSON object of answers; - is stdin"
    )
    source.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="one row a node, and a column board for the ids of boards if you like; without --port each board that is plugged in",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="CSV of which board got which row (default: beside the CSV, …-results.csv)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="all other settings (default: those on the board, else config.json if it is there)",
    )
    parser.add_argument(
        "--keep-anyway", action="store_true", help="keep settings that did not work, too"
    )
    parser.add_argument(
        "--wait",
        type=patience,
        default=60,
        metavar="SECONDS",
        help="for the node to be online in the end (default: %(default)s; 0: do not wait)",
    )
    parser.set_defaults(without_wifi=False)


def run(args):
    if args.config:
        judge.parse(args.config)  # says what is wrong, before a board is looked for
    if args.csv:
        return run_csv(args)
    given = answers.read(args.answers) if args.answers else None
    if given is None and not sys.stdin.isatty():
        raise CommandError("no terminal to ask at: give ANSWERS=file.json or CSV=nodes.csv", 2)
    found = ports.find_all(args.port)
    if len(found) > 1:
        raise CommandError("answers are for one board: choose one with PORT=, or give a CSV", 2)
    with Link(found[0]) as link, restarting(link):
        if given is None:
            interview(link, args)
        else:
            node = NewNode(link, Show().line(link.port), deploy.build(), args)
            node.look()
            with Show() as show:
                node.line = show.line(link.port)
                node.become(given)
    return 0


@contextlib.contextmanager
def restarting(link):
    """Whatever ends the work early, the node runs again."""
    try:
        yield
    except BaseException as e:
        link.restart(boardtrial.FORGET)
        if isinstance(e, KeyboardInterrupt) and not link.stopped:
            print("\nstopped; the node restarts", file=sys.stderr)
            raise Stopped from None
        raise


# ---- by questions


def interview(link, args):
    """Ask, try, and ask again until it works or is enough."""
    node = NewNode(link, Show().line(link.port), deploy.build(), args)
    node.look(scan=True)
    link.restart()  # the node goes on while you type
    before = answers.in_config(node.raw)
    while True:
        before = before | answers.ask(before, node.networks, node.name)
        try:
            node.judge(before)
        except BadConfig as e:
            print(f"{e}\nonce more:")
            continue
        with Show() as show:
            node.line = show.line(link.port)
            fault = node.attempt(before)
        if not fault:
            break
        print(f"that does not work: {fault}")
        choice = _choose()
        if choice == "keep":
            break
        boardtrial.forget(link)
        if choice == "leave":
            raise refused(fault)
        link.restart()
    with Show() as show:
        node.line = show.line(link.port)
        node.keep(fault)


def _choose():
    while True:
        try:
            typed = input(
                "other answers (a), keep it all the same (k), leave the board as it was (l)? "
            )
        except EOFError:
            return "leave"
        for choice, word in (("a", "again"), ("k", "keep"), ("l", "leave")):
            if typed.strip().lower()[:1] == choice:
                return word


# ---- from a CSV


def run_csv(args):
    roster = Roster(args.csv, args.results)
    firmware = deploy.build()

    def work(port, line, stopped):
        with Link(port, stopped) as link, restarting(link):
            return from_roster(NewNode(link, line, firmware, args), roster)

    if args.port:
        found = ports.find_all(args.port)
        return several.run(found, work)
    return as_they_come(roster, work)


def from_roster(node, roster):
    """Provision one board with its row. Returns (name of its node, result in words)."""
    node.look()
    try:
        name_on_board = node.raw["node"]["name"]
    except (KeyError, TypeError):
        name_on_board = None
    given = roster.take(node.id, name_on_board)
    name = given["name"]
    node.line.say(f"becomes {name}")
    result = "stopped"
    try:
        told = node.become(given)
        result = told if told.startswith(KEPT) else GOOD
    except CommandError as e:
        result = str(e).splitlines()[0]
        if e.code == OFFLINE:
            result = f"{KEPT}, but not online"
        raise
    finally:
        roster.tell(name, node.id, node.link.port, result)
    return name, told


def as_they_come(roster, work):
    """Each board that is plugged in, several at once, until all rows are done or Ctrl-C."""
    with Show(several=True) as show:
        crew = several.Crew(show, work)
        show.print(
            f"nodes to go: {len(roster.left())}; plug boards in, one after another or several at once; Ctrl-C ends it"
        )
        seen: dict[str, float] = {}  # what a board is known by → when it was last there
        try:
            while roster.left() or crew.busy():
                now = time.monotonic()
                for board in ports.boards() if roster.left() else []:
                    known_by = ports.identity(board) or board.device
                    if now - seen.get(known_by, -_ABSENT_S) >= _ABSENT_S:
                        crew.start(board.device, several.names([board.device])[board.device])
                    seen[known_by] = now
                time.sleep(0.3)
        except BaseException as e:
            if crew.busy():
                crew.stop()
            elif isinstance(e, KeyboardInterrupt):
                return crew.code()  # nothing was under way: the end of the work
            raise
        finally:
            crew.end()
    return crew.code()
