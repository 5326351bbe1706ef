"""PostgreSQL as the store of `make collect`: a server that is away, killed, full, locked, not ours."""

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from collecting import check, flowing
from outside import until

from sim.databases import USER, Postgres
from station.messages import Reading
from station.store.contract import Away, Batch, Damaged, StoreError
from station.store.opening import open_store
from tools import ROOT, CommandError

NOW = 1_796_000_000_000


def started(folder, kind):
    try:
        return Postgres(folder, timescale=kind == "timescaledb")
    except CommandError as e:
        pytest.skip(str(e))


@pytest.fixture(params=["postgresql", "timescaledb"])
def server(request, tmp_path):
    """A server of its own: it is killed."""
    with started(tmp_path / "database", request.param) as server:
        yield server


@pytest.fixture
def shared(databases):
    return databases.of("postgresql")


@pytest.fixture
def store(databases, tmp_path):
    store = open_store(databases.address("postgresql", tmp_path), "outpost")
    yield store
    store.close()


def put(store, *seqs):
    readings = [Reading("attic", 8, s, "air", '{"t":1}', NOW + s, NOW, False) for s in seqs]
    return store.append(Batch(readings=readings)).stored


@pytest.mark.timeout(240)
def test_a_database_that_is_killed_loses_and_doubles_nothing(
    server, collectors, mosquitto, publisher
):
    """kill -9 of the database in the midst of batches, now and then of the collector: rows are the readings that were published."""
    collector = collectors(mosquitto, store=server.database("readings")).start()
    chance = random.Random(7)
    with flowing(publisher, 0.003):
        for cut in range(5):
            time.sleep(chance.uniform(0.1, 0.6))
            server.kill() if cut % 3 else server.stop()
            time.sleep(chance.uniform(0, 0.5))
            if cut == 3:
                collector.end(signal.SIGKILL)
                collector.start(wait=False)  # it waits for the database
            server.start()
    publisher.done(60)
    collector.wait_rows(len(publisher.sent), 40)
    check(collector, publisher)
    assert collector.end() == 0
    assert "nothing is acknowledged, the broker keeps it" in collector.said()
    assert "Traceback" not in collector.said()


def test_what_waits_while_the_database_is_away_is_acknowledged_when_it_is_back(
    server, collectors, mosquitto, publisher
):
    collector = collectors(mosquitto, store=server.database("readings")).start()
    publisher.reading(1)
    collector.wait_rows(1)
    server.stop()
    for seq in range(2, 301):
        publisher.reading(seq)
    collector.wait_for("nothing is acknowledged, the broker keeps it: postgresql://")
    assert "it shuts down, or somebody has ended the connection" in collector.said()
    mosquitto.restart()  # the broker has not been told that they are stored
    server.start()
    collector.wait_for("the store takes readings again")
    publisher.done()
    collector.wait_rows(300)
    check(collector, publisher)
    (row,) = collector.rows("fsync", "(select current_setting('fsync') as fsync) as s")
    assert row == ("on",)
    said = subprocess.run(
        [sys.executable, "-m", "station", "gaps", "--store", collector.store],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (said.returncode, said.stdout) == (0, "no number is missing\n")


def test_it_is_a_hypertable_where_timescale_is(server):
    store = open_store(server.database("readings"), "outpost")
    assert put(store, 1, 2) == 2
    find = "select count(*) from {} where hypertable_name = 'reading'"
    if server.timescale:
        assert server.run("readings", find.format("timescaledb_information.hypertables")) == [(1,)]
        assert server.run("readings", find.format("timescaledb_information.chunks")) == [(1,)]
    else:
        assert not server.run("readings", "select 1 from pg_extension where extname ~ 'timescale'")
    store.close()


def test_another_program_that_keeps_it_locked(store, shared):
    with psycopg.connect(store.place) as other:
        other.execute("lock table outpost.start in access exclusive mode")
        began = time.monotonic()
        with pytest.raises(StoreError, match="another program keeps it locked: end that"):
            put(store, 1)
        assert time.monotonic() - began < 15  # a connection to a broker has to be looked after
    assert put(store, 1) == 1


def test_a_disk_that_is_full_takes_nothing_and_later_all(store, shared):
    """Of errors as the server has them: a trigger raises the one of a full disk."""
    with psycopg.connect(store.place, autocommit=True) as other:
        other.execute(
            "create function outpost.no_space() returns trigger language plpgsql as"
            " $$begin raise exception 'could not extend file' using errcode = 'disk_full'; end$$;"
            "create trigger no_space before insert on outpost.start execute function outpost.no_space()"
        )
        with pytest.raises(StoreError, match="no space is left for it: make some on the disk"):
            put(store, 1, 2)
        assert other.execute("select count(*) from outpost.reading").fetchone() == (0,)
        other.execute("drop trigger no_space on outpost.start")
    assert put(store, 1, 2) == 2


def test_tables_that_somebody_removes_are_made_anew(store):
    put(store, 1)
    client_id = store.client_id
    with psycopg.connect(store.place, autocommit=True) as other:
        other.execute("drop schema outpost cascade")
    with pytest.raises(StoreError):
        put(store, 2)
    assert put(store, 2) == 1
    assert store.client_id == client_id  # the broker's session goes on


def test_a_replica_is_told(store):
    with psycopg.connect(store.place, autocommit=True) as other:
        name = store.place.rpartition("/")[2]
        other.execute(f"alter database {name} set default_transaction_read_only = on")
        store.close()
        with pytest.raises(
            StoreError, match="it cannot be written: it is a replica, or read only"
        ):
            put(store, 1)
        other.execute("set default_transaction_read_only = off")
        other.execute(f"alter database {name} reset default_transaction_read_only")
    store.close()
    assert put(store, 1) == 1


def test_two_that_write_at_once_do_not_double_a_reading(databases, tmp_path):
    """Each number by both, at another time and in other batches: no index of TimescaleDB would refuse it."""
    store = open_store(databases.address("timescaledb", tmp_path), "outpost")
    other = open_store(store.place, "outpost")
    stored = []

    def write(into, size):
        for first in range(1, 401, size):
            readings = [
                Reading("attic", 8, seq, "air", '{"t":1}', NOW + seq + size, NOW, False)
                for seq in range(first, first + size)
            ]
            stored.append(into.append(Batch(readings=readings)).stored)

    threads = [threading.Thread(target=write, args=each) for each in ((store, 8), (other, 10))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stored) == 400
    (start,) = store.starts()
    assert (start.readings, start.missing) == (400, 0)
    with psycopg.connect(store.place) as db:
        assert db.execute("select count(*) from outpost.reading").fetchone() == (400,)
    store.close()
    other.close()


def refused(address, base="outpost"):
    with pytest.raises(CommandError) as e:
        open_store(address, base)
    return str(e.value)


def test_a_password_is_never_in_an_address(monkeypatch):
    for address in ("postgresql://me:hush@host/db", "postgresql://host/db?user=me&password=hush"):
        told = refused(address)
        assert "STORE= has a password in it" in told and "~/.pgpass" in told
        assert "hush" not in told
    assert "is no address" in refused("postgresql://host/db?nonsense=1")
    assert "hush" not in refused("postgresql://me:hu sh@[host/db")


def test_a_password_comes_from_the_environment(shared, monkeypatch, tmp_path):
    """Asked for by scram, as by default: right, wrong and none."""
    name = "secret_" + str(time.time_ns())
    address = shared.database(name)
    shared.run(name, f"create role {name} login superuser password 'hush-1'")
    rules = shared.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host {name} {name} 127.0.0.1/32 scram-sha-256\n{before}")
    shared.run(name, "select pg_reload_conf()")
    try:
        address = address.replace(f"{USER}@", f"{name}@")
        until(lambda: "no password supplied" in refused(address), 5, "the new rule")
        monkeypatch.setenv("PGPASSWORD", "wrong")
        assert "password authentication failed" in refused(address)
        monkeypatch.setenv("PGPASSWORD", "hush-1")
        open_store(address, "outpost").close()
    finally:
        rules.write_text(before)
        shared.run(name, "select pg_reload_conf()")


def test_databases_that_do_not_serve(store, shared, databases, tmp_path):
    address = store.place
    assert 'database "none" does not exist: make it with createdb' in refused(
        shared.address("none")
    )
    assert "has the readings below outpost/, not home/" in refused(address, "home")
    empty = databases.address("postgresql", tmp_path)
    assert "has no readings yet: make collect STORE= fills it" in refused(empty, None)
    store.remember("version", "99")
    assert "is of another version of this program" in refused(address)
    shared.run("postgres", "create database latin encoding 'LATIN1' template template0")
    assert "is a database in LATIN1, which cannot hold every name" in refused(
        shared.address("latin")
    )
    with pytest.raises(Away, match="Connection refused"):
        open_store(f"postgresql://{USER}@127.0.0.1:1/x", "outpost")


def test_a_server_that_does_not_wait_for_its_disk_is_told(tmp_path, monkeypatch):
    server = started(tmp_path / "database", "postgresql")
    words = server.words()
    monkeypatch.setattr(server, "words", lambda: [*words, "--fsync=off"])
    with server:
        store = open_store(server.database("readings"), "outpost")
        assert "fsync is off in this database" in store.limits[0]
        store.close()


def test_every_value_of_a_reading_is_a_row_that_a_stranger_understands(store):
    text = json.dumps({"t": 21.0, "n": -7, "on": True, "door": "open", "big": 1.7e308})
    store.append(Batch(readings=[Reading("ä'b", 8, 1, "air", text, NOW, NOW, False)]))
    store.append(Batch(readings=[Reading("b", 8, 1, "air", '{"error":"x"}', NOW, NOW, False)]))
    with psycopg.connect(store.place) as db:
        found = db.execute("select quantity, value, text from outpost.quantity").fetchall()
        kept = db.execute("select quantities::text from outpost.reading limit 1").fetchone()[0]
    assert sorted(found) == [
        ("big", 1.7e308, None),
        ("door", None, "open"),
        ("n", -7.0, None),
        ("on", 1.0, None),
        ("t", 21.0, None),
    ]
    assert '"t": 21.0' in kept  # its type, too


def test_the_example_of_the_page(store):
    page = (ROOT / "docs" / "station.md").read_text()
    (example,) = re.findall(r"```sql\n(select date_bin.*?)```", page, re.S)
    text = '{"temperature":20.5}'
    store.append(Batch(readings=[Reading("attic", 8, 1, "air", text, NOW, NOW, False)]))
    with psycopg.connect(store.place) as db:
        ((_, mean),) = db.execute(example).fetchall()
    assert mean == 20.5


def test_a_damaged_database_ends_it(store):
    with psycopg.connect(store.place, autocommit=True) as other:
        other.execute(
            "create function outpost.torn() returns trigger language plpgsql as"
            " $$begin raise exception 'invalid page in block 1' using errcode = 'data_corrupted'; end$$;"
            "create trigger torn before insert on outpost.start execute function outpost.torn()"
        )
    with pytest.raises(Damaged, match="is damaged"):
        put(store, 1)
