"""Puts a batch of readings into PostgreSQL by a few statements, whatever its size.

1. A number above all that are known of a start is new; so are most.
2. What is there under the other numbers is asked for at once, and identity.py judges in the order in which they came.
3. New rows go in by COPY; times that are filled in or corrected move their rows; each start is counted on.

The caller has a lock that only one writer has: between 1 and 3 nobody else adds a number.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from psycopg import Connection

from station.messages import Reading
from station.store.contract import Outcome
from station.store.identity import COMPLETED, NEW, RETIMED, Kept, judge
from station.store.postgres.times import from_ms, ms

_COLUMNS = "node, boot, seq, life, channel, quantities, received, late"


class Key(NamedTuple):
    node: str
    boot: int
    seq: int
    life: int


def place(db: Connection, readings: list[Reading], outcome: Outcome) -> None:
    """Store what is new, within the caller's transaction, and count in `outcome` what became of each."""
    starts = _starts(db, {reading[:2] for reading in readings})
    newest = {start: life for start, (life, _) in starts.items()}
    kept = _kept(db, _doubtful(readings, {start: last for start, (_, last) in starts.items()}))
    new: dict[Key, Reading] = {}
    moved: dict[Key, tuple[int | None, Reading]] = {}  # the time that the row has now
    for reading in readings:
        rows = kept.get(reading[:3])
        what, life = judge(reading, rows or (), newest.get(reading[:2], 1), outcome)
        key = Key(*reading[:3], life)
        if what == NEW:
            newest[reading[:2]] = life
            new[key] = reading
            if rows is not None:
                rows.append(Kept(life, reading.channel, reading.quantities, reading.ts))
        elif what in (COMPLETED, RETIMED) and rows is not None:
            at = next(number for number, row in enumerate(rows) if row.life == life)
            if key in new:
                new[key] = new[key]._replace(ts=reading.ts)
            else:
                moved[key] = moved.get(key, (rows[at].ts,))[0], reading
            rows[at] = rows[at]._replace(ts=reading.ts)
    _insert(db, new)
    _move(db, moved)
    _grow(db, new)


def _starts(db: Connection, wanted: set[Any]) -> dict[tuple[str, int], tuple[int, int]]:
    """Return {(node, boot): (newest life, largest seq of all lives)}."""
    found = db.execute(
        "select node, boot, max(life), max(last) from start"
        " join unnest(%s::text[], %s::bigint[]) as wanted (node, boot) using (node, boot)"
        " group by node, boot",
        _columns(wanted, 2),
    )
    return {(node, boot): (life, last) for node, boot, life, last in found}


def _doubtful(readings: Iterable[Reading], last: dict[Any, int]) -> set[Any]:
    """The numbers that may be there already, or are twice in this batch."""
    found = set()
    for reading in readings:
        start = reading[:2]
        if reading.seq > last.get(start, 0):
            last[start] = reading.seq
        else:
            found.add(reading[:3])
    return found


def _kept(db: Connection, numbers: set[Any]) -> dict[Any, list[Kept]]:
    """Return what is there under each number, by life."""
    kept: dict[Any, list[Kept]] = {number: [] for number in numbers}
    if not numbers:
        return kept
    wanted = "join unnest(%s::text[], %s::bigint[], %s::bigint[]) as wanted (node, boot, seq) using (node, boot, seq)"
    found = db.execute(
        f"select node, boot, seq, life, channel, quantities::text, {ms('ts')} from reading {wanted}"
        f" union all select node, boot, seq, life, channel, quantities::text, null from untimed {wanted}"
        " order by 4",
        _columns(numbers, 3) * 2,
    )
    for *number, life, channel, quantities, ts in found:
        kept[tuple(number)].append(Kept(life, channel, quantities, ts))
    return kept


def _insert(db: Connection, new: dict[Key, Reading]) -> None:
    for table, timed in (("reading", True), ("untimed", False)):
        rows = [
            (*key, r.channel, r.quantities, from_ms(r.received), r.late, *_time(r))
            for key, r in new.items()
            if (r.ts is not None) == timed
        ]
        if not rows:
            continue
        columns = _COLUMNS + (", ts" if timed else "")
        with (
            db.cursor() as cursor,
            cursor.copy(f"copy {table} ({columns}) from stdin") as copy,
        ):
            for row in rows:
                copy.write_row(row)


def _time(reading: Reading) -> tuple:
    return () if reading.ts is None else (from_ms(reading.ts),)


def _move(db: Connection, moved: dict[Key, tuple[int | None, Reading]]) -> None:
    """Give rows another time: in a table that is divided by it that is another row."""
    for key, (before, reading) in moved.items():
        table, at = ("untimed", ()) if before is None else ("reading", (from_ms(before),))
        db.execute(
            f"with gone as (delete from {table} where (node, boot, seq, life) = (%s, %s, %s, %s)"
            f"{' and ts = %s' if at else ''} returning *)"
            f" insert into reading ({_COLUMNS}, ts) select {_COLUMNS}, %s from gone",
            (*key, *at, *_time(reading)),
        )


def _grow(db: Connection, new: Iterable[Key]) -> None:
    """Count new readings to their starts. `whole`: as in placing.py of SQLite."""
    grown: dict[tuple[str, int, int], list[int]] = {}
    for node, boot, seq, life in new:
        start = grown.setdefault((node, boot, life), [seq, seq, 0])
        start[0] = min(start[0], seq)
        start[1] = max(start[1], seq)
        start[2] += 1
    rows: list[tuple] = []
    lowest: dict[str, int] = {}
    for (node, boot, life), (first, last, count) in grown.items():
        after = lowest.setdefault(node, boot) < boot  # of this very batch
        lowest[node] = min(lowest[node], boot)
        rows.append((node, boot, life, after, first, last, count))
    if rows:
        db.execute(
            "insert into start (node, boot, life, whole, first, last, readings)"
            " select g.node, g.boot, g.life, g.life = 1 and (g.after or exists"
            "   (select 1 from start s where s.node = g.node and s.boot < g.boot)), g.first, g.last, g.readings"
            " from unnest(%s::text[], %s::bigint[], %s::int[], %s::bool[], %s::bigint[], %s::bigint[], %s::bigint[])"
            "   as g (node, boot, life, after, first, last, readings)"
            " on conflict (node, boot, life) do update set first = least(start.first, excluded.first),"
            "  last = greatest(start.last, excluded.last), readings = start.readings + excluded.readings",
            _columns(rows, 7),
        )


def _columns(rows: Iterable[Any], count: int) -> list[list[Any]]:
    """Turn rows into the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
