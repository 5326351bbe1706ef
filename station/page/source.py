"""What the page shows of the store. Everything here reads, in one connection of its own each time: the collector goes on meanwhile.

Each answer is bounded, whatever the store holds: so many points, so many errors, so many new readings.
"""

import json
import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from station.page import gaps
from station.store import schema

_PATIENCE_S = 5
_MOST_NEW = 2_000  # readings of one look
_MOST_ERRORS = 500  # of a plot
_MOST_SCANNED = 20_000  # readings in which these are looked for
_MOST_CHANNELS = 100  # of a node
_BACK = 200  # readings in which the quantities of a sensor that fails are looked for


class Gone(Exception):
    """The store cannot be read now. The text says why."""


class Source:
    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._path = Path(place).resolve()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)
            ) as db:
                if db.execute("pragma application_id").fetchone()[0] != schema.APPLICATION:
                    raise Gone(f"{self.place} is no store of make collect")
                yield db
        except sqlite3.Error as e:
            if not self._path.is_file():
                raise Gone(f"there is no {self.place}: make collect makes it") from None
            raise Gone(f"{self.place}: {e}") from None

    def base(self) -> str:
        with self._reading() as db:
            return db.execute("select value from about where key = 'base'").fetchone()[0]

    def newest(self) -> int:
        """A mark for `since`."""
        with self._reading() as db:
            return db.execute("select ifnull(max(rowid), 0) from reading").fetchone()[0]

    def since(self, mark: int, nodes: Set[str]) -> tuple[int, list[dict[str, Any]]]:
        """Return a new mark, and the readings of some nodes that came since the old one: the newest of them."""
        with self._reading() as db:
            newest = db.execute("select ifnull(max(rowid), 0) from reading").fetchone()[0]
            if newest <= mark or not nodes:
                return newest, []
            rows = db.execute(
                "select node, channel, quantities, ts, received, late from reading where rowid > ?"
                " order by rowid desc limit ?",
                (mark, _MOST_NEW),
            )
            found = [_reading(row[1:]) | {"node": row[0]} for row in rows if row[0] in nodes]
        return newest, found[::-1]

    def nodes(self) -> list[dict[str, Any]]:
        """All nodes, those with the worst faults first."""
        with self._reading() as db:
            rows = db.execute("select node, status, reading_at, info, health from node").fetchall()
        return [_summary(*row) for row in rows]

    def node(self, name: str) -> dict[str, Any] | None:
        """All of one node that is no plot. None: the store does not know it."""
        with self._reading() as db:
            row = db.execute(
                "select node, status, reading_at, info, health, status_at, info_at, health_at"
                " from node where node = ?",
                (name,),
            ).fetchone()
            if not row:
                return None
            channels = [_channel(db, name, each) for each in _channels(db, name)]
        found = _summary(*row[:5])
        found |= {"info": _document(row[3]), "health": _document(row[4])}
        found |= {"status_at": row[5], "info_at": row[6], "health_at": row[7]}
        return found | {"channels": channels}

    def node_status(self, name: str) -> str | None:
        """The newest `status` of a node. None: it is not known."""
        with self._reading() as db:
            row = db.execute("select status from node where node = ?", (name,)).fetchone()
        return row[0] if row else None

    def series(
        self, node: str, channel: str, quantity: str, begin: int, end: int, points: int
    ) -> dict[str, Any]:
        """What a plot of one quantity shows from begin to end (Unix ms).

        points: (ts, least, mean, most, late) each, late: how many of its readings came late; (ts, None, None, None, 0): the line
        is broken there. gaps: (from, to); errors: (ts, text) of the sensor; untimed: readings of the channel that have no time.
        """
        with self._reading() as db:
            found = _points(db, node, channel, quantity, begin, end, points)
            where = "from reading where node = ? and channel = ?"
            errors = db.execute(
                "select ts, error from (select ts, json_extract(quantities, '$.error') as error"
                f" {where} and ts >= ? and ts < ? order by ts desc limit ?)"
                " where error is not null limit ?",
                (node, channel, begin, end, _MOST_SCANNED, _MOST_ERRORS),
            ).fetchall()
            untimed = db.execute(
                f"select count(*) {where} and ts is null", (node, channel)
            ).fetchone()[0]
        stretches = gaps.breaks([point[0] for point in found])
        return {
            "points": gaps.with_breaks(found, stretches),
            "gaps": stretches,
            "errors": errors[::-1],
            "untimed": untimed,
        }


def _points(db, node, channel, quantity, begin, end, points):
    step = max(1, (end - begin) // points)
    rows = db.execute(
        "select min(ts), min(value), avg(value), max(value), sum(late) from reading, json_each(reading.quantities)"
        " where node = ? and channel = ? and ts >= ? and ts < ? and key = ? and type in ('integer', 'real', 'true', 'false')"
        " group by ts / ? order by ts",
        (node, channel, begin, end, quantity, step),
    )
    return rows.fetchall()


def _reading(row) -> dict[str, Any]:
    channel, quantities, ts, received, late = row
    return {
        "channel": channel,
        "quantities": json.loads(quantities),
        "ts": ts,
        "received": received,
        "late": bool(late),
    }


def _document(text: str | None) -> dict[str, Any]:
    return json.loads(text) if text else {}


def _summary(node, status, reading_at, info, health) -> dict[str, Any]:
    return {"node": node, "status": status, "reading_at": reading_at, "faults": []}


def _channels(db: sqlite3.Connection, node: str) -> list[str]:
    """One step in the index for each channel, however many readings there are."""
    rows = db.execute(
        "with recursive found(name) as ("
        "  select min(channel) from reading where node = :node"
        "  union all"
        "  select (select min(channel) from reading where node = :node and channel > found.name)"
        "  from found where found.name is not null"
        ") select name from found where name is not null limit :most",
        {"node": node, "most": _MOST_CHANNELS},
    )
    return [row[0] for row in rows]


def _channel(db: sqlite3.Connection, node: str, channel: str) -> dict[str, Any]:
    """The newest reading of a channel, its quantities, how many of its readings have no time, and since when it has readings."""
    where = "from reading where node = ? and channel = ?"
    newest = db.execute(
        f"select channel, quantities, ts, received, late, rowid {where} and ts is not null"
        " order by ts desc limit ?",
        (node, channel, _BACK),
    )
    latest, names = None, {}
    for row in newest:
        latest = latest or row
        quantities = json.loads(row[1])
        if "error" not in quantities:
            names = quantities
            break
    untimed = db.execute(
        f"select channel, quantities, ts, received, late, rowid {where} and ts is null order by rowid desc limit 1",
        (node, channel),
    ).fetchone()
    if untimed and (latest is None or untimed[5] > latest[5]):
        latest = untimed
        names = names or json.loads(untimed[1])
    count = db.execute(f"select count(*) {where} and ts is null", (node, channel)).fetchone()[0]
    begin = db.execute(f"select min(ts) {where} and ts is not null", (node, channel)).fetchone()[0]
    return {
        **_reading(latest[:5]),
        "plots": [
            name
            for name, value in names.items()
            if isinstance(value, (int, float)) and name != "error"
        ],
        "untimed": count,
        "begin": begin,
    }
