"""Puts readings into the tables `reading` and `start`: which are new, which were there, which are of a new life (contract.py)."""

import json
import sqlite3
from collections.abc import Iterable

from station.messages import Reading
from station.store import hours, removal
from station.store.contract import SAME_MS, Outcome

Key = tuple[str, int, int]  # node, boot, life

_INSERT = (
    "insert into reading (node, boot, seq, channel, quantities, ts, received, late, life)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing"
)


def place(db: sqlite3.Connection, readings: Iterable[Reading], outcome: Outcome) -> None:
    """Store what is new, within the caller's transaction, and count in `outcome` what became of each."""
    lives = {
        (node, boot): life
        for node, boot, life in db.execute(
            "select node, boot, max(life) from start where life > 1 group by node, boot"
        )
    }
    grown: dict[Key, list[int]] = {}
    changed: set[hours.Hour] = set()
    removed = removal.Removed(db)
    for reading in readings:
        if removed.horizon and removed.has(reading):
            # What it said cannot be compared any more, but its time: what was taken after all removed ones is another reading.
            if reading.ts is None or reading.ts < removed.horizon:
                outcome.doubled += 1
                continue
            if reading[:2] not in lives:
                lives[reading[:2]] = 2
                outcome.told.append(_new_life(reading, 2))
        life = 1
        # In its first life, by far the usual one, a reading is new unless its number is there.
        if (reading[:2] in lives) or not db.execute(_INSERT, (*reading, 1)).rowcount:
            found = _another(db, reading, lives, outcome, changed)
            if found is None:
                continue
            life = found
        outcome.stored += 1
        if reading.ts is not None:
            changed.add((reading.node, reading.channel, reading.ts // hours.HOUR_MS))
        _grow(grown, (reading.node, reading.boot, life), reading.seq)
    for (node, boot, life), (first, last, count) in grown.items():
        _count(db, node, boot, life, first, last, count)
    hours.mark(db, changed)


def _another(
    db: sqlite3.Connection,
    new: Reading,
    lives: dict[tuple[str, int], int],
    outcome: Outcome,
    changed: set[hours.Hour],
) -> int | None:
    """Store a reading unless it is there in some life. Return the life it is stored under, None: it was there."""
    key = new.node, new.boot
    rows = db.execute(
        "select life, channel, quantities, ts from reading where node = ? and boot = ? and seq = ?"
        " order by life",
        new[:3],
    ).fetchall()
    for life, channel, quantities, ts in rows:
        if channel == new.channel and _same(quantities, new.quantities):
            if ts is None and new.ts is not None:
                _retime(db, new, life, ts, changed)
                outcome.completed += 1
                return None
            if new.ts is None or abs(new.ts - ts) <= SAME_MS:
                outcome.doubled += 1
                return None
            if key not in lives:
                _retime(db, new, life, ts, changed)
                outcome.retimed += 1
                outcome.told.append(f"{_name(new)}: its time is corrected from {ts} to {new.ts}")
                return None
    life = lives.get(key, 1)
    if any(row[0] == life for row in rows):
        life = max(row[0] for row in rows) + 1
        lives[key] = life
        outcome.told.append(_new_life(new, life))
    db.execute(_INSERT, (*new, life))
    return life


def _new_life(new: Reading, life: int) -> str:
    return (
        f"{_name(new)}: this number has come with other content: a new life of the node"
        f" (its flash was erased, or another board has its name). Its readings are kept as life {life}"
    )


def _same(one: str, other: str) -> bool:
    return one == other or json.loads(one) == json.loads(other)


def _retime(
    db: sqlite3.Connection, new: Reading, life: int, before: int | None, changed: set[hours.Hour]
) -> None:
    for ts in (before, new.ts):
        if ts is not None:
            changed.add((new.node, new.channel, ts // hours.HOUR_MS))
    db.execute(
        "update reading set ts = ? where node = ? and boot = ? and seq = ? and life = ?",
        (new.ts, *new[:3], life),
    )


def _name(reading: Reading) -> str:
    return f"{reading.node}/{reading.channel}, boot {reading.boot}, seq {reading.seq}"


def _grow(grown: dict[Key, list[int]], key: Key, seq: int) -> None:
    start = grown.setdefault(key, [seq, seq, 0])
    start[0] = min(start[0], seq)
    start[1] = max(start[1], seq)
    start[2] += 1


def _count(
    db: sqlite3.Connection, node: str, boot: int, life: int, first: int, last: int, count: int
) -> None:
    """Add readings to a start. `whole`: all of it is expected, from seq 1 on.

    Not of the first start that is known of a node, nor of earlier ones whose readings still waited: the station came later.
    """
    db.execute(
        "insert into start values (?1, ?2, ?3,"
        "  ?3 = 1 and exists (select 1 from start where node = ?1 and boot < ?2), ?4, ?5, ?6)"
        " on conflict do update set first = min(first, excluded.first),"
        "  last = max(last, excluded.last), readings = readings + excluded.readings",
        (node, boot, life, first, last, count),
    )
