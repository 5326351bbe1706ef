"""`make bench-collect`: how fast the collector stores what waits at a broker, beside the raw insert rate of the same rows, in one run: plain
inserts into SQLite, COPY into PostgreSQL.

The readings are published first, so that the publisher takes no time of it; mosquitto and the collector share the machine, as they
would. Rates differ from machine to machine, the ratio less.
"""

import json
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import paho.mqtt.client as paho

from sim.broker import KEEP_ALL, Broker
from sim.databases import Postgres
from station import messages
from station.access import Access
from station.collector import BATCH, Collector
from station.metrics import Numbers
from station.session import Session
from station.store import schema
from station.store.opening import open_store
from tools import CommandError, tables
from tools.numbers import whole

_BASE = "outpost"
_FROM_MS = 1_795_900_000_000
_WINDOW = 2_000
_PATIENCE_S = 1_800
_STORES = ("sqlite", "postgresql", "timescaledb")
# As a recipe for a broker has it: by default mosquitto would throw away all but 1000.
_SETTINGS = (*KEEP_ALL, "set_tcp_nodelay true")


def add_arguments(parser):
    parser.add_argument("--count", type=whole(1), default=50_000, help="readings (%(default)s)")
    parser.add_argument("--nodes", type=whole(1), default=100, help="(%(default)s)")
    parser.add_argument(
        "--store",
        choices=_STORES,
        default=_STORES[0],
        help="PostgreSQL is one that is started for it, on this machine (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="numbers for a program")


def run(args):
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        found = measured(folder, args.store, args.count, args.nodes)
    if args.json:
        print(json.dumps(found))
        return 0
    rows = [(name.replace("_", " "), f"{value:,}") for name, value in found.items()]
    tables.show(tables.table(("what", "value"), rows, right=(1,)))
    return 0


def measured(folder, kind, readings, nodes):
    """Return {what: number}: rates a second, kilobytes. folder: where database and broker are; kind: one of _STORES."""
    with ExitStack() as stack:
        server = None
        if kind != "sqlite":
            server = Postgres(folder / "database", timescale=kind == "timescaledb")
            stack.enter_context(server)
        address = server.database("readings") if server else str(folder / "readings.sqlite")
        broker = stack.enter_context(Broker(folder / "broker", settings=_SETTINGS))
        store = stack.enter_context(closing(open_store(address, _BASE)))
        account = {"host": broker.host, "port": broker.port, "user": "", "password": ""}
        session = Session(Access(account | {"tls": None}, {}), _BASE, store.client_id)
        session.connect()
        session.leave()
        _publish(broker, readings, nodes)
        numbers = Numbers()
        watch = _Watch(numbers, readings)
        collector = Collector([session], store, _BASE, lambda text: None, numbers)
        began = time.monotonic()
        collector.run(watch.over)
        took = time.monotonic() - began
        if numbers.readings_stored < readings:
            raise CommandError(f"only {numbers.readings_stored} of {readings} readings came")
        raw = _copied(server, readings, nodes) if server else _plain(folder, readings, nodes)
    rate = readings / took
    return {
        "readings": readings,
        "collected_a_second": round(rate),
        "copied_a_second" if server else "plain_inserts_a_second": round(raw),
        "share_of_raw": round(rate / raw, 3),
        "readings_a_commit": round(readings / numbers.commits),
        "memory_at_a_tenth_kb": watch.early,
        "memory_at_the_end_kb": watch.late,
    }


class _Watch:
    """Ends a run, and looks at the memory of this process when a tenth is stored, and at the end."""

    def __init__(self, numbers, readings):
        self._numbers, self._readings = numbers, readings
        self._until = time.monotonic() + _PATIENCE_S
        self.early = self.late = 0

    def over(self):
        stored = self._numbers.readings_stored
        if not self.early and stored >= self._readings // 10:
            self.early = _resident()
        over = stored >= self._readings or time.monotonic() > self._until
        if over:
            self.late = _resident()
        return over


def _reading(number, nodes):
    """(topic, payload) of the number-th reading: nodes take turns, each with eight channels."""
    seq = number // nodes + 1
    text = (
        f'{{"ts":{_FROM_MS + number * 10},"boot":8072869,"seq":{seq},'
        f'"temperature":{20 + number % 700 / 100:.2f},"humidity":{40 + number % 300 / 10:.1f},'
        f'"pressure":{990 + number % 400 / 10:.2f}}}'
    )
    return f"{_BASE}/node{number % nodes}/reading/channel{seq % 8}", text.encode()


def _publish(broker, readings, nodes):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(_WINDOW)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        waiting = []
        for number in range(readings):
            topic, payload = _reading(number, nodes)
            waiting.append(client.publish(topic, payload, 1))
            if len(waiting) >= _WINDOW:
                waiting[0].wait_for_publish(_PATIENCE_S)
                del waiting[: _WINDOW // 2]
        for each in waiting:
            each.wait_for_publish(_PATIENCE_S)
    finally:
        client.disconnect()
        client.loop_stop()


def _batches(readings, nodes):
    """Yield the rows of commits, as large as the collector's."""
    for first in range(0, readings, BATCH):
        rows = []
        for number in range(first, min(first + BATCH, readings)):
            topic, payload = _reading(number, nodes)
            rows.append(messages.read(_BASE, topic, payload, False, _FROM_MS))
        yield rows


def _plain(folder, readings, nodes):
    """Inserts a second of the same rows into the same table of SQLite, as many a commit, and nothing else."""
    took = 0.0
    with closing(sqlite3.connect(folder / "plain.sqlite", isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        for statement in schema.TABLES.split(";"):
            db.execute(statement)
        for rows in _batches(readings, nodes):
            began = time.monotonic()
            db.execute("begin immediate")
            db.executemany(
                "insert into reading (node, boot, seq, channel, quantities, ts, received, late, life)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, 1)",
                rows,
            )
            db.execute("commit")
            took += time.monotonic() - began
    return readings / took


def _copied(server, readings, nodes):
    """Rows a second that COPY brings into the same table of PostgreSQL, as many a commit, and nothing else."""
    import psycopg

    from station.store.postgres.times import from_ms

    took = 0.0
    address = server.database("plain")
    open_store(address, _BASE).close()  # the tables
    with psycopg.connect(address) as db:
        for rows in _batches(readings, nodes):
            began = time.monotonic()
            columns = "node, boot, seq, channel, quantities, ts, received, late"
            with db.cursor() as cursor:
                with cursor.copy(f"copy outpost.reading ({columns}) from stdin") as copy:
                    for row in rows:
                        timed = row._replace(ts=from_ms(row.ts), received=from_ms(row.received))
                        copy.write_row(timed)
                db.commit()
            took += time.monotonic() - began
    return readings / took


def _resident():
    """Kilobytes of memory that this process has now; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
