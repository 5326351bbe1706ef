"""The proof of a cluster: a simulated node and two collectors go on while servers die, are cut off and are restarted; then it counts.

The node knows the three servers in one order, the collectors in two others, so that each fault hits somebody else.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from sim.broker import HOST
from sim.simboard import SimBoard, make_board, until
from station.cluster.nats import Cluster, Server
from tools import ROOT, CommandError, mpy, pins, processes

NODE = "proof"
COLLECTORS = 2
_EACH_S = 0.25  # between two readings
_PATIENCE_S = 120  # until everything has come that is owed; who could not connect tries again after half a minute
_LOOK_S = 0.1
_UPDATE_S = 3  # how long a server is away that is updated


class Count(NamedTuple):
    """What came of the whole: readings that were taken; those that each store has, lacks and has under two lives."""

    taken: int
    arrived: list[int]
    lost: list[int]
    twice: list[int]

    @property
    def kept(self) -> bool:
        return not any(self.lost) and not any(self.twice)


class Silence:
    """How long each store gets nothing."""

    def __init__(self, rows: Callable[[], list[int]]) -> None:
        self._rows = rows
        self._counts = rows()
        self._since = [time.monotonic()] * len(self._counts)
        self.longest = [0.0] * len(self._counts)
        self.over = dict.fromkeys(range(len(self._counts)), False)  # store: it has got something

    def watch(self, ended: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not ended():
            time.sleep(_LOOK_S)
            now = time.monotonic()
            for number, count in enumerate(self._rows()):
                self.longest[number] = max(self.longest[number], now - self._since[number])
                if count > self._counts[number]:
                    self._counts[number], self._since[number] = count, now
                    self.over[number] = True


class Stand:
    """A cluster, a node and two collectors, each with a store of its own."""

    def __init__(self, folder: Path, qos: int, stack: ExitStack) -> None:
        self.folder = folder
        self.cluster = stack.enter_context(Cluster(folder))
        self.stores = [folder / f"collector-{n}.sqlite" for n in range(1, COLLECTORS + 1)]
        for number in range(1, COLLECTORS + 1):
            self._collect(number, stack)
        # Their subscriptions have to be there first: a message for which nobody has subscribed goes nowhere.
        for number in range(1, COLLECTORS + 1):
            log = self.log(number)
            self._wait(lambda log=log: "connected to" in log.read_text(), log)  # type: ignore[misc]
        self.board = self._node(qos, stack)
        self.board.start()
        self._wait(lambda: all(self.rows()), folder / "console")

    def _node(self, qos: int, stack: ExitStack) -> SimBoard:
        mpy.compile_tree(self.folder / "flash")
        ((pin,), *_) = pins.each("esp32", "adc")
        sensor = {"name": "fast", "type": "adc", "pin": pin, "r1": 10, "r2": 10}
        settings = {
            "node": {"name": NODE},
            "wifi": {"networks": [{"ssid": "attic"}]},
            "mqtt": {"brokers": self._brokers(0), "keepalive_s": 5},
            "sensors": [sensor | {"interval_s": _EACH_S, "qos": qos}],
        }
        return make_board(self.folder, "esp32", settings, stack)

    def _brokers(self, first: int) -> list[dict]:
        servers = self.cluster.servers
        return [{"host": HOST, "port": each.port} for each in servers[first:] + servers[:first]]

    def _collect(self, number: int, stack: ExitStack) -> None:
        settings = {"node": {"base": "outpost"}, "mqtt": {"brokers": self._brokers(number)}}
        config = self.folder / f"collector-{number}.json"
        config.write_text(json.dumps(settings))
        words = [sys.executable, "-m", "station", "collect", "--config", config]
        words += ["--store", self.stores[number - 1]]
        with self.log(number).open("wb") as log:
            process = processes.start(words, cwd=ROOT, stdout=log, stderr=log)
        stack.callback(processes.stop, process)

    def log(self, number: int) -> Path:
        return self.folder / f"collector-{number}.log"

    def _wait(self, test: Callable[[], bool], log: Path) -> None:
        if not until(test, _PATIENCE_S, _LOOK_S):
            raise CommandError(f"nothing arrives, {log} may say why")

    def rows(self) -> list[int]:
        """How many readings each store has."""
        return [_ask(store, "select count(*) from reading")[0][0] for store in self.stores]

    def server_of_the_node(self) -> Server:
        """The one that the node is connected to."""
        found: list[Server] = []

        def look():
            found[:] = [s for s in self.cluster.servers if s.serves(NODE)]
            return bool(found)

        self._wait(look, self.folder / "console")
        return found[0]

    def silences(
        self, strike: Callable[[], None], seconds: float, mend: Callable[[], None]
    ) -> list[float]:
        """Return how long each store got nothing at the longest, from a fault to the first reading after it was mended."""
        silence = Silence(self.rows)
        strike()
        silence.watch(lambda: False, seconds)
        mend()
        self.cluster.wait()
        silence.over = dict.fromkeys(silence.over, False)
        silence.watch(lambda: all(silence.over.values()), _PATIENCE_S)
        return silence.longest

    def count(self) -> Count:
        """Wait until both stores have what was taken up to now, and count."""
        taken = self.taken()
        until(
            lambda: all(_of(store, taken)[0] >= sum(taken.values()) for store in self.stores),
            _PATIENCE_S,
            _LOOK_S,
        )
        found = [_of(store, taken) for store in self.stores]
        total = sum(taken.values())
        return Count(
            total,
            [there for there, _ in found],
            [total - there for there, _ in found],
            [more for _, more in found],
        )

    def taken(self) -> dict[int, int]:
        """{boot: readings} of the node: they number themselves, from 1 on."""
        taken: dict[int, int] = {}
        for store in self.stores:
            for boot, last in _ask(store, "select boot, max(seq) from reading group by boot"):
                taken[boot] = max(last, taken.get(boot, 0))
        return taken


def _ask(store: Path, text: str) -> list[tuple]:
    with closing(sqlite3.connect(store, timeout=10)) as db:
        return db.execute(text).fetchall()


def _of(store: Path, taken: dict[int, int]) -> tuple[int, int]:
    """How many readings of {boot: last seq} a store has, and how many more rows than that."""
    text = "select count(distinct seq), count(*) - count(distinct seq) from reading where boot = {} and seq <= {}"
    rows = [_ask(store, text.format(boot, last))[0] for boot, last in taken.items()]
    return sum(there for there, _ in rows), sum(more for _, more in rows)


# ---- the faults


def dies(stand: Stand, server: Server, seconds: float) -> list[float]:
    """SIGKILL, as a power cut."""
    return stand.silences(server.kill, seconds, server.start)


def is_cut_off(stand: Stand, server: Server, seconds: float) -> list[float]:
    """A partition: it runs, and hears nothing of the others."""
    cluster = stand.cluster
    return stand.silences(lambda: cluster.cut_off(server), seconds, lambda: cluster.join(server))


def is_restarted(stand: Stand, server: Server, seconds: float) -> list[float]:
    """As an update of it does."""
    return stand.silences(server.stop, min(seconds, _UPDATE_S), server.start)


def nothing(stand: Stand, seconds: float) -> list[float]:
    return stand.silences(lambda: None, seconds, lambda: None)


# A table, one fault a row:
# fmt: off
FAULTS = (
    # name          what it does   in words
    ("kill",        dies,          "is killed (kill -9)"),
    ("partition",   is_cut_off,    "is cut off from the others"),
    ("restart",     is_restarted,  "is restarted, after it the next"),
)
# fmt: on
