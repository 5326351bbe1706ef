"""The table `hourly`: of each hour, channel and quantity the number of readings, the least, the mean and the most.

A batch marks the hours that it changes as stale, in its own transaction; later each is computed anew from its readings. So it does
not matter how often, in what order and how late readings come, nor where a power cut falls. The quantity `error` counts failed
readings; what is no number has a count and nothing else.
"""

import sqlite3
from collections.abc import Iterable

HOUR_MS = 3_600_000
Hour = tuple[str, str, int]  # node, channel, ts // HOUR_MS
# Most readings of an hour have come when it has been over for so long: it is computed once.
_SETTLED_MS = 600_000

# Of a row of json_each: true is 1, a text no number, and neither is what would make a sum infinite.
NUMBER = "iif(type <> 'text' and value + 0.0 between -1e300 and 1e300, value + 0.0, null)"
WITHIN = "node = ?1 and channel = ?2 and ts >= ?3 * 3600000 and ts < (?3 + 1) * 3600000"
# (quantity, count, late, least, mean, most) of an hour's readings. Where some are numbers, only these count: the mean is of so many.
SUMMED = (
    "select key, iif(count(n), count(n), count(*)), iif(count(n), sum(late) filter (where n is not null), sum(late)),"
    f" min(n), avg(n), max(n) from (select key, late, {NUMBER} as n"
    f"  from reading, json_each(reading.quantities) where {WITHIN}) group by key"
)
# Of rows of `hourly` with one hour and quantity, those of removed readings and others: (least, mean, most, count, late).
_OF_NUMBERS = "filter (where mean is not null)"
JOINED = (
    f"min(least) as least, sum(mean * count) / (sum(count) {_OF_NUMBERS}) as mean, max(most) as most,"
    f" iif(count(mean), sum(count) {_OF_NUMBERS}, sum(count)) as count,"
    f" iif(count(mean), sum(late) {_OF_NUMBERS}, sum(late)) as late"
)


def mark(db: sqlite3.Connection, hours: Iterable[Hour]) -> None:
    """Note that readings of these hours have come or changed."""
    db.executemany("insert or ignore into stale values (?, ?, ?)", hours)


def sum_up(db: sqlite3.Connection, now_ms: int, most: int) -> int:
    """Compute at most so many stale hours that are over. Return how many were."""
    found = due(db, now_ms, most)
    for hour in found:
        compute(db, hour)
    return len(found)


def due(db: sqlite3.Connection, now_ms: int, most: int) -> list[Hour]:
    """Return at most so many stale hours that are over."""
    return db.execute(
        "select node, channel, hour from stale where hour < ? limit ?",
        ((now_ms - _SETTLED_MS) // HOUR_MS, most),
    ).fetchall()


def compute(db: sqlite3.Connection, hour: Hour) -> None:
    """Compute the rows of one hour from the readings that are there; those of removed ones stay."""
    where = "where node = ? and channel = ? and hour = ?"
    db.execute(f"delete from hourly {where} and removed = 0", hour)
    db.execute(
        "insert into hourly (node, channel, hour, removed, quantity, count, late, least, mean, most)"
        f" select ?1, ?2, ?3, 0, * from ({SUMMED})",
        hour,
    )
    db.execute(f"delete from stale {where}", hour)
