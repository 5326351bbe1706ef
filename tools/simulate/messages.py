"""What nodes publish, for people: a line a message, with its time, whom it is from, and quantities with their units.

A program that reads the output wants the messages as they are: with `--raw`, and wherever standard output is no terminal.
"""

import json
import re
import sys
import time

from rich.table import Table
from rich.text import Text

from tools import tables
from tools.settings.units import units

# How mosquitto_sub is to print: topic, space, payload; or with a tab between, which no name may have in it.
AS_THEY_ARE = ("-v",)
TO_BE_SHOWN = ("-F", "%t\t%p")

# Of these documents the members that a person looks at. Of FAULTS those that there are, besides.
MEMBERS = {
    "info": ("version", "board", "micropython", "ip", "reset_cause"),
    "health": ("uptime_s", "heap_free", "rssi", "clock", "outbox"),
}
FAULTS = (
    "access",
    "failing",
    "name_taken",
    "log_dropped",
    "skipped",
    "broker_limits",
    "dropped",
    "set_aside",
    "set_aside_why",
    "corrupt",
    "outbox_errors",
    "config_faults",
    "crash",
    "safe_mode",
)
_NOT_QUANTITIES = ("ts", "boot", "seq")
_MOST_BRACKETS = 200  # of what a node publishes some twenty
_NEVER_MS = 10**14  # the year 5138
_STYLES = {"online": "green", "offline": "yellow"}
# A topic below the base: a reading is shown under its channel's name, all else under what its topic says.
_TOPIC = re.compile(r"(?P<node>[^/]+)/((?P<branch>reading|history)/)?(?P<name>.+)")


def add_argument(parser):
    parser.add_argument(
        "--raw",
        action="store_true",
        help="show topics and payloads as `mosquitto_sub -v` does, as where the output goes into a file or a pipe",
    )


def wanted_raw(args):
    return args.raw or not sys.stdout.isatty()


class Messages:
    """Prints them. base: of the topics; node: the only one there is, or None; sensors: of settings, as far as they are known."""

    def __init__(self, base, node=None, sensors=()):
        self.base = base + "/"
        self.node = node
        self.units = units(sensors)
        self.width = max(len(name) for name in ("status", *(s["name"] for s in sensors)))
        self.console = tables.console()

    def take(self, topic, payload):
        """Show a message. payload: bytes."""
        self.show(f"{topic}\t{payload.decode(errors='replace')}")

    def show(self, line):
        """line: of TO_BE_SHOWN."""
        topic, _, payload = line.rstrip("\n").partition("\t")
        found = _TOPIC.fullmatch(topic.removeprefix(self.base))
        if not found or not topic.startswith(self.base):
            self.console.print(f"{topic} {payload}", soft_wrap=True)
            return
        name, document = found["name"], parsed(payload)
        shown = None if found["branch"] else MEMBERS.get(name)
        told = self._members(name, document, shown) if document else [_styled(payload)]
        if found["branch"] == "history":
            told.insert(0, Text("late", "yellow"))
        name = name if self.node else f"{found['node']}/{name}"
        self.width = max(self.width, len(name))
        row = Table.grid(padding=(0, 2))
        row.add_column(width=len("12:34:56"), style="dim")
        row.add_column(
            width=min(self.width, self.console.width // 3), style="bold", overflow="fold"
        )
        row.add_column(overflow="fold")  # a word longer than the line is not cut
        row.add_row(clock(document), Text(name), Text("   ").join(told))
        self.console.print(row)

    def _members(self, channel, document, shown):
        keys = shown or [key for key in document if key not in _NOT_QUANTITIES]
        told = [self._member(channel, key, document[key]) for key in keys if key in document]
        if shown:
            faults = [key for key in FAULTS if document.get(key)]
            told += [Text(f"{key} {words(document[key])}", "red") for key in faults]
        return told

    def _member(self, channel, key, value):
        if key == "error":
            return Text(f"error: {words(value)}", "red")
        unit = self.units.get((channel, key)) or self.units.get(key, "")
        return Text.assemble((f"{key} ", "dim"), f"{words(value)} {unit}".rstrip())


def parsed(payload):
    """Return the JSON object that a payload is, its decimals as they came ("18.50"); None: it is none, or no node's.

    Anybody may publish below the base. Python's parser gives up where brackets nest a thousand deep, and not every number is a time.
    """
    if payload.count("[") + payload.count("{") > _MOST_BRACKETS:
        return None
    try:
        document = json.loads(payload, parse_float=str)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    at = document.get("ts", 0)
    return document if type(at) is int and 0 <= at < _NEVER_MS else None


def clock(document):
    """Return the local time at which a reading was taken, empty if its node did not know; of all else the time now."""
    reading = document is not None and "seq" in document
    at = document.get("ts") if reading else time.time() * 1000
    return time.strftime("%H:%M:%S", time.localtime(at / 1000)) if at else ""


def words(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _styled(payload):
    return Text(payload, _STYLES.get(payload, ""))
