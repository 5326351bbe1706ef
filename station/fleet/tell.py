"""`make alarms`: judges the nodes once a minute and tells somebody what begins and what ends."""

import json
import os
import time
from pathlib import Path

from station.fleet import judge
from station.fleet.alarms import STATION, Alarms, Message
from station.fleet.deliver import by_command, by_post
from station.store.opening import open_reader
from tools import CommandError, shell, unreadable, wholefile
from tools.numbers import seconds, whole

ADDRESS = "OUTPOST_POST"
_UNREAD = "the store cannot be read, so nobody looks after the nodes"


def add_arguments(parser):
    parser.add_argument("--store", default="readings.sqlite", help="SQLite file (%(default)s)")
    parser.add_argument(
        "--tell",
        metavar="COMMAND",
        help="run this for each message: the text is on its standard input, and in OUTPOST_TEXT, _NODE, _KIND, _EVENT",
    )
    parser.add_argument(
        "--post",
        metavar="ADDRESS",
        help=f"post each message there as JSON. One with a secret in it belongs into ${ADDRESS}: every user can read a command line",
    )
    parser.add_argument(
        "--an-hour",
        type=whole(1, 1000),
        default=12,
        metavar="N",
        help="messages an hour at most; the others are summed up (%(default)s)",
    )
    parser.add_argument(
        "--every",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="between two looks (%(default)s)",
    )
    parser.add_argument(
        "--state", metavar="FILE", help="what has been told; by default STORE.alarms.json"
    )
    parser.add_argument("--once", action="store_true", help="look once and end, as for cron")
    parser.add_argument("--test", action="store_true", help="send one message now, and end")
    parser.epilog = "Without a command or an address the messages are printed. Exit code: 0, or 1: it cannot begin, or a message did not go (ONCE=1, TEST=1)."


def run(args):
    ways = [by_command(args.tell)] if args.tell else []
    if address := args.post or os.environ.get(ADDRESS):
        ways.append(by_post(address))
    if args.test:
        return _test(ways)
    state = Path(args.state or f"{args.store}.alarms.json")
    post = _Post(Alarms(_load(state), args.an_hour), ways, state)
    reader = open_reader(args.store)
    try:
        if args.once:
            fault = post.look(reader)
            if fault:
                raise CommandError(f"not told: {fault}")
            return 0
        shell.say(f"looking at {args.store} each {args.every:g} s; Ctrl-C ends it")
        while True:
            post.look(reader)
            time.sleep(args.every)
    except KeyboardInterrupt:
        return 0
    finally:
        reader.close()


class _Post:
    """Looks, keeps what was told in a file, and sends. A process that is killed tells at most its last message again."""

    def __init__(self, alarms, ways, state):
        self._alarms, self._ways, self._state = alarms, ways, state
        self._fault = self._shown = None

    def look(self, reader):
        """Return why a message did not go, or None."""
        now = time.time_ns() // 1_000_000
        try:
            found, away = judge.judged(reader, now), judge.station(reader, now)
        except CommandError as e:
            found, away = [], f"{_UNREAD}: {e}"
        self._alarms.look(found, away, now)
        self._save()
        fault = self._alarms.deliver(self._send, self._save, now)
        if fault and fault != self._fault:
            shell.say(
                f"{time.strftime('%H:%M:%S')}  warning: not told, tried again at each look: {fault}"
            )
        self._fault = fault
        return fault

    def _send(self, message):
        """By every way: one that fails has it tried again by all of them."""
        if message != self._shown:
            shell.say(f"{time.strftime('%H:%M:%S')}  {message.line}")
            self._shown = message
        for way in self._ways:
            fault = way(message)
            if fault:
                return fault
        return None

    def _save(self):
        wholefile.write(self._state, json.dumps(self._alarms.remembered()))


def _test(ways):
    now = time.time_ns() // 1_000_000
    message = Message("began", STATION, "test", "This is a test of Outpost's alarms.", now)
    if not ways:
        raise CommandError("TEST=1 sends a message: give TELL='command' or POST=https://…, too")
    for way in ways:
        fault = way(message)
        if fault:
            raise CommandError(f"the message did not go: {fault}")
    print("the message went")
    return 0


def _load(path):
    """What was remembered; {}: nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("faults"), dict):
        raise CommandError(
            f"{path} is no file of what has been told: STATE= takes one of make alarms, or the name of a new one"
        )
    return found
