"""`make fleet`: every node and what is wrong with it, the worst first; on a terminal again and again."""

import json
import time
from datetime import datetime
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from station.fleet import judge
from station.fleet.judge import Fault, Judged
from station.fleet.words import lasting, plain
from station.store.opening import AnyReader, open_reader
from station.store.reader import Newest
from tools import CommandError, tables
from tools.numbers import seconds
from tools.settings import units

WRONG = 7  # exit code: something is wrong with a node, or nobody collects
_HEADS = ("node", "is", "heard", "Wi-Fi", "battery", "version", "waiting", "lost", "what is wrong")
_RIGHT = (2, 3, 4, 6, 7)


def add_arguments(parser):
    parser.add_argument("--store", default="readings.sqlite", help="SQLite file (%(default)s)")
    parser.add_argument("--node", help="all that is known of one node")
    parser.add_argument(
        "--once", action="store_true", help="print it and end, as where it is no terminal"
    )
    parser.add_argument("--json", action="store_true", help="for a program: one object, and end")
    parser.add_argument(
        "--every",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="between two looks (%(default)s)",
    )
    parser.epilog = f"Exit code: 0 nothing is wrong, {WRONG} something is that make alarms would tell, 1 the store cannot be read."


def run(args):
    reader = open_reader(args.store)
    try:
        if args.json:
            return _as_json(reader, args.node)
        console = tables.console()
        if args.once or not console.is_terminal:
            shown, code = _look(reader, args.node)
            for each in shown:
                if isinstance(each, Table):
                    tables.show(each)
                else:
                    print(each)
            return code
        return _watch(reader, args, console)
    finally:
        reader.close()


def _watch(reader, args, console):
    code = 0
    with Live(console=console, auto_refresh=False, screen=False) as live:
        try:
            while True:
                shown, code = _look(reader, args.node, console.height - 3)
                at = time.strftime("%H:%M:%S")
                told = [each if isinstance(each, Table) else Text(each) for each in shown]
                live.update(Group(*told, Text(f"{at}, Ctrl-C ends it", "dim")), refresh=True)
                time.sleep(args.every)
        except KeyboardInterrupt:
            return code


def _look(
    reader: AnyReader, node: str | None, most: int | None = None
) -> tuple[list[Table | str], int]:
    """What is to be shown, and the exit code. most: lines that there is room for."""
    now = _now()
    found, away = judge.judged(reader, now, node), judge.station(reader, now)
    code = WRONG if away or any(map(_alarming, found)) else 0
    shown: list[Table | str] = [f"warning: {away}"] if away else []
    if node is not None:
        if not found:
            raise _unknown(reader, node)
        return shown + _details(reader, found[0], now), code
    rows = [_row(each, now) for each in found]
    # Where it is written over, a row is a line: else the last ones would not be seen.
    shown.append(tables.table(_HEADS, rows[:most], right=_RIGHT, cut=most is not None))
    if most is not None and len(rows) > most:
        shown.append(f"and {len(rows) - most} more: ONCE=1 prints all")
    faulty = sum(map(_alarming, found))
    nodes = "1 node" if len(found) == 1 else f"{len(found)} nodes"
    shown.append(f"{nodes}, {faulty} with something wrong" if found else _NOBODY)
    return shown, code


_NOBODY = "no node is known yet: make collect writes what it hears"


def _row(each: Judged, now: int) -> tuple[str, ...]:
    return (
        plain(each.node),
        each.state,
        lasting(now - each.seen_at) if each.seen_at else "never",
        f"{each.rssi} dBm" if each.rssi is not None else "",
        f"{each.battery:.0f} %" if each.battery is not None else "",
        plain(each.version or ""),
        f"{each.waiting:,}" if each.waiting else "",
        f"{each.missing:,}" if each.missing else "",
        "; ".join(fault.text for fault in each.faults),
    )


def _details(reader: AnyReader, each: Judged, now: int) -> list[Table | str]:
    facts = [
        ("is", each.state),
        ("heard", f"{lasting(now - each.seen_at)} ago" if each.seen_at else "never"),
        ("board", plain(each.board or "")),
        ("version", plain(each.version or "")),
        ("address", plain(each.ip or "")),
        ("on for", lasting(each.uptime_s * 1000) if each.uptime_s is not None else ""),
        ("started by", plain(each.reset_cause or "")),
        ("Wi-Fi", f"{each.rssi} dBm" if each.rssi is not None else ""),
        ("readings that wait", f"{each.waiting:,}"),
        ("readings lost", f"{each.missing:,}"),
    ]
    lines: list[Table | str] = [f"{fault.kind}: {fault.text}" for fault in each.faults]
    lines.append(tables.table((plain(each.node), ""), [fact for fact in facts if fact[1]]))
    described = units.described()
    rows = [_channel(newest, described) for newest in reader.latest(each.node)]
    lines.append(tables.table(("channel", "taken", "usually each", "newest"), rows))
    return lines


def _channel(newest: Newest, described: dict[str, tuple[str, int]]) -> tuple[str, ...]:
    at = newest.ts
    return (
        plain(newest.channel),
        datetime.fromtimestamp(at / 1000).strftime("%Y-%m-%d %H:%M:%S") if at else "unknown",
        lasting(newest.habit.usual_ms) if newest.habit else "",
        plain(", ".join(_member(*each, described) for each in newest.quantities.items())),
    )


def _member(name: str, value: Any, described: dict[str, tuple[str, int]]) -> str:
    """`temperature 18.50 °C`, `open yes`: as the terminal of `make run` says it."""
    unit, decimals = described.get(name, ("", None))
    if isinstance(value, bool):
        return f"{name} {'yes' if value else 'no'}"
    if isinstance(value, float) and decimals is not None:
        value = f"{value:.{decimals}f}"
    return f"{name} {value} {unit}".rstrip()


def _as_json(reader, node):
    now = _now()
    found, away = judge.judged(reader, now, node), judge.station(reader, now)
    if node is not None and not found:
        raise _unknown(reader, node)
    nodes = [each._asdict() | {"faults": [_fault(f) for f in each.faults]} for each in found]
    print(json.dumps({"at": now, "station": away, "nodes": nodes}))
    return WRONG if away or any(map(_alarming, found)) else 0


def _fault(fault: Fault) -> dict[str, str]:
    return {"kind": fault.kind, "text": fault.text}


def _alarming(each: Judged) -> bool:
    return any(fault.kind in judge.ALARMING for fault in each.faults)


def _unknown(reader: AnyReader, node: str) -> CommandError:
    known = reader.nodes()
    some = ", ".join(plain(each) for each in known[:10]) + (", …" if len(known) > 10 else "")
    return CommandError(f"NODE={node} is unknown to {reader.place}: it knows {some or 'no node'}")


def _now() -> int:
    return time.time_ns() // 1_000_000
