"""What became of the demo's readings. The truth is known: when the board had power, and what its sensor really had."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

INTERVAL_S = 1  # between two readings
_START_S = 8  # from power-on until the first reading, on a busy computer
_TAIL_S = (
    INTERVAL_S + 0.5
)  # a reading that was not written yet when the power failed was never taken


class Row(NamedTuple):
    boot: int
    seq: int
    life: int
    ts: int | None  # Unix ms
    late: int  # 1: it came on `history`
    temperature: float | None


class Verdict(NamedTuple):
    """Numbers of readings. late: that came after an outage; invented: with a value or a time that was not."""

    taken: int
    arrived: int
    late: int
    lost: int
    twice: int
    invented: int

    def __str__(self) -> str:
        return f"taken {self.taken}, arrived {self.arrived}, lost {self.lost}, twice {self.twice}, invented {self.invented}"

    @property
    def kept(self) -> bool:
        return not (self.lost or self.twice or self.invented)


def rows(store: Path) -> list[Row]:
    """The readings of a store, in the order they were taken."""
    with closing(sqlite3.connect(store, timeout=10)) as db:
        found = db.execute(
            "select boot, seq, life, ts, late, json_extract(quantities, '$.temperature')"
            " from reading order by boot, seq, life"
        )
        return list(map(Row._make, found))


def judge(
    found: list[Row],
    lives: list[tuple[float, float | None]],
    true: Callable[[float, float], bool],
) -> Verdict:
    """lives: (began, ended) of each, Unix seconds, ended None: it goes on. true(ts, temperature): could the sensor have had that then?"""
    boots: dict[int, dict[int, Row]] = {}
    twice = invented = 0
    for row in found:
        there = boots.setdefault(row.boot, {})
        twice += row.seq in there
        there[row.seq] = row
        if row.ts is None or row.temperature is None or not true(row.ts / 1000, row.temperature):
            invented += 1
    lost = 0
    for began, ended in lives:
        own = {boot for boot, there in boots.items() if _began_in(there, began, ended)}
        lost += sum(max(boots[boot]) - len(boots[boot]) for boot in own)
        if ended is not None:
            times = [row.ts / 1000 for boot in own for row in boots[boot].values() if row.ts]
            last = max(times, default=began + _START_S)
            lost += max(0, int((ended - last - _TAIL_S) / INTERVAL_S))
    arrived = sum(map(len, boots.values()))
    late = sum(row.late for row in found)
    return Verdict(arrived + lost, arrived, late, lost, twice, invented)


def _began_in(there: dict[int, Row], began: float, ended: float | None) -> bool:
    """Is a boot's first reading of a life?"""
    first = min((row.ts / 1000 for row in there.values() if row.ts), default=0.0)
    return began <= first < (ended or float("inf"))
