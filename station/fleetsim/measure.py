"""What processes take, and what of a fleet's readings a store has."""

import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from station.fleetsim.node import Node


class Share(NamedTuple):
    """cpu: share of one core; rss_mb: memory now."""

    cpu: float
    rss_mb: float


class Meter:
    """What one process has taken since `begin()`. Where there is no /proc, nothing is known."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.begin()

    def begin(self) -> None:
        self._at, self._cpu = time.monotonic(), _cpu_s(self._pid)

    def share(self) -> Share:
        passed = time.monotonic() - self._at
        return Share((_cpu_s(self._pid) - self._cpu) / passed, _rss_mb(self._pid))


def _cpu_s(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


class Kept(NamedTuple):
    """taken: readings of the nodes; rows: those of the store. lost: taken and not there; twice: more rows than readings;
    untrue: nodes whose rows have other numbers or times; slowest_s: from taken to stored, the slowest; mb: of the file.
    """

    taken: int
    rows: int
    lost: int
    twice: int
    untrue: int
    slowest_s: float
    mb: float


def kept(path: Path, nodes: list[Node]) -> Kept:
    with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as db:
        rows = db.execute(
            "select node, boot, count(*), count(distinct seq), min(seq), max(seq), sum(ts) from reading group by node, boot"
        ).fetchall()
        slowest = db.execute("select max(received - ts) from reading").fetchone()[0] or 0
    found = {row[:2]: row[2:] for row in rows}
    lost = twice = untrue = count = 0
    for node in nodes:
        there, different, first, last, times = found.get((node.name, node.boot), (0, 0, 1, 0, 0))
        count += there
        lost += node.taken - different
        twice += there - different
        complete = there == different == node.taken
        untrue += complete and node.taken > 0 and (first, last, times) != (1, there, node.times)
    taken = sum(node.taken for node in nodes)
    return Kept(taken, count, lost, twice, untrue, slowest / 1000, path.stat().st_size / 1e6)
