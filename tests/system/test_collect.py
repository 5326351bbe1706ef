"""`make collect` whole: a real mosquitto, the collector as a process, cut at any point; rows == readings that were published."""

import contextlib
import json
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from collecting import COLLECTOR, NODE, TS, Publisher, check, flowing
from otherbrokers import Nats, RabbitMQ
from outside import ONLINE_S, READER, settings, stream, until

from sim.broker import Broker, free_port
from sim.certificates import Authority
from station import collect, session
from station.access import PASSWORD, Access
from tools import ROOT


def test_readings_are_rows(collector, publisher):
    publisher.publish("attic/status", "online", retain=True)
    publisher.publish("attic/health", {"outbox": 0, "dropped": 0}, qos=0)
    for seq in range(1, 101):
        publisher.reading(seq, branch="history" if seq % 2 else "reading")
    collector.wait_rows(100)
    check(collector, publisher)
    assert sorted(collector.rows("late, count(*)", "reading group by late")) == [(0, 50), (1, 50)]
    assert collector.rows("node, status, health", "node") == [
        ("attic", "online", '{"outbox":0,"dropped":0}')
    ]
    assert collector.end() == 0
    assert collector.said().splitlines()[-1].startswith("stopped: 100 readings stored")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_in_order(number, collector, publisher):
    publisher.reading(1)
    publisher.done()
    time.sleep(0.3)
    assert collector.end(number) == 0
    assert len(collector.rows()) == 1
    assert "Traceback" not in collector.said()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_collector_that_is_killed_at_any_point_loses_and_doubles_nothing(
    collector, mosquitto, publisher
):
    """kill -9 of the collector, restarts and kills of the broker, while readings flow."""
    chance = random.Random(7)
    with flowing(publisher, 0.004):
        for cut in range(12):
            time.sleep(chance.uniform(0.02, 0.8))
            collector.end(signal.SIGKILL)
            if cut % 4 == 3:
                mosquitto.restart()
            collector.start(wait=cut % 2 == 0)
    publisher.done(60)
    collector.wait_rows(len(publisher.sent), 30)
    time.sleep(1)
    check(collector, publisher)
    assert collector.end() == 0
    assert "Traceback" not in collector.said()


def test_what_waits_while_the_collector_is_away_comes(collectors, mosquitto, publisher):
    collector = collectors(mosquitto).start()
    assert collector.end() == 0
    for seq in range(1, 1501):
        publisher.reading(seq)
    publisher.done()
    collector.start()
    collector.wait_rows(1500)
    check(collector, publisher)
    assert "its session goes on" in collector.said()


def test_a_window_of_twenty_is_not_the_brokers_choice(collectors, mosquitto, publisher):
    """mosquitto sends 20 at a time unless a client of MQTT 5 takes more: 1.1 rows a commit were seen."""
    port = free_port()
    collector = collectors(mosquitto, "--metrics", str(port)).start()
    collector.end()
    for seq in range(1, 1001):
        publisher.reading(seq)
    publisher.done()
    collector.start()
    collector.wait_rows(1000)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    numbers = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    assert int(numbers["outpost_collector_readings_stored_total"]) == 1000
    assert int(numbers["outpost_collector_commits_total"]) <= 15


def test_a_broker_that_throws_away_what_waits_is_told(collectors, tmp_path):
    """By default mosquitto keeps 1,000 messages for a collector that is away, and acknowledges the others to their nodes."""
    settings = ("max_queued_messages 50", "sys_interval 1")
    with Broker(tmp_path / "small", persistent=True, settings=settings) as small:
        collector = collectors(small).start()
        publisher = Publisher(small)
        time.sleep(1.5)  # for the count before
        collector.end()
        for seq in range(1, 201):
            publisher.reading(seq)
        publisher.done()
        publisher.stop()
        collector.start()
        collector.wait_for("has thrown away 150 messages")
        assert "max_queued_messages 1000000000 in mosquitto.conf keeps them" in collector.said()
        assert len(collector.rows()) == 50
        assert collector.rows("kind", "event") == [("broker",)]


def test_a_locked_store_loses_nothing(collector, mosquitto, publisher):
    publisher.reading(1)
    collector.wait_rows(1)
    db = sqlite3.connect(collector.store, isolation_level=None)
    db.execute("begin immediate")
    for seq in range(2, 301):
        publisher.reading(seq)
    collector.wait_for("nothing is acknowledged, the broker keeps it")
    assert "another program keeps it locked" in collector.said()
    mosquitto.restart()  # the broker has not been told that they are stored
    db.execute("rollback")
    db.close()
    collector.wait_for("the store takes readings again")
    publisher.done()
    collector.wait_rows(300)
    check(collector, publisher)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux can limit a running process")
def test_a_disk_that_takes_no_more_loses_nothing(collector, mosquitto, publisher):
    """The process may not write beyond a size: true errors in the midst of a commit."""
    publisher.reading(1)
    collector.wait_rows(1)
    pid = collector.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    wal = collector.store.with_name(collector.store.name + "-wal").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal + 10_000, before[1]))
    for seq in range(2, 501):
        publisher.reading(seq)
    collector.wait_for("nothing is acknowledged, the broker keeps it")
    assert "its disk fails" in collector.said()
    publisher.done()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    collector.wait_for("the store takes readings again")
    collector.wait_rows(500)
    check(collector, publisher)
    with contextlib.closing(sqlite3.connect(collector.store)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]


def test_a_killed_one_had_acknowledged_nothing_that_is_not_stored(collector, publisher):
    publisher.reading(1)
    collector.wait_rows(1)
    with contextlib.closing(sqlite3.connect(collector.store, isolation_level=None)) as db:
        db.execute("begin immediate")
        for seq in range(2, 31):
            publisher.reading(seq)
        collector.wait_for("nothing is acknowledged")
        collector.end(signal.SIGKILL)
        db.execute("rollback")
    assert len(collector.rows()) == 1
    collector.start()
    collector.wait_rows(30)
    check(collector, publisher)


def test_what_nodes_do_to_a_reading(collector, publisher):
    """Redelivery, a time that is filled in, a new life, a retained reading, nonsense."""
    publisher.reading(1)
    publisher.reading(1, branch="history")
    publisher.reading(2, ts=None)
    publisher.reading(2)
    publisher.reading(3, temperature=99, ts=5)
    publisher.reading(3)
    publisher.publish("attic/reading/air", "online")
    publisher.publish("attic/reading/air", b"\xff")
    publisher.publish("attic/reading/air", {"boot": 8, "seq": 4, "temperature": 1}, retain=True)
    publisher.done()
    collector.wait_rows(5)
    assert collector.rows("seq, life, ts, late") == [
        (1, 1, TS + 1000, 0),
        (2, 1, TS + 2000, 0),
        (3, 1, 5, 0),
        (3, 2, TS + 3000, 0),
        (4, 2, None, 0),  # the life that is now
    ]
    assert len(collector.rows("1", "bad")) == 2
    collector.wait_for("a new life of the node")
    collector.end()
    collector.start()
    publisher.reading(5)
    collector.wait_rows(6)  # and the retained one has not come as a reading
    assert len(collector.rows()) == 6


def test_a_second_collector_with_the_same_id_takes_over(
    collectors, collector, mosquitto, publisher
):
    """Two with one id would throw each other out for ever, and each would have some of the readings."""
    publisher.reading(1)
    collector.wait_rows(1)
    (client_id,) = collector.rows("value", "about where key = 'client_id'")[0]
    other = collectors(mosquitto, "--id", client_id, store="other.sqlite")
    other.log = other.log.with_name("other.log")
    other.start()
    assert collector.process.wait(20) == collect.TAKEN
    assert f"error: another client has connected as {client_id}" in collector.said()
    publisher.reading(2)
    other.wait_rows(1)


def test_the_broker_may_be_away_at_the_start(collectors, mosquitto, publisher):
    mosquitto.stop()
    collector = collectors(mosquitto).start(wait=False)
    collector.wait_for("Connection refused; tried again in")
    mosquitto.start()
    collector.wait_for("connected to ")
    publisher.reading(1)
    collector.wait_rows(1)


def test_a_broker_that_hangs_is_noticed(mosquitto, monkeypatch):
    """Its connections stay open, and it answers no ping. A collector that nothing comes to stays connected."""
    monkeypatch.setattr(session, "KEEPALIVE_S", 2)
    broker = {"host": mosquitto.host, "port": mosquitto.port, "user": "", "password": ""}
    link = session.Session(Access(broker | {"tls": None}, {}), "outpost", "collector-1")

    def idle(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            link.step(0.05)

    link.connect()
    idle(6)
    mosquitto.freeze()
    try:
        with pytest.raises(session.Lost, match="the connection ended"):
            idle(10)
    finally:
        mosquitto.thaw()
    link.connect()
    assert link.resumed
    link.leave()


def test_a_broker_that_forgot_the_session_is_told(collector, mosquitto, publisher):
    publisher.reading(1)
    collector.wait_rows(1)
    mosquitto.stop()
    for path in mosquitto.folder.glob("mosquitto.db*"):
        path.unlink()
    mosquitto.start()
    collector.wait_for("has forgotten the session")


def test_an_account_and_its_password(collectors, tmp_path):
    users, acl = dict((COLLECTOR, NODE)), {NODE[0]: ("write #",), COLLECTOR[0]: ("read #",)}
    (tmp_path / "secret").write_text(COLLECTOR[1])
    words = ("--account", COLLECTOR[0])
    with Broker(tmp_path / "broker", users=users, acl=acl) as broker:
        collector = collectors(broker, *words, "--password-file", str(tmp_path / "secret")).start()
        publisher = Publisher(broker, NODE)
        publisher.reading(1)
        collector.wait_rows(1)
        publisher.stop()
        words = Path(f"/proc/{collector.process.pid}/cmdline").read_bytes()
        assert COLLECTOR[1].encode() not in words
        assert collector.end() == 0
        wrong = collectors(broker, "--account", COLLECTOR[0], **{PASSWORD: "wrong"})
        assert wrong.start(wait=False).process.wait(20) == collect.REFUSED
        assert f"error: 127.0.0.1:{broker.port}: it refuses user or password" in wrong.said()


def test_the_account_of_the_page_may_read_what_it_needs_and_write_nothing(collectors, tmp_path):
    page = (ROOT / "docs" / "station.md").read_text()
    rules = re.search(r"user collector\n(.*?)```", page, re.S)[1].splitlines()
    acl = {NODE[0]: ("write #",), COLLECTOR[0]: [rule.removeprefix("topic ") for rule in rules]}
    users = dict((COLLECTOR, NODE))
    settings = re.search(r"```text\n(persistence true\n.*?)```", page, re.S)[1].splitlines()[1:]
    with Broker(
        tmp_path / "broker", users, acl, persistent=True, settings=[*settings, "sys_interval 1"]
    ) as broker:
        words = ("--account", COLLECTOR[0])
        collector = collectors(broker, *words, **{PASSWORD: COLLECTOR[1]}).start()
        publisher = Publisher(broker, NODE)
        publisher.reading(1)
        publisher.reading(2, branch="history")
        for topic in ("status", "info", "health"):
            publisher.publish(f"attic/{topic}", "online" if topic == "status" else {"x": 1})
        collector.wait_rows(2)
        filled = "status is not null and info is not null and health is not null"
        until(lambda: collector.rows("1", f"node where {filled}"), 10, "the state of the node")
        until(
            lambda: collector.rows("1", "about where key like 'dropped%'"),
            10,
            "the broker's count",
        )
        publisher.stop()
        forger = Publisher(broker, COLLECTOR)
        forger.reading(3)
        forger.done()
        forger.stop()
        time.sleep(1)
        assert len(collector.rows()) == 2


def test_tls_with_a_client_certificate(collectors, tmp_path):
    authority = Authority(tmp_path / "ca")
    server, own = authority.issue("broker", hosts=("localhost",)), authority.issue("collector")
    with Broker(tmp_path / "broker", tls=server, client_certs=True) as broker:
        files = ("--ca", str(own.ca), "--cert", str(own.cert), "--key", str(own.key))
        collector = collectors(broker, *files, "--server-name", "localhost").start()
        assert collector.end() == 0
        stranger = collectors(broker, *files).start(wait=False)
        stranger.wait_for("its certificate cannot be trusted")


@pytest.mark.parametrize("kind", [Nats, RabbitMQ])
def test_other_brokers(kind, collectors, tmp_path):
    """NATS speaks MQTT 3.1.1 only; RabbitMQ has a window of its own, and access rules that close the connection."""
    with kind(tmp_path / "broker") as broker:
        user, password = broker.user
        collector = collectors(broker, "--account", user, **{PASSWORD: password})
        collector.start(wait=False).wait_for("connected to ", timeout=30)
        publisher = Publisher(broker, broker.user)
        for seq in range(1, 201):
            publisher.reading(seq)
        collector.wait_rows(200)
        collector.end(signal.SIGKILL)
        publisher.reading(201)
        publisher.done()
        collector.start(wait=False)
        collector.wait_rows(201)
        check(collector, publisher)
        publisher.stop()


def test_a_collector_that_retires_takes_its_session_along(collectors, mosquitto, publisher):
    collector = collectors(mosquitto).start()
    collector.end()
    publisher.reading(1)
    publisher.done()
    words = [*collector.words, "--retire"]
    said = subprocess.check_output(words, cwd=ROOT, text=True, timeout=30)
    assert said.startswith(f"127.0.0.1:{mosquitto.port} keeps nothing more for collector-")
    collector.start()
    assert "a new session" in collector.said().splitlines()[-1]
    assert collector.rows() == []


def test_a_node_as_it_is(collectors, broker, nodes, listen):
    """The firmware on a simulated board, with an outage: rows are what a plain subscriber received, without what came twice."""
    seen = listen(broker)
    collector = collectors(broker, "--account", READER[0], **{PASSWORD: READER[1]}).start()
    node = nodes(settings([broker.port], sensors=stream(interval_s=0.2)))
    node.start()
    until(lambda: len(seen.readings("fast")) > 20, ONLINE_S, "readings")
    collector.end(signal.SIGKILL)
    broker.restart()
    collector.start(wait=False)
    until(lambda: len(seen.readings("fast")) > 60, ONLINE_S, "readings after it")
    until(lambda: collector.rows("1", "node where health is not null"), ONLINE_S, "its health")
    node.stop()
    sent = {(r["boot"], r["seq"]): r for r in seen.readings("fast")}
    until(lambda: len(collector.rows()) >= len(sent), 20, "all of them")
    rows = collector.rows("boot, seq, ts, quantities")
    assert {row[:2] for row in rows} == set(sent) and len(rows) == len(sent)
    for boot, seq, ts, quantities in rows:
        members = sent[boot, seq]
        assert json.loads(quantities) == {
            name: value for name, value in members.items() if name not in ("ts", "boot", "seq")
        }
        assert ts == members.get("ts")
    assert collector.rows("1", "bad") == []
    said = subprocess.run(
        [sys.executable, "-m", "station", "gaps", "--store", collector.store],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (said.returncode, said.stdout) == (0, "no number is missing\n")
