"""Readings that were removed because they are old: which numbers they had, and what remains of them.

Their hourly means stay for ever, and their numbers as ranges, so that a gap is a gap and a double a double as before.
"""

import sqlite3
from collections.abc import Iterable

from station.messages import Reading
from station.store import hours
from station.store.hours import HOUR_MS

HORIZON = "removed before"  # key of `about`: readings that were taken from this moment on, in ms, are all there


class Removed:
    """Which numbers of a batch were here, and are removed. Costs a look-up for each start, and one more for an old number.

    horizon: all that was taken from then on is there, Unix ms; 0: nothing has been removed.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        row = db.execute("select value from about where key = ?", (HORIZON,)).fetchone()
        self.horizon = int(row[0]) if row else 0
        self._last: dict[tuple[str, int], int] = {}

    def has(self, new: Reading) -> bool:
        start = new.node, new.boot
        if start not in self._last:
            row = self._db.execute(
                "select max(last) from removed where node = ? and boot = ?", start
            ).fetchone()
            self._last[start] = row[0] or 0
        if new.seq > self._last[start]:
            return False
        row = self._db.execute(
            "select 1 from removed where node = ? and boot = ? and first <= ? and last >= ?",
            (*start, new.seq, new.seq),
        ).fetchone()
        return row is not None


def oldest(db: sqlite3.Connection, node: str) -> int | None:
    """Return when the oldest reading of a node was taken, as an hour. None: it has none with a time."""
    found = [
        db.execute(
            "select min(ts) from reading where node = ? and channel = ?", (node, channel)
        ).fetchone()[0]
        for channel in channels(db, node)
    ]
    times = [ts for ts in found if ts is not None]
    return min(times) // HOUR_MS if times else None


def newest(db: sqlite3.Connection, node: str) -> int | None:
    """Return when the newest reading of a node was taken, Unix ms. None: it has none with a time."""
    find = "select max(ts) from reading where node = ? and channel = ?"
    found = [db.execute(find, (node, channel)).fetchone()[0] for channel in channels(db, node)]
    return max((ts for ts in found if ts is not None), default=None)


def channels(db: sqlite3.Connection, node: str, table: str = "reading") -> list[str]:
    """The channels of a node, one look-up each, however many readings there are."""
    rows = db.execute(
        "with recursive found(channel) as ("
        f"  select min(channel) from {table} where node = ?1 union all"
        f"  select (select min(channel) from {table} where node = ?1 and channel > found.channel)"
        "  from found where channel is not null)"
        " select channel from found where channel is not null",
        (node,),
    )
    return [row[0] for row in rows]


def remove(db: sqlite3.Connection, node: str, hour: int) -> int:
    """Remove the readings of a node that were taken in an hour, within the caller's transaction. Return how many there were."""
    numbers: list[tuple[int, int, int]] = []
    for channel in channels(db, node):
        key = node, channel, hour
        db.execute(_MERGE, key)
        numbers += db.execute(
            f"delete from reading where {hours.WITHIN} returning boot, life, seq", key
        ).fetchall()
        hours.compute(db, key)
    for boot, life, first, last in ranges(numbers):
        _keep(db, node, boot, life, first, last)
    db.execute(
        "insert into about values (?1, ?2) on conflict do update"
        " set value = max(cast(value as integer), ?2)",
        (HORIZON, (hour + 1) * HOUR_MS),
    )
    return len(numbers)


_MERGE = (
    "insert into hourly (node, channel, hour, removed, quantity, count, late, least, mean, most)"
    f" select ?1, ?2, ?3, 1, * from ({hours.SUMMED}) where true"
    " on conflict do update set"
    "  least = ifnull(min(least, excluded.least), ifnull(least, excluded.least)),"
    "  most = ifnull(max(most, excluded.most), ifnull(most, excluded.most)),"
    "  mean = case when mean is null then excluded.mean when excluded.mean is null then mean"
    "    else (mean * count + excluded.mean * excluded.count) / (count + excluded.count) end,"
    "  count = case when (mean is null) = (excluded.mean is null) then count + excluded.count"
    "    when mean is null then excluded.count else count end,"
    "  late = case when (mean is null) = (excluded.mean is null) then late + excluded.late"
    "    when mean is null then excluded.late else late end"
)


def ranges(numbers: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Return (boot, life, seq) as ranges of numbers: (boot, life, first, last)."""
    found: list[tuple[int, int, int, int]] = []
    for boot, life, seq in sorted(numbers):
        if found and found[-1][:2] == (boot, life) and found[-1][3] == seq - 1:
            found[-1] = (*found[-1][:3], seq)
        else:
            found.append((boot, life, seq, seq))
    return found


def _keep(db: sqlite3.Connection, node: str, boot: int, life: int, first: int, last: int) -> None:
    """Add a range of numbers, as one with those that it touches."""
    start = node, boot, life
    touching = db.execute(
        "delete from removed where node = ? and boot = ? and life = ?"
        " and (last = ? - 1 or first = ? + 1) returning first, last",
        (*start, first, last),
    ).fetchall()
    first = min([first, *(row[0] for row in touching)])
    last = max([last, *(row[1] for row in touching)])
    db.execute("insert into removed values (?, ?, ?, ?, ?)", (*start, first, last))
