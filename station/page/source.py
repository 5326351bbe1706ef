"""What the page shows of the store, as JSON has it. One connection that reads, and takes turns; the collector goes on meanwhile."""

import json
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from station.fleet import judge
from station.fleet.judge import ALARMING, Judged
from station.page import frames
from station.store.opening import AnyReader, open_reader
from station.store.reader import Newest
from station.store.series import Point, Series
from tools import CommandError

_MOST_NEW = 2_000  # readings of one look
_MOST_NEW_BYTES = 500_000  # of their quantities: one reading may have 64 KB
_MOST_ERRORS = 200  # marks of a plot


class Gone(Exception):
    """The store cannot be read now. The text says why."""


class Source:
    """Any thread may call it. Gone: the store cannot be read."""

    def __init__(self, place: str | Path) -> None:
        self._address = str(place)
        self.place = ""  # as people are told it, without a password; known when it is open
        self._store: AnyReader | None = None
        self._turn = threading.Lock()

    @contextmanager
    def _reading(self) -> Iterator[AnyReader]:
        with self._turn:
            try:
                self._store = self._store or open_reader(self._address)
                self.place = self._store.place
                yield self._store
            except CommandError as e:
                raise Gone(str(e)) from None

    def close(self) -> None:
        with self._turn:
            if self._store:
                self._store.close()
                self._store = None

    def base(self) -> str:
        with self._reading() as store:
            return store.recall("base") or ""

    def mark(self) -> int:
        """Return a mark for `since`."""
        with self._reading() as store:
            return store.mark()

    def since(self, mark: int, nodes: Set[str]) -> tuple[int, list[dict[str, Any]]]:
        """Return a new mark, and the readings of some nodes that came since the old one: the newest of them."""
        with self._reading() as store:
            newest = store.mark()
            found = store.since(mark, _MOST_NEW) if nodes and newest > mark else []
        chosen, room = [], _MOST_NEW_BYTES
        for node, channel, quantities, ts, received, late in reversed(found):
            if node in nodes:
                room -= len(quantities)
                if room < 0:
                    break
                reading = _reading(channel, json.loads(quantities), ts, received, late)
                chosen.append({"node": node, **reading})
        return newest, chosen[::-1]

    def nodes(self) -> list[dict[str, Any]]:
        """Return all nodes, those with the worst faults first."""
        with self._reading() as store:
            return [_summary(each) for each in judge.judged(store, frames.now())]

    def fault(self) -> str:
        """Return what is wrong at our own end; "": nothing."""
        with self._reading() as store:
            return judge.station(store, frames.now()) or ""

    def status(self, name: str) -> str | None:
        """Return what a node has said it is. None: it is not known, or has said nothing."""
        with self._reading() as store:
            known = store.known(name)
        return known[0].status if known else None

    def documents(self, name: str) -> dict[str, Any]:
        """Return `status`, `info` and `health` of a node, and when each came; nothing of one that is not known."""
        with self._reading() as store:
            known = store.known(name)
        fields = ("status", "status_at", "info", "info_at", "health", "health_at")
        return {field: getattr(known[0], field) for field in fields} if known else {}

    def node(self, name: str) -> dict[str, Any] | None:
        """Return all of one node that is no plot. None: the store does not know it."""
        with self._reading() as store:
            found = judge.judged(store, frames.now(), name)
            channels = [_channel(store, name, each) for each in store.latest(name)]
        if not found:
            return None
        return _summary(found[0]) | self.documents(name) | {"channels": channels}

    def series(
        self, node: str, channel: str, quantity: str, begin: int, end: int, points: int
    ) -> dict[str, Any]:
        """Return what a plot of one quantity shows of [begin, end), Unix ms.

        points: (ts, least, mean, most, late) each, late: how many of its readings came late; where the line is broken
        (ts, None, None, None, 0). gaps: (from, to); errors: (ts, how many); untimed: readings of the channel that have no time.
        """
        with self._reading() as store:
            found = store.series(node, channel, quantity, begin, end, points)
            errors = store.series(node, channel, "error", begin, end, _MOST_ERRORS)
            span, untimed = store.span(node, channel), store.untimed(node, channel)
        drawn = Series([each for each in found.points if each.mean is not None], *found[1:])
        gaps = _gaps(drawn, span[0] if span else None, begin, min(end, frames.now()))
        return {
            "step_ms": drawn.step_ms,
            "points": _broken(drawn.points, gaps),
            "gaps": gaps,
            "errors": [(each.ts, each.readings) for each in errors.points],
            "untimed": untimed,
        }


def _reading(
    channel: str, quantities: dict[str, Any], ts: int | None, received: int, late: bool
) -> dict[str, Any]:
    return {
        "channel": channel,
        "quantities": quantities,
        "ts": ts,
        "received": received,
        "late": late,
    }


def _summary(judged: Judged) -> dict[str, Any]:
    faults = [
        {"kind": each.kind, "text": each.text, "alarm": each.kind in ALARMING}
        for each in judged.faults
    ]
    return judged._asdict() | {"faults": faults}


def _channel(store: AnyReader, node: str, newest: Newest) -> dict[str, Any]:
    """Return a channel's newest reading, what can be plotted of it, and since when."""
    span = store.span(node, newest.channel)
    values = newest.quantities
    # In the order in which the sensor has them; those that it had before it failed come after these.
    names = dict.fromkeys([*values, *store.quantities(node, newest.channel)])
    names.pop("error", None)
    plots = [name for name in names if isinstance(values.get(name, 0.0), (int, float))]
    reading = _reading(newest.channel, values, newest.ts, newest.received, newest.late)
    return reading | {"plots": plots, "begin": span[0] if span else None}


def _gaps(series: Series, oldest: int | None, begin: int, end: int) -> list[tuple[int, int]]:
    """Where readings are missing: between points, and at the edges, if there have been some before."""
    if oldest is None or oldest >= end:
        return []
    first = series.points[0].ts if series.points else end
    last = series.points[-1].ts if series.points else first
    found = series.holes()
    if oldest < begin and first - begin > series.hole_ms:
        found.insert(0, (begin, first))
    if series.points and end - last > series.hole_ms:
        found.append((last, end))
    return found


def _broken(points: list[Point], gaps: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    """Return points with an empty one in each gap: there a line ends."""
    middles = {begin: (begin + end) // 2 for begin, end in gaps}
    found: list[tuple[Any, ...]] = []
    for point in points:
        found.append(point[:5])
        if point.ts in middles:
            found.append((middles[point.ts], None, None, None, 0))
    return found
