"""The reading side of a PostgreSQL store, with the methods of reader.Reader. Times are Unix ms here, as there.

Means are computed from the readings each time, by steps of the range that is asked for: the database is quick at that, and there is nothing
to keep up to date.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg

from station.store import nodes
from station.store.contract import MOST_COUNT, Account
from station.store.hours import HOUR_MS
from station.store.postgres import tables
from station.store.postgres.faults import said
from station.store.postgres.store import LINK, checked, named
from station.store.postgres.times import from_ms, ms
from station.store.reader import AT_ONCE, NEWEST, Known, Newest, habit
from station.store.series import Point, Series
from tools import CommandError

_ROW = f"quantities, {ms('ts')}, {ms('received')}, boot, seq, late"
# A quantity of a reading as a number: true is 1, a text none, and neither is what would make a sum infinite.
_NUMBER = (
    "case jsonb_typeof(value) when 'boolean' then (value::boolean)::integer::double precision"
    " when 'number' then case when value::numeric between -1e300 and 1e300 then value::double precision end end"
)
_SUMMED = "coalesce(nullif(count(number), 0), count(*)), min(number), sum(number) / nullif(count(number), 0), max(number)"
# Where some are numbers, only those count, late ones too.
_LATE = "coalesce(sum(late::integer) filter (where number is not null), sum(late::integer))"


class PostgresReader:
    """A store that is read. CommandError: it cannot be, and what would be right."""

    def __init__(self, address: str) -> None:
        self._address = checked(address)
        self.place = named(address)
        self._link: psycopg.Connection | None = None
        if not self._read("select to_regclass(%s)", f"{tables.SCHEMA}.about")[0][0]:
            raise CommandError(f"{self.place} has no readings yet: make collect STORE= fills it")

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    def nodes(self) -> list[str]:
        return [row[0] for row in self._read('select node from node order by node collate "C"')]

    def known(self, node: str | None = None) -> list[Known]:
        """As Reader.known."""
        starts = self._read(
            f"select node, least(sum(last - case when whole then 1 else first end + 1 - readings), {MOST_COUNT})::bigint from start"
            " where %s::text is null or node = %s group by node",
            *(node, node),
        )
        missing = dict(starts)
        rows = self._read(
            f"select node, {ms('reading_at')}, status, {ms('status_at')}, info, {ms('info_at')}, health, {ms('health_at')},"
            " dropped_here, superseded_here, gap_told from node"
            ' where (%s::text is null or node = %s) and (status is not null or status_at is null) order by node collate "C"',
            *(node, node),
        )
        return [self._known(row, missing.get(row[0], 0)) for row in rows]

    def _known(self, row: tuple[Any, ...], missing: int) -> Known:
        node, reading_at, status, status_at, info, info_at, health, health_at, *counts = row
        dropped, superseded, told = counts
        report = health or {}
        waiting = nodes.waiting(report)
        return Known(
            *(node, reading_at, status, status_at, info or {}, info_at, report, health_at),
            Account(missing, dropped + superseded, waiting),
            *(told, self._gap_at(node) if missing > 0 else None, dropped, self.latest(node)),
        )

    def channels(self, node: str) -> list[str]:
        """As Reader.channels: one look-up each, however many readings there are."""
        rows = self._read(
            "with recursive found (channel) as ("
            " (select min(channel) from reading where node = %(node)s) union all"
            " select (select min(channel) from reading where node = %(node)s and channel > found.channel)"
            " from found where channel is not null)"
            " select channel from found where channel is not null"
            " union select channel from untimed where node = %(node)s",
            node=node,
        )
        return sorted(row[0] for row in rows)

    def latest(self, node: str) -> list[Newest]:
        """As Reader.latest."""
        found = [self._newest(node, channel) for channel in self.channels(node)]
        return [each for each in found if each]

    def series(
        self, node: str, channel: str, quantity: str, begin_ms: int, end_ms: int, points: int = 500
    ) -> Series:
        """As Reader.series."""
        if begin_ms >= end_ms:
            raise ValueError("the range ends before it begins")
        step = max(1, -(-(end_ms - begin_ms) // max(1, points)))
        rows = self._read(
            f"select (at - %(begin)s) / %(step)s as turn, coalesce(avg(at) filter (where number is not null), avg(at)), {_LATE}, {_SUMMED}"
            f" from (select {ms('ts')} as at, late, {_NUMBER} as number from reading, jsonb_each(quantities)"
            " where node = %(node)s and channel = %(channel)s and ts >= %(first)s and ts < %(last)s and key = %(quantity)s)"
            " as numbers group by turn order by turn",
            node=node,
            channel=channel,
            quantity=quantity,
            step=step,
            begin=begin_ms,
            first=from_ms(begin_ms),
            last=from_ms(end_ms),
        )
        found = [
            Point(int(at), least, mean, most, late, count)
            for _, at, late, count, least, mean, most in rows
        ]
        usual = habit(self._newest_rows(node, channel, end_ms))
        return Series(found, step, usual.usual_ms if usual else None)

    def quantities(self, node: str, channel: str) -> list[str]:
        """As Reader.quantities."""
        rows = self._read(
            "select distinct key from (select quantities from reading where node = %s and channel = %s"
            f" order by ts desc limit {NEWEST}) as newest, jsonb_each(quantities) where key <> 'error'",
            *(node, channel),
        )
        return sorted(row[0] for row in rows)

    def untimed(self, node: str, channel: str) -> int:
        """As Reader.untimed."""
        of = "from untimed where node = %s and channel = %s"
        return self._read(f"select count(*) {of}", node, channel)[0][0]

    def mark(self) -> int:
        """As Reader.mark: when the newest reading came, Unix ms."""
        return self._read(f"select coalesce({ms('max(reading_at)')}, 0) from node")[0][0]

    def since(self, mark: int, most: int) -> list[tuple[str, str, str, int | None, int, bool]]:
        """As Reader.since. Of several collectors one may store later what has come earlier: that is not among these."""
        columns = "node, channel, quantities::text, {}, received, late"
        rows = self._read(
            f"select node, channel, quantities, ts, {ms('received')}, late from"
            f" (select {columns.format(ms('ts') + ' as ts')} from reading where received > %(mark)s"
            f"  union all select {columns.format('null::bigint')} from untimed where received > %(mark)s) as newest"
            " order by received desc limit %(most)s",
            mark=from_ms(mark),
            most=most,
        )
        return rows[::-1]

    def readings(
        self, node: str, channel: str, begin_ms: int, end_ms: int
    ) -> Iterator[tuple[int, str, int, int, int]]:
        """As Reader.readings."""
        after: tuple[Any, ...] = (from_ms(begin_ms), 0, 0, 0)
        while True:
            rows = self._read(
                f"select {ms('ts')}, quantities::text, late::integer, boot, seq, ts, life from reading"
                " where node = %s and channel = %s and (ts, boot, seq, life) > (%s, %s, %s, %s) and ts < %s"
                f" order by ts, boot, seq, life limit {AT_ONCE}",
                *(node, channel, *after, from_ms(end_ms)),
            )
            yield from (row[:5] for row in rows)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1][5], rows[-1][3], rows[-1][4], rows[-1][6]

    def hours(
        self, node: str, channel: str, begin_ms: int, end_ms: int
    ) -> Iterator[tuple[Any, ...]]:
        """As Reader.hours: those that begin in [begin, end)."""
        first = -(-begin_ms // HOUR_MS) * HOUR_MS
        last = -(-end_ms // HOUR_MS) * HOUR_MS
        rows = self._read(
            f"select at / {HOUR_MS} * {HOUR_MS} as hour, key, {_LATE}, {_SUMMED}"
            f" from (select {ms('ts')} as at, late, key, {_NUMBER} as number from reading, jsonb_each(quantities)"
            " where node = %s and channel = %s and ts >= %s and ts < %s) as numbers group by hour, key order by hour, key",
            *(node, channel, from_ms(first), from_ms(last)),
        )
        for hour, quantity, late, count, least, mean, most in rows:
            yield hour, quantity, least, mean, most, count, late

    def span(self, node: str, channel: str) -> tuple[int, int] | None:
        """As Reader.span."""
        ((first, last),) = self._read(
            f"select {ms('min(ts)')}, {ms('max(ts)')} from reading where node = %s and channel = %s",
            *(node, channel),
        )
        return None if first is None else (first, last)

    def recall(self, key: str) -> str | None:
        rows = self._read("select value from about where key = %s", key)
        return rows[0][0] if rows else None

    def events(self, most: int) -> list[tuple[int, str, str]]:
        """As Reader.events."""
        return self._read(
            f"select {ms('at')}, kind, text from event order by id desc limit %s", most
        )

    def _newest(self, node: str, channel: str) -> Newest | None:
        rows = self._newest_rows(node, channel)
        timed = rows[0] if rows else None
        found = self._read(
            f"select quantities, null::bigint, {ms('received')}, boot, seq, late from untimed where node = %s and channel = %s"
            " order by received desc, boot desc, seq desc limit 1",
            *(node, channel),
        )
        row = timed or (found[0] if found else None)
        if timed and found and found[0][2] > timed[2]:
            row = found[0]
        return Newest._make([channel, *row, habit(rows)]) if row else None

    def _newest_rows(
        self, node: str, channel: str, before_ms: int | None = None
    ) -> list[tuple[Any, ...]]:
        """The newest readings with a time, the newest first."""
        before = None if before_ms is None else from_ms(before_ms)
        return self._read(
            f"select {_ROW} from reading where node = %s and channel = %s and (%s::timestamptz is null or ts < %s)"
            f" order by ts desc, boot desc, seq desc limit {NEWEST}",
            *(node, channel, before, before),
        )

    def _gap_at(self, node: str) -> int | None:
        """When the newest reading came of a start that lacks some."""
        rows = self._read(
            f"select {ms('max(received)')} from gap join"
            " (select node, boot, life, seq, received from reading union all"
            "  select node, boot, life, seq, received from untimed) as newest using (node, boot, life)"
            " where node = %s and seq = last",
            node,
        )
        return rows[0][0]

    def _read(self, statement: str, *values: Any, **named_values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, on a connection that is made anew if the last one has ended."""
        try:
            if self._link is None or self._link.closed:
                self._link = psycopg.connect(self._address, autocommit=True, **LINK)  # type: ignore[arg-type]
                self._link.read_only = True
                self._link.execute(f"set search_path = {tables.SCHEMA}, public")
            return self._link.execute(statement, named_values or values).fetchall()
        except psycopg.Error as e:
            with suppress(psycopg.Error):
                self.close()
            raise CommandError(str(said(self.place, e))) from None
