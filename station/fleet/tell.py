"""`make alarms`: judges the nodes once a minute and tells somebody what begins and what ends."""

import errno
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from station.fleet import judge
from station.fleet.alarms import STATION, Alarms, Message
from station.fleet.deliver import by_command, by_post
from station.store.contract import Away
from station.store.opening import open_reader
from tools import CommandError, shell, unreadable, wholefile
from tools.numbers import seconds, whole

ADDRESS = "OUTPOST_POST"
_PRINTED = ".printed"
_FORGOTTEN = "what was told cannot be kept, so after a restart it is told again"
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
    ways = {"command": by_command(args.tell)} if args.tell else {}
    if address := args.post or os.environ.get(ADDRESS):
        ways["address"] = by_post(address)
    if args.test:
        return _test(ways)
    # What was only printed is yet to be told: it has a state of its own.
    if "://" in args.store and not args.state:
        raise CommandError("a database has no folder for what was told: give STATE=alarms.json", 2)
    state = Path((args.state or f"{args.store}.alarms.json") + ("" if ways else _PRINTED))
    store = _Opened(args.store)
    post = _Post(_alarms(state, args.an_hour, ways), ways, state)
    try:
        if args.once:
            fault = post.look(store)
            if fault:
                raise CommandError(f"not told: {fault}")
            if post.unkept:
                raise CommandError(f"told, and {_FORGOTTEN}: {post.unkept}")
            return 0
        shell.say(f"looking at {store.place} each {args.every:g} s; Ctrl-C ends it")
        while True:
            post.look(store)
            time.sleep(args.every)
    except KeyboardInterrupt:
        return 0
    finally:
        store.close()


class _Opened:
    """A reader, opened when it can be: one that is away just now is a thing to tell, and no reason to end."""

    def __init__(self, address):
        self._address, self._reader = address, None
        with suppress(Away):
            self.reader()

    @property
    def place(self):
        return self._reader.place if self._reader else self._address.rpartition("@")[2]

    def reader(self):
        """CommandError: it cannot be read."""
        self._reader = self._reader or open_reader(self._address)
        return self._reader

    def close(self):
        if self._reader:
            self._reader.close()


class _Post:
    """Looks, keeps what was told in a file, and sends. A process that is killed tells at most its last message again."""

    def __init__(self, alarms, ways, state):
        self._alarms, self._ways, self._state = alarms, ways, state
        self._fault = None
        self.unkept = None  # why the state cannot be kept

    def look(self, store):
        """Return why a message did not go, or None."""
        now = time.time_ns() // 1_000_000
        try:
            reader = store.reader()
            found, away = judge.judged(reader, now), judge.station(reader, now)
        except CommandError as e:
            found, away = [], f"{_UNREAD}: {e}"
        for message in self._alarms.look(found, away, now):
            _say(message.line)
        self._save()
        fault = self._alarms.deliver(self._ways, self._save, now)
        if fault and fault != self._fault:
            _say(f"warning: not told, tried again at each look: {fault}")
        self._fault = fault
        return fault

    def _save(self):
        """To tell is what counts: a disk that is full does not end it."""
        try:
            wholefile.write(self._state, json.dumps(self._alarms.remembered()))
            self.unkept = None
        except CommandError as e:
            if not self.unkept:
                _say(f"warning: {_FORGOTTEN}: {e}")
            self.unkept = str(e)


def _say(text):
    try:
        shell.say(f"{time.strftime('%H:%M:%S')}  {text}")
    except OSError as e:
        if e.errno != errno.ENOSPC:  # a log on a disk that is full
            raise


def _test(ways):
    now = time.time_ns() // 1_000_000
    message = Message("began", STATION, "test", "This is a test of Outpost's alarms.", now)
    if not ways:
        raise CommandError("TEST=1 sends a message: give TELL='command' or POST=https://…, too")
    for way in ways.values():
        fault = way(message)
        if fault:
            raise CommandError(f"the message did not go: {fault}")
    print("the message went")
    return 0


def _alarms(path, an_hour, ways):
    try:
        return Alarms(_load(path), an_hour, ways)
    except ValueError:
        _say(f"warning: {path} is damaged: it begins anew, and tells again what it had told")
        return Alarms({}, an_hour, ways)


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
