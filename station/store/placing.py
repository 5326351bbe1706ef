"""Puts readings into the tables `reading` and `start`: which are new, which were there, which are of a new life (contract.py)."""

import sqlite3
from collections.abc import Iterable

from station.messages import Reading
from station.store import hours, removal
from station.store.contract import Outcome
from station.store.identity import COMPLETED, NEW, RETIMED, Kept, judge, new_life

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
                outcome.told.append(new_life(reading, 2))
        life = 1
        # In its first life, by far the usual one, a reading is new unless its number is there.
        if (reading[:2] not in lives) and db.execute(_INSERT, (*reading, 1)).rowcount:
            outcome.stored += 1
        else:
            kept = _kept(db, reading)
            what, life = judge(reading, kept, lives.get(reading[:2], 1), outcome)
            if what in (COMPLETED, RETIMED):
                before = next(row.ts for row in kept if row.life == life)
                _retime(db, reading, life, before, changed)
            if what != NEW:
                continue
            if life > 1:
                lives[reading[:2]] = life
            db.execute(_INSERT, (*reading, life))
        if reading.ts is not None:
            changed.add((reading.node, reading.channel, reading.ts // hours.HOUR_MS))
        _grow(grown, (reading.node, reading.boot, life), reading.seq)
    for (node, boot, life), (first, last, count) in grown.items():
        _count(db, node, boot, life, first, last, count)
    hours.mark(db, changed)


def _kept(db: sqlite3.Connection, reading: Reading) -> list[Kept]:
    rows = db.execute(
        "select life, channel, quantities, ts from reading where node = ? and boot = ? and seq = ?"
        " order by life",
        reading[:3],
    )
    return [Kept(*row) for row in rows]


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
