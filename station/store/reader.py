"""The reading side of a SQLite store, beside a collector that writes to it: what each node is, and what it measured.

Read-only: it makes no file, brings none up to date, and holds up nobody. One thread at a time.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from station.store import nodes, removal, schema, series
from station.store.contract import MOST_COUNT, Account, Away
from station.store.hours import HOUR_MS, JOINED
from station.store.series import Series
from tools import CommandError, unreadable

NEWEST = 25  # readings of a channel from which its habits are known
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
AT_ONCE = 5_000  # rows of a long list
_RARE = 0.8  # the part of them that is usual: the rest may be outages


class Habit(NamedTuple):
    """How a channel's newest readings came. usual_ms: the distance that four of five do not exceed; regular: most are about as long;
    delay_ms: how much longer than the quickest a usual one is on its way, as where a node collects some before it sends.
    """

    usual_ms: int
    regular: bool
    delay_ms: int


class Newest(NamedTuple):
    """A channel's newest reading. ts: None: the node does not know; habit: None: too few readings."""

    channel: str
    quantities: dict[str, Any]
    ts: int | None
    received: int
    boot: int
    seq: int
    late: bool
    habit: Habit | None


class Known(NamedTuple):
    """What the store knows of a node: the newest of each document and when it came (None: never), and its channels.

    gap_recent: readings are missing of a start that is no older than a week; gap_told: how many lost ones have been told;
    given_up: readings that the node says it had no room for, since the store knows it.
    """

    node: str
    reading_at: int | None
    status: str | None
    status_at: int | None
    info: dict[str, Any]
    info_at: int | None
    health: dict[str, Any]
    health_at: int | None
    account: Account
    gap_told: int
    gap_at: int | None
    given_up: int
    channels: list[Newest]


class Reader:
    """A store that is read. CommandError: it cannot be opened, and what would be right."""

    def __init__(self, place: str | Path) -> None:
        self.path = Path(place)
        self.place = str(place)
        if "://" in self.place:
            raise CommandError(
                f"STORE={self.place.partition('://')[0]}:// is no file: this reads the SQLite file of make collect, as STORE=readings.sqlite"
            )
        self._file: tuple[int, int] = (0, 0)
        self._db = self._opened()
        self._channels: dict[str, tuple[tuple[int | None, int], list[Newest]]] = {}

    def close(self) -> None:
        self._db.close()

    def nodes(self) -> list[str]:
        return [row[0] for row in self._read("select node from node order by node")]

    def known(self, node: str | None = None) -> list[Known]:
        """Return what is known of each node, or of one, by name. A node whose `status` was taken back is gone."""
        where, values = ("where node = ?", (node,)) if node is not None else ("", ())
        starts = self._read(
            # total() is a float, which sum() of whole numbers is not: that fails where it overflows.
            f"select node, cast(min(total(last - iif(whole, 1, first) + 1 - readings), {MOST_COUNT}) as integer), sum(readings) from start"
            f" {where} group by node",
            values,
        )
        counts = {node: (missing, readings) for node, missing, readings in starts}
        rows = self._read(
            "select node, reading_at, status, status_at, info, info_at, health, health_at,"
            f" dropped_here, superseded_here, gap_told from node {where} order by node",
            values,
        )
        return [
            self._known(row, *counts.get(row[0], (0, 0)))
            for row in rows
            if row[2] is not None or row[3] is None
        ]

    def _known(self, row: tuple[Any, ...], missing: int, readings: int) -> Known:
        node, reading_at, status, status_at, info, info_at, health, health_at, *counts = row
        dropped, superseded, told = counts
        report = json.loads(health or "{}")
        waiting = nodes.waiting(report)
        account = Account(missing, dropped + superseded, waiting)
        return Known(
            *(node, reading_at, status, status_at, json.loads(info or "{}"), info_at),
            *(report, health_at, account, told, self._gap_at(node) if missing > 0 else None),
            *(dropped, self._of(node, (reading_at, readings))),
        )

    def channels(self, node: str) -> list[str]:
        """Return the names of a node's channels, those too of which only hours remain."""
        with self._looking() as db:
            return sorted({*removal.channels(db, node), *removal.channels(db, node, "hourly")})

    def latest(self, node: str) -> list[Newest]:
        """Return the newest reading of each channel of a node, by name of the channel."""
        with self._looking() as db:
            channels = removal.channels(db, node)
        found = [self._newest(node, channel) for channel in channels]
        return [each for each in found if each]

    def series(
        self, node: str, channel: str, quantity: str, begin_ms: int, end_ms: int, points: int = 500
    ) -> Series:
        """Return [begin, end) in at most so many points. The quantity `error` has the failures, which have no value."""
        if begin_ms >= end_ms:
            raise ValueError("the range ends before it begins")
        with self._looking() as db:
            found, step = series.points(
                db, (node, channel), quantity, begin_ms, end_ms, max(1, points)
            )
        usual = habit(self._newest_rows(node, channel, end_ms))
        return Series(found, step, usual.usual_ms if usual else None)

    def quantities(self, node: str, channel: str) -> list[str]:
        """Return the names of a channel's quantities, as its newest readings have them; `error` is none."""
        rows = self._read(
            "select distinct key from (select quantities from reading where node = ? and channel = ?"
            " order by ts desc limit ?), json_each(quantities) where key <> 'error'",
            (node, channel, NEWEST),
        )
        return sorted(row[0] for row in rows)

    def untimed(self, node: str, channel: str) -> int:
        """Return how many readings of a channel have no time."""
        where = "where node = ? and channel = ? and ts is null"
        return self._read(f"select count(*) from reading {where}", (node, channel))[0][0]

    def mark(self) -> int:
        """Return a mark: what is stored later comes after it."""
        return self._read("select ifnull(max(rowid), 0) from reading")[0][0]

    def since(self, mark: int, most: int) -> list[tuple[str, str, str, int | None, int, bool]]:
        """Return the newest readings after a mark, at most so many, as they came: (node, channel, quantities, ts, received, late)."""
        rows = self._read(
            "select node, channel, quantities, ts, received, late from reading where rowid > ?"
            " order by rowid desc limit ?",
            (mark, most),
        )
        return [(*row[:5], bool(row[5])) for row in reversed(rows)]

    def readings(
        self, node: str, channel: str, begin_ms: int, end_ms: int
    ) -> Iterator[tuple[int, str, int, int, int]]:
        """Yield (ts, quantities as JSON, late, boot, seq) of [begin, end) by time; nothing is kept open between a few thousand."""
        after = (begin_ms, 0)
        while True:
            rows = self._read(
                "select ts, quantities, late, boot, seq, rowid from reading where node = ? and channel = ?"
                " and (ts, rowid) > (?, ?) and ts < ? order by ts, rowid limit ?",
                (node, channel, *after, end_ms, AT_ONCE),
            )
            yield from (row[:5] for row in rows)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1][0], rows[-1][5]

    def hours(
        self, node: str, channel: str, begin_ms: int, end_ms: int
    ) -> Iterator[tuple[Any, ...]]:
        """Yield (ts of the hour, quantity, least, mean, most, readings, late) of hours that begin in [begin, end) and are summed up."""
        step = AT_ONCE * HOUR_MS
        for first in range(begin_ms, end_ms, step):
            yield from self._read(
                f"select hour * 3600000, quantity, {JOINED} from hourly where node = ? and channel = ?"
                " and hour * 3600000 >= ? and hour * 3600000 < ? and hour >= ? and hour <= ?"
                " group by hour, quantity",
                (
                    *(node, channel, first, min(end_ms, first + step)),
                    *(first // HOUR_MS, (first + step) // HOUR_MS),
                ),
            )

    def span(self, node: str, channel: str) -> tuple[int, int] | None:
        """Return when the first and the last reading of a channel was taken, removed ones too, to the hour. None: none with a time."""
        where = "where node = ?1 and channel = ?2"
        first, last, hour, newest = self._read(
            f"select (select min(ts) from reading {where}), (select max(ts) from reading {where}),"
            f" (select min(hour) from hourly {where}), (select max(hour) from hourly {where})",
            (node, channel),
        )[0]
        if first and hour == first // HOUR_MS:
            hour = None  # the reading itself is there
        begins = [ms for ms in (first, hour and hour * HOUR_MS) if ms]
        ends = [ms for ms in (last, newest and newest * HOUR_MS) if ms]
        return (min(begins), max(ends)) if begins else None

    def recall(self, key: str) -> str | None:
        rows = self._read("select value from about where key = ?", (key,))
        return rows[0][0] if rows else None

    def events(self, most: int) -> list[tuple[int, str, str]]:
        """Return the newest events, (Unix ms, kind, text) each, the newest first."""
        return self._read("select at, kind, text from event order by id desc limit ?", (most,))

    def _of(self, node: str, state: tuple[int | None, int]) -> list[Newest]:
        """The newest reading of each channel; looked up only when a reading has come since: then `state` is another one."""
        before = self._channels.get(node)
        if before and before[0] == state:
            return before[1]
        found = self.latest(node)
        self._channels[node] = state, found
        return found

    def _newest(self, node: str, channel: str) -> Newest | None:
        rows = self._newest_rows(node, channel)
        timed = rows[0] if rows else None
        # One without a time is the newest if it came later, and is not from before it: rows of one key are in the order they came.
        found = self._read(
            f"select {_ROW} from reading where node = ? and channel = ? and ts is null"
            " order by rowid desc limit 1",
            (node, channel),
        )
        untimed = found[0] if found else None
        row = timed or untimed
        if untimed and timed and untimed[2] > timed[2] and untimed[3:5] != timed[3:5]:
            row = untimed
        if not row:
            return None
        text, ts, received, boot, seq, late = row
        return Newest(
            *(channel, json.loads(text), ts, received, boot, seq, bool(late)), habit(rows)
        )

    def _newest_rows(
        self, node: str, channel: str, before_ms: int | None = None
    ) -> list[tuple[Any, ...]]:
        """The newest readings with a time, the newest first."""
        before = before_ms if before_ms is not None else 2**62
        return self._read(
            f"select {_ROW} from reading where node = ? and channel = ? and ts < ?"
            " order by ts desc, rowid desc limit ?",
            (node, channel, before, NEWEST),
        )

    def _gap_at(self, node: str) -> int | None:
        """When the newest reading came of a start that lacks some."""
        return self._read(
            "select max(reading.received) from gap join reading on reading.node = gap.node"
            " and reading.boot = gap.boot and reading.life = gap.life and reading.seq = gap.last"
            " where gap.node = ?",
            (node,),
        )[0][0]

    def _read(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._looking() as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """A connection to read by. CommandError: there is none, or the file is damaged."""
        self._look()
        try:
            yield self._db
        except sqlite3.Error as e:
            raise CommandError(f"{self.place} cannot be read: {e}") from None

    def _look(self) -> None:
        """The file may have been replaced."""
        with suppress(OSError):
            if _identity(self.path) == self._file:
                return
        self._db.close()
        self._file = (0, 0)  # if it cannot be opened, it is tried again
        self._db = self._opened()
        self._channels = {}

    def _opened(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise CommandError(
                unreadable(self.path, FileNotFoundError())
                + ": STORE= is the file that make collect writes"
            )
        uri = self.path.resolve().as_uri() + "?mode=ro"
        try:
            db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            self._check(db)
            self._file = _identity(self.path)
        except sqlite3.Error as e:
            if getattr(e, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                raise Away(
                    f"{self.place} cannot be read just now: {e}. See whether its disk is full"
                ) from None
            raise CommandError(
                f"{self.place} cannot be read: {e}. This user needs the right to read it, and to write in its folder"
            ) from None
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        application = db.execute("pragma application_id").fetchone()[0]
        version = db.execute("pragma user_version").fetchone()[0]
        if application != schema.APPLICATION:
            fault = "is no store of make collect: STORE= is the file that it writes"
        elif version < schema.VERSION:
            fault = "is of an earlier version: start make collect with it once, which brings it up to date"
        elif version > schema.VERSION:
            fault = "is of a newer version of this program: use that"
        else:
            return
        db.close()
        raise CommandError(f"{self.place} {fault}")


_ROW = "quantities, ts, received, boot, seq, late"


def habit(rows: list[tuple[Any, ...]]) -> Habit | None:
    """rows: (_, ts, received, …), the newest first."""
    distances = sorted(a[1] - b[1] for a, b in pairwise(rows))
    if len(distances) < 5:
        return None
    usual, middle = distances[int(len(distances) * _RARE)], distances[len(distances) // 2]
    delays = sorted(row[2] - row[1] for row in rows)
    delay = delays[int(len(delays) * _RARE)] - delays[0]
    return Habit(usual, 2 * usual <= 3 * middle, delay)


def _identity(path: Path) -> tuple[int, int]:
    file = os.stat(path)
    return file.st_dev, file.st_ino
