"""A channel's quantity over any range of time, in so many points: from readings while these are few, else from hourly means.

Bounded: at most _MOST readings and 8,800 hours for each year are read. Hours that are not summed up yet, such as the present one,
are read from their readings.
"""

import sqlite3
from itertools import pairwise
from typing import NamedTuple

from station.store.hours import HOUR_MS, NUMBER

_MOST = 20_000  # readings
_MOST_STALE = (
    48  # hours of which readings are read, the newest; older ones are as they were summed up last
)
_HOLE = 3  # times the usual distance: then something is missing


class Point(NamedTuple):
    """What was read in one step of a range. ts: mean of the times, Unix ms; least, mean, most: None: no numbers, but failures or
    texts; late: how many of `readings` came late, on `history`.
    """

    ts: int
    least: float | None
    mean: float | None
    most: float | None
    late: int
    readings: int


class Series(NamedTuple):
    """points: by time, none where nothing was read; step_ms: the range of each; usual_ms: the usual distance of readings, None: unknown."""

    points: list[Point]
    step_ms: int
    usual_ms: int | None

    def holes(self) -> list[tuple[int, int]]:
        """Where readings are missing between two points: (from, to) in Unix ms."""
        least = _HOLE * max(self.step_ms, self.usual_ms or 0)
        pairs = pairwise(self.points)
        return [(a.ts, b.ts) for a, b in pairs if b.ts - a.ts > least]


def points(
    db: sqlite3.Connection,
    channel: tuple[str, str],
    quantity: str,
    begin_ms: int,
    end_ms: int,
    most: int,
) -> tuple[list[Point], int]:
    """Return at most so many points of [begin, end), and the step in ms. channel: (node, its channel)."""
    step = max(1, -(-(end_ms - begin_ms) // most))
    few = _few(db, channel, begin_ms, end_ms)
    if few:
        pieces = _readings(db, channel, quantity, begin_ms, end_ms)
        pieces += _hours(db, channel, quantity, begin_ms, end_ms, removed=(1,), without=set())
    else:
        step = max(step, HOUR_MS)
        pieces = _mixed(db, channel, quantity, begin_ms, end_ms)
    steps: dict[int, list[Point]] = {}
    for piece in pieces:
        steps.setdefault((piece.ts - begin_ms) // step, []).append(piece)
    return [_joined(steps[number]) for number in sorted(steps)], step


def _few(db: sqlite3.Connection, channel: tuple[str, str], begin_ms: int, end_ms: int) -> bool:
    count = db.execute(
        "select count(*) from (select 1 from reading where node = ? and channel = ?"
        " and ts >= ? and ts < ? limit ?)",
        (*channel, begin_ms, end_ms, _MOST + 1),
    ).fetchone()[0]
    return bool(count <= _MOST)


def _readings(
    db: sqlite3.Connection, channel: tuple[str, str], quantity: str, begin_ms: int, end_ms: int
) -> list[Point]:
    rows = db.execute(
        f"select ts, {NUMBER}, late"
        " from reading, json_each(reading.quantities)"
        " where node = ? and channel = ? and ts >= ? and ts < ? and key = ?",
        (*channel, begin_ms, end_ms, quantity),
    )
    return [Point(ts, value, value, value, late, 1) for ts, value, late in rows]


def _hours(
    db: sqlite3.Connection,
    channel: tuple[str, str],
    quantity: str,
    begin_ms: int,
    end_ms: int,
    removed: tuple[int, ...],
    without: set[int],
) -> list[Point]:
    """A point for each hour of the table; its time is the middle, as far as that is within the range."""
    rows = db.execute(
        "select hour, removed, least, mean, most, late, count from hourly"
        " where node = ? and channel = ? and hour >= ? and hour * 3600000 < ? and quantity = ?",
        (*channel, begin_ms // HOUR_MS, end_ms, quantity),
    )
    return [
        Point(min(max(begin_ms, hour * HOUR_MS + HOUR_MS // 2), end_ms - 1), *rest)
        for hour, gone, *rest in rows
        if gone in removed and (gone or hour not in without)
    ]


def _mixed(
    db: sqlite3.Connection, channel: tuple[str, str], quantity: str, begin_ms: int, end_ms: int
) -> list[Point]:
    """Whole hours that are summed up from `hourly`; those at the edges, and stale ones, from their readings."""
    stale = db.execute(
        "select hour from stale where node = ? and channel = ? and hour >= ? and hour <= ?"
        " order by hour desc limit ?",
        (*channel, begin_ms // HOUR_MS, (end_ms - 1) // HOUR_MS, _MOST_STALE),
    )
    fresh = {row[0] for row in stale} | {begin_ms // HOUR_MS, (end_ms - 1) // HOUR_MS}
    pieces = _hours(db, channel, quantity, begin_ms, end_ms, removed=(0, 1), without=fresh)
    for hour in fresh:
        first, last = max(begin_ms, hour * HOUR_MS), min(end_ms, (hour + 1) * HOUR_MS)
        pieces += _readings(db, channel, quantity, first, last)
    return pieces


def _joined(pieces: list[Point]) -> Point:
    if len(pieces) == 1:
        return pieces[0]
    numbers = [piece for piece in pieces if piece.mean is not None] or pieces
    count = sum(piece.readings for piece in numbers)
    ts = sum(piece.ts * piece.readings for piece in numbers) // count
    late = sum(piece.late for piece in numbers)
    if numbers[0].mean is None:
        return Point(ts, None, None, None, late, count)
    mean = sum((piece.mean or 0.0) * piece.readings for piece in numbers) / count
    return Point(
        ts,
        min(piece.least for piece in numbers if piece.least is not None),
        mean,
        max(piece.most for piece in numbers if piece.most is not None),
        late,
        count,
    )
