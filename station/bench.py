"""`make bench-collect`: how fast the collector stores what waits at a broker, beside plain inserts of the same rows, in one run.

The readings are published first, so that the publisher takes no time of it; mosquitto and the collector share the machine, as they
would. Rates differ from machine to machine, the ratio less.
"""

import json
import sqlite3
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho

from sim.broker import Broker
from station import messages
from station.access import Access
from station.collector import BATCH, Collector
from station.metrics import Numbers
from station.session import Session
from station.store import schema
from station.store.sqlite import SqliteStore
from tools import CommandError, tables
from tools.numbers import whole

_BASE = "outpost"
_FROM_MS = 1_795_900_000_000
_WINDOW = 2_000
_PATIENCE_S = 600
# As a recipe for a broker has it: by default mosquitto would throw away all but 1000.
_SETTINGS = ("max_queued_messages 1000000000", "set_tcp_nodelay true")


def add_arguments(parser):
    parser.add_argument("--count", type=whole(1), default=50_000, help="readings (%(default)s)")
    parser.add_argument("--nodes", type=whole(1), default=100, help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="numbers for a program")


def run(args):
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        found = measured(folder, args.count, args.nodes)
    if args.json:
        print(json.dumps(found))
        return 0
    rows = [(name.replace("_", " "), f"{value:,}") for name, value in found.items()]
    tables.show(tables.table(("what", "value"), rows, right=(1,)))
    return 0


def measured(folder, readings, nodes):
    """Return {what: number}: rates a second, kilobytes. folder: where database and broker are."""
    with Broker(folder / "broker", settings=_SETTINGS) as broker:
        account = {"host": broker.host, "port": broker.port, "user": "", "password": ""}
        access = Access(account | {"tls": None}, {})
        store = SqliteStore(folder / "readings.sqlite", _BASE)
        session = Session(access, _BASE, store.client_id)
        session.connect()
        session.leave()
        _publish(broker, readings, nodes)
        numbers = Numbers()
        before = _resident()
        collector = Collector([session], store, _BASE, lambda text: None, numbers)
        began = time.monotonic()
        collector.run(
            lambda: numbers.readings_stored >= readings or time.monotonic() - began > _PATIENCE_S
        )
        took = time.monotonic() - began
        store.close()
    if numbers.readings_stored < readings:
        raise CommandError(f"only {numbers.readings_stored} of {readings} readings came")
    plain = _plain(folder / "plain.sqlite", readings, nodes)
    rate = readings / took
    return {
        "readings": readings,
        "collected_a_second": round(rate),
        "plain_inserts_a_second": round(plain),
        "share_of_plain": round(rate / plain, 3),
        "readings_a_commit": round(readings / numbers.commits),
        "grown_kb": _resident() - before,
    }


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


def _plain(path, readings, nodes):
    """Inserts a second of the same rows into the same tables, as many a commit, and nothing else."""
    rows = []
    for number in range(readings):
        topic, payload = _reading(number, nodes)
        rows.append((*messages.read(_BASE, topic, payload, False, _FROM_MS), 1))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    for statement in schema.TABLES.split(";"):
        db.execute(statement)
    began = time.monotonic()
    for first in range(0, readings, BATCH):
        db.execute("begin immediate")
        db.executemany(
            "insert into reading (node, boot, seq, channel, quantities, ts, received, late, life)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows[first : first + BATCH],
        )
        db.execute("commit")
    took = time.monotonic() - began
    db.close()
    return readings / took


def _resident():
    """Kilobytes of memory that this process has now; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
