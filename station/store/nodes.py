"""The table `node`: the newest `status`, `info` and `health` of each, when it was heard, and what it counts of readings it gave up."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from station.messages import Reading, State
from station.store.contract import MOST_COUNT, Account

# Counters of `health`. `dropped` counts for ever, `superseded` since the node's start, so each may fall.
EXPLAIN = ("dropped", "superseded")


def arrivals(readings: Iterable[Reading]) -> dict[str, int]:
    """{node: when the newest of these readings came, Unix ms}."""
    at: dict[str, int] = {}
    for reading in readings:
        at[reading.node] = max(reading.received, at.get(reading.node, 0))
    return at


def heard(db: sqlite3.Connection, readings: Iterable[Reading]) -> None:
    """Note when readings came."""
    db.executemany(
        "insert into node (node, reading_at) values (?, ?)"
        " on conflict do update set reading_at = max(ifnull(reading_at, 0), excluded.reading_at)",
        arrivals(readings).items(),
    )


def take(db: sqlite3.Connection, state: State) -> None:
    """Keep the newest document of its kind, and count on from `health`. What the broker kept, and is here, keeps its time."""
    kind = state.kind  # one of messages.STATES: safe as the name of a column
    db.execute(
        f"insert into node (node, {kind}, {kind}_at) values (?1, ?2, ?3)"
        f" on conflict do update set {kind} = excluded.{kind}, {kind}_at = case"
        f"   when ?4 and {kind} is excluded.{kind} then {kind}_at else excluded.{kind}_at end",
        (state.node, state.text, state.received, state.retained),
    )
    if kind == "health" and state.text:
        document = json.loads(state.text)
        for name in EXPLAIN:
            _count(db, state.node, name, number(document, name))


HEARD = ("reading_at", "status_at", "info_at", "health_at")


def set_right(db: sqlite3.Connection, now_ms: int) -> None:
    for column in HEARD:
        db.execute(f"update node set {column} = ?1 where {column} > ?1", (now_ms,))


def _count(db: sqlite3.Connection, node: str, name: str, now: int) -> None:
    """Add what a counter has grown by since it was seen last. At the first time nobody knows since when."""
    db.execute(
        f"update node set {name} = ?1, {name}_here = min(?3, {name}_here + case"
        f"   when {name} is null then 0 when ?1 >= {name} then ?1 - {name} else ?1 end)"
        " where node = ?2",
        (now, node, MOST_COUNT),
    )


def account(db: sqlite3.Connection, node: str, missing: int) -> Account:
    row = db.execute(
        "select dropped_here + superseded_here, health from node where node = ?", (node,)
    ).fetchone()
    if not row:
        return Account(missing, 0, 0)
    return Account(missing, row[0], waiting(json.loads(row[1] or "{}")))


def number(document: dict[str, Any], name: str) -> int:
    """A counter of `health`, which a node leaves out while it is 0. What is no counter is 0, too."""
    value = document.get(name)
    return value if type(value) is int and 0 <= value <= MOST_COUNT else 0


def waiting(health: dict[str, Any]) -> int:
    """How many readings a node keeps that have not come."""
    return number(health, "outbox") + number(health, "set_aside")
