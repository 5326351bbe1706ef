"""What every store does, over each kind: what a reading's identity is. And what a SQLite file does where it does not take a batch."""

import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import stores
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.messages import Bad, Reading, State
from station.store.contract import MOST_COUNT, Batch, Damaged, Start, StoreError
from station.store.opening import open_reader, open_store
from station.store.sqlite import SqliteStore
from tools import ROOT, CommandError

NOW = 1_796_000_000_000
TS = 1_795_917_130_051


@pytest.fixture(params=stores.KINDS)
def store(request, databases, tmp_path):
    store = open_store(databases.address(request.param, tmp_path), "outpost")
    yield store
    store.close()


only_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def again(store):
    """The same store, opened anew."""
    store.close()
    return open_store(address(store))


def address(store):
    return str(getattr(store, "path", store.place))


def reading(seq, value=20.5, ts=TS, node="attic", boot=8, channel="air", late=False):
    text = json.dumps({"temperature": value})
    return Reading(node, boot, seq, channel, text, ts and ts + seq * 1000, NOW, late)


def put(store, *readings):
    """What became of readings: (stored, doubled, completed, retimed), and what is told."""
    o = store.append(Batch(readings=list(readings)))
    return (o.stored, o.doubled, o.completed, o.retimed), o.told


def rows(store, what="seq, life, quantities, ts", of="reading"):
    return stores.rows(address(store), what, of)


def health(store, node="attic", **members):
    store.append(Batch(states=[State(node, "health", json.dumps(members), NOW)]))


# Identity: the numbers and what the reading says


def test_a_reading_is_a_row_that_a_stranger_understands(store):
    assert put(store, reading(1), reading(2, late=True)) == ((2, 0, 0, 0), [])
    columns = "node, boot, seq, life, channel, quantities, ts, received, late"
    (first, second) = rows(store, columns)
    assert first == ("attic", 8, 1, 1, "air", '{"temperature": 20.5}', TS + 1000, NOW, 0)
    assert second[-1] == 1
    (row, _) = rows(store, "node, channel, utc, quantity, value, late", "quantity")
    assert row == ("attic", "air", "2026-11-29 01:52:11", "temperature", 20.5, 0)


def test_the_same_reading_again_is_counted_and_not_stored(store):
    """It comes again after a death before the acknowledgement, and as a late one."""
    put(store, reading(1))
    assert put(store, reading(1), reading(1, late=True)) == ((0, 2, 0, 0), [])
    assert put(store, reading(2), reading(2)) == ((1, 1, 0, 0), [])  # in one batch
    assert len(rows(store)) == 2


def test_members_in_another_order_are_the_same_reading(store):
    one = reading(1)._replace(quantities='{"a":1,"b":2.0}')
    put(store, one)
    assert put(store, one._replace(quantities='{"b":2.0,"a":1}'))[0] == (0, 1, 0, 0)


@pytest.mark.parametrize(
    "value", ["21", "21.0", "1e23", "1.7976931348623157e308", "5e-324", "-0.0"]
)
def test_a_number_is_the_same_whatever_the_database_makes_of_it(value, store):
    one = reading(1)._replace(quantities=f'{{"a":{value},"b":"ü","c":true}}')
    put(store, one)
    assert put(store, one)[0] == (0, 1, 0, 0)


def test_the_time_that_comes_later_is_filled_in(store):
    """A reading from before the node's first time sync."""
    assert put(store, reading(1, ts=None))[0] == (1, 0, 0, 0)
    assert rows(store, "ts") == [(None,)]
    assert put(store, reading(1))[0] == (0, 0, 1, 0)
    assert rows(store) == [(1, 1, '{"temperature": 20.5}', TS + 1000)]
    # and never taken away: the one without a time comes once more
    assert put(store, reading(1, ts=None))[0] == (0, 1, 0, 0)
    assert rows(store, "ts") == [(TS + 1000,)]


def test_a_reading_without_a_time_is_kept_apart_and_gets_no_time_of_arrival(store):
    put(store, reading(1, ts=None), reading(2))
    assert rows(store, "boot, seq", "quantity") == [(8, 2)]
    assert rows(store, "boot, seq, received", "untimed") == [(8, 1, NOW)]


def test_the_same_number_with_another_content_is_a_new_life_loudly(store):
    """A flash that was erased, under firmware that counts boots from 1: 56 readings were dropped as duplicates."""
    put(store, *(reading(seq) for seq in range(1, 11)))
    second = [reading(seq, value=seq, ts=TS + 10**9) for seq in range(1, 15)]
    counts, told = put(store, *second)
    assert counts == (14, 0, 0, 0)
    assert len(told) == 1 and "attic/air, boot 8, seq 1: this number" in told[0]
    assert "a new life of the node" in told[0] and "life 2" in told[0]
    assert [row[1] for row in rows(store)] == [1] * 10 + [2] * 14
    assert rows(store, "kind", "event") == [("reading",)]
    # either again is a double, whatever life it is of
    assert put(store, *second, *(reading(seq) for seq in range(1, 11))) == ((0, 24, 0, 0), [])


def test_a_life_is_known_after_a_restart_of_the_collector(store):
    put(store, reading(1), reading(2))
    put(store, reading(1, value=7, ts=TS + 10**9))
    after = again(store)
    # The same content at another time: of a new life it is another reading, not a corrected clock
    assert put(after, reading(2, ts=TS + 10**9)) == ((1, 0, 0, 0), [])
    assert [row[:2] for row in rows(after)] == [(1, 1), (2, 1), (1, 2), (2, 2)]
    counts, told = put(after, reading(1, value=8, ts=TS + 2 * 10**9))
    assert counts == (1, 0, 0, 0) and "life 3" in told[0]
    after.close()


def test_another_channel_under_the_same_number_is_another_life(store):
    put(store, reading(1))
    assert put(store, reading(1, channel="room"))[0] == (1, 0, 0, 0)


def test_a_clock_that_the_node_corrected_counts_and_the_earlier_time_is_kept(store):
    """A node that gave up a wrong time sends what still waits with the right one."""
    put(store, reading(1))
    counts, told = put(store, reading(1, ts=TS + 86_400_000))
    assert counts == (0, 0, 0, 1)
    assert told == [
        f"attic/air, boot 8, seq 1: its time is corrected from {TS + 1000} to {TS + 86_401_000}"
    ]
    assert rows(store, "ts") == [(TS + 86_401_000,)]
    assert rows(store, "text", "event") == [(told[0],)]
    # a second look at the clock differs by the network's delay: that is no correction
    assert put(store, reading(1, ts=TS + 86_400_900))[0] == (0, 1, 0, 0)


def test_nodes_boots_and_channels_do_not_meet(store):
    every = [
        reading(1, node=node, boot=boot)
        for node in ("a", "b", "ä", "a'b", "a b")
        for boot in (1, 2)
    ]
    assert put(store, *every)[0] == (10, 0, 0, 0)
    assert put(store, *every)[0] == (0, 10, 0, 0)


class Cut(Exception):
    """The process ends here, before the commit."""


class Cutting(list):
    """What a batch has last of all; there it is cut."""

    def __iter__(self):
        raise Cut


_names = (f"node{number}" for number in itertools.count())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_again_in_whatever_order_is_there_once(data, store):
    """Readings come as often as a broker likes, some before they have their time; commits fail. All that was acknowledged is there."""
    node = next(_names)
    count = data.draw(st.integers(1, 8))
    sent = [(seq, timed) for seq in range(1, count + 1) for timed in (False, True)]
    arrived = data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=30))
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=30, max_size=30))
    fails = data.draw(st.lists(st.booleans(), min_size=30, max_size=30))
    known: dict[int, bool] = {}
    total = 0
    for size, fail in zip(sizes, fails, strict=True):
        batch, arrived = arrived[:size], arrived[size:]
        if not batch:
            break
        readings = [reading(seq, ts=TS if timed else None, node=node) for seq, timed in batch]
        if fail:
            with pytest.raises(Cut):
                store.append(Batch(readings=readings, bad=Cutting([0])))
        total += put(store, *readings)[0][0]
        for seq, timed in batch:
            known[seq] = known.get(seq, False) or timed
    expected = {(node, seq, 1, TS + seq * 1000 if timed else None) for seq, timed in known.items()}
    found = [row for row in rows(store, "node, seq, life, ts") if row[0] == node]
    assert (set(found), len(found)) == (expected, len(expected))
    assert total == len(known) == sum(start.readings for start in store.starts(node))


# What else is kept


def test_a_bad_message_is_kept_with_its_reason_and_not_for_ever(store, monkeypatch):
    monkeypatch.setattr(sys.modules[type(store).__module__], "MOST_BAD", 3)
    for number in range(5):
        store.append(Batch(bad=[Bad("outpost/x", b"y" * 5000, f"why {number}", NOW)]))
    assert rows(store, "topic, why, length(payload), bytes", "bad") == [
        ("outpost/x", f"why {number}", 4096, 5000) for number in (2, 3, 4)
    ]


def test_what_a_database_refuses_of_one_node_holds_up_no_other(store):
    """It would come again and again, and nothing would be acknowledged any more."""
    deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
    readings = [reading(seq) for seq in range(1, 40)]
    readings[17] = reading(18, boot=2**70)
    readings[30] = reading(31, boot=2**80, late=True)
    states = [State("attic", "status", "online", NOW), State("attic", "health", deep, NOW)]
    outcome = store.append(Batch(readings, states, [Bad("outpost/x", b"y", "why", NOW)]))
    assert (outcome.stored, len(rows(store))) == (37, 37)
    assert rows(store, "status, health", "node") == [("online", None)]
    bad = {
        topic: (json.loads(payload)["boot"], why)
        for topic, payload, why in rows(store, "topic, payload, why", "bad")
        if "air" in topic
    }
    assert bad.keys() == {"outpost/attic/reading/air", "outpost/attic/history/air"}
    assert bad["outpost/attic/reading/air"][0] == 2**70
    assert all(why for _, why in bad.values())
    assert {"outpost/x", "outpost/attic/health"} < {
        topic for (topic,) in rows(store, "topic", "bad")
    }
    (text,) = outcome.told
    assert f"attic/air, boot {2**70}, seq 18, and 2 more: the database refuses it: " in text
    assert put(store, reading(40))[0] == (1, 0, 0, 0)


def test_the_newest_state_of_a_node(store):
    def state(kind, text, received, retained=False):
        store.append(Batch(states=[State("attic", kind, text, received, retained)]))

    def seen():
        ((status, at, info, heard),) = rows(store, "status, status_at, info, reading_at", "node")
        return status, at - NOW, json.loads(info), heard

    state("status", "online", NOW)
    state("info", '{"version":"1"}', NOW)
    state("status", "offline", NOW + 5)
    assert seen() == ("offline", 5, {"version": "1"}, None)
    # What the broker kept comes at each connection, and is as old as it is
    state("status", "offline", NOW + 99, retained=True)
    assert seen()[:2] == ("offline", 5)
    state("status", "online", NOW + 100, retained=True)
    assert seen()[:2] == ("online", 100)
    state("status", None, NOW + 101)
    put(store, reading(1))
    assert seen() == (None, 101, {"version": "1"}, NOW)


# Which numbers are missing


def test_gaps_are_counted_from_the_first_that_is_known(store):
    put(store, reading(50), reading(51), reading(55))
    (start,) = store.starts()
    assert (start.first, start.last, start.missing) == (50, 55, 3)
    assert store.absent(start, 9) == [(52, 54)]
    put(store, reading(40), reading(53))  # later ones fill it, and older ones widen it
    (start,) = store.starts("attic")
    assert store.absent(start, 9) == [(41, 49), (52, 52), (54, 54)]
    assert store.absent(start, 1) == [(41, 49)]
    assert start.missing == 11
    assert rows(store, "node, boot, first, last, readings, missing", "gap") == [
        ("attic", 8, 40, 55, 5, 11)
    ]


def test_a_later_start_is_expected_whole_and_an_earlier_one_is_not(store):
    put(store, reading(50, boot=8))
    put(store, reading(3, boot=9))
    put(store, reading(90, boot=7))  # it still waited on the node when the station came
    missing = {start.boot: start.missing for start in store.starts()}
    assert missing == {7: 0, 8: 0, 9: 2}
    assert store.absent(store.starts()[2], 9) == [(1, 2)]


def test_what_the_node_gave_up_explains_a_gap(store):
    put(store, reading(1), reading(11))
    health(store, dropped=100)
    assert store.account("attic") == (9, 0, 0)  # those were before this store's time
    health(store, dropped=103, superseded=0, outbox=2, set_aside=1)
    assert store.account("attic") == (9, 3, 3)
    health(store, dropped=103, superseded=2)
    assert store.account("attic") == (9, 5, 0)
    assert store.account("attic").lost == 4
    health(store, dropped=1, superseded=1)  # an erased flash, and another start: both begin anew
    assert store.account("attic") == (9, 7, 0)
    health(store, dropped="x", superseded=-1, outbox=True, set_aside=2.5)
    assert store.account("attic").waiting == 0
    assert store.account("nobody") == (0, 0, 0)


def test_counts_of_nonsense_stop_where_a_database_still_holds_them(store):
    """Sums that overflow would fail at each look, for all nodes, for ever."""
    put(store, *(reading(seq, boot=boot, ts=None) for boot in (1, 2) for seq in (1, 2**63 - 1)))
    for dropped in (0, MOST_COUNT, 0, MOST_COUNT):
        health(store, dropped=dropped)
    account = store.account("attic")
    assert account == (MOST_COUNT, MOST_COUNT, 0)
    store.tell_gap("attic", account.missing)
    assert store.told_gap("attic") == MOST_COUNT
    with closing(open_reader(address(store))) as reader:
        (known,) = reader.known()
    assert known.account == account


# The page


PAGE = (ROOT / "docs" / "station.md").read_text()


@only_sqlite
def test_the_examples_of_the_page(store):
    failed = reading(3)._replace(quantities='{"error":"x"}', ts=int(time.time() * 1000))
    put(store, reading(1), reading(2, ts=None), failed)
    store.sum_up(failed.ts, 100)
    examples = re.search(r"```sql\n(.*?)```", PAGE, re.S)[1].split(";")
    (shell,) = re.findall(r'sqlite3 readings.sqlite "(.*?)"', PAGE)
    with sqlite3.connect(store.path) as db:
        found = [db.execute(text).fetchall() for text in [*examples, shell]]
    assert [len(rows) for rows in found] == [1, 1, 1, 1, 0, 1]
    assert found[0] == [("2026-11-29 01:00:00", 20.5)]


@only_sqlite
def test_the_page_has_every_table_and_every_column_of_a_reading(store):
    made = {row[0] for row in rows(store, "name", "sqlite_master where type <> 'index'")}
    section = PAGE.partition("## The tables")[2].partition("```sql")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
    columns = {row[0] for row in rows(store, "name", "pragma_table_info('reading')")}
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in row.split("`")
    }
    assert made - {"about", "reading"} <= listed
    assert columns <= named


# When the store does not take it


@only_sqlite
def test_a_full_disk_takes_nothing_of_a_batch_and_all_of_it_later(store):
    put(store, reading(1))
    pages = store._db.execute("pragma page_count").fetchone()[0]
    store._db.execute(f"pragma max_page_count = {pages}")
    batch = [reading(seq) for seq in range(2, 2000)]
    with pytest.raises(StoreError, match="no space is left for it: make some on its disk"):
        put(store, *batch)
    assert len(rows(store)) == 1
    assert [start.last for start in store.starts()] == [1]
    store._db.execute("pragma max_page_count = 100000")
    assert put(store, *batch)[0] == (1998, 0, 0, 0)


@only_sqlite
def test_another_program_that_keeps_it_locked(store):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin immediate")
    began = time.monotonic()
    with pytest.raises(StoreError, match="another program keeps it locked: end that"):
        put(store, reading(1))
    assert time.monotonic() - began < 5  # a connection to a broker has to be looked after
    other.execute("rollback")
    other.close()
    assert put(store, reading(1))[0] == (1, 0, 0, 0)


@only_sqlite
def test_a_reader_stops_nothing(store):
    put(store, reading(1))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin")
    assert other.execute("select count(*) from reading").fetchone() == (1,)
    put(store, reading(2))
    assert other.execute("select count(*) from reading").fetchone() == (1,)
    other.close()


@only_sqlite
@pytest.mark.parametrize("what", ["", "-wal"])
def test_a_file_that_somebody_removes_takes_nothing_with_it(store, what):
    """SQLite goes on writing into what no longer has a name, and says nothing."""
    put(store, reading(1))
    client_id = store.client_id
    os.unlink(f"{store.path}{what}")
    with pytest.raises(StoreError, match="was removed or replaced: what is there now is used"):
        put(store, reading(2))
    assert put(store, reading(2))[0] == (1, 0, 0, 0)
    store.close()
    kept = [(2,)] if not what else [(1,), (2,)]
    assert rows(store, "seq") == kept
    assert SqliteStore(store.path).client_id == client_id  # the broker's session goes on


@only_sqlite
def test_a_file_that_is_removed_during_a_commit(store, monkeypatch):
    put(store, reading(1))
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 2:
            os.unlink(store.path)
        SqliteStore._look(store)

    monkeypatch.setattr(store, "_look", look)
    with pytest.raises(StoreError):
        put(store, reading(2))
    assert put(store, reading(2))[0] == (1, 0, 0, 0)


# A table, one look a row:
# fmt: off
LOOKS = {
    "known":    lambda store: store.known([reading(1)]),
    "starts":   lambda store: store.starts(),
    "account":  lambda store: store.account("attic"),
    "absent":   lambda store: store.absent(Start("attic", 8, 1, 1, 9, 1), 9),
    "told_gap": lambda store: store.told_gap("attic"),
    "recall":   lambda store: store.recall("base"),
    "sum_up":   lambda store: store.sum_up(NOW, 9),
    "nodes":    lambda store: store.nodes(),
    "newest":   lambda store: store.newest(),
    "old":      lambda store: store.old("attic", NOW),
}
# fmt: on


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_into_a_folder_that_is_away_is_an_outage_and_ends_with_it(look, tmp_path):
    """Else the collector ends where a broker restarts meanwhile."""
    place = tmp_path / "disk"
    place.mkdir()
    store = SqliteStore(place / "r.sqlite", "outpost")
    place.rename(tmp_path / "away")
    with pytest.raises(StoreError):
        put(store, reading(1))
    with pytest.raises(StoreError, match=f"there is no folder {place}"):
        look(store)
    (tmp_path / "away").rename(place)
    with pytest.raises(StoreError, match="what is there now is used"):
        look(store)
    look(store)
    assert put(store, reading(1))[0] == (1, 0, 0, 0)
    store.close()


def test_a_folder_that_comes_back(tmp_path):
    """A disk that is not mounted for a while."""
    place = tmp_path / "disk"
    place.mkdir()
    store = SqliteStore(place / "r.sqlite", "outpost")
    place.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"there is no folder {place}"):
            put(store, reading(1))
    (tmp_path / "away").rename(place)
    with pytest.raises(StoreError, match="what is there now is used"):
        put(store, reading(1))
    assert put(store, reading(1))[0] == (1, 0, 0, 0)
    store.close()


def test_what_was_committed_outlives_a_kill(tmp_path):
    """kill -9 in the midst of batches: whole ones are there, each up to the last that returned."""
    path = tmp_path / "r.sqlite"
    program = (
        "import sys; sys.path[:0] = [sys.argv[2], sys.argv[2] + '/tests', sys.argv[2] + '/tests/host']\n"
        "from test_collect_store import *\n"
        "store = SqliteStore(sys.argv[1], 'outpost')\n"
        "for first in range(1, 10**6, 10):\n"
        "    put(store, *(reading(seq) for seq in range(first, first + 10)))\n"
        "    print(first + 9, flush=True)\n"
    )
    words = [sys.executable, "-c", program, str(path), str(ROOT)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(20):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = int((process.stdout.read().split() or [last])[-1])
    store = SqliteStore(path)
    (start,) = store.starts()
    assert start.readings in (last, last + 10) and start.missing == 0
    assert len(rows(store)) == start.readings
    store.close()


# Whose file it is


def test_each_store_is_a_client_of_its_own(tmp_path):
    ids = {SqliteStore(tmp_path / name, "outpost").client_id for name in "ab"}
    assert len(ids) == 2
    assert SqliteStore(tmp_path / "a").client_id in ids


def refused(place, base="outpost"):
    with pytest.raises(CommandError) as e:
        open_store(str(place), base)
    return str(e.value)


def test_files_that_are_no_store_of_ours(tmp_path):
    path = tmp_path / "x.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("create table mine (x)")
    assert refused(path) == (
        f"{path} is another program's database: STORE= takes a file of this collector, or the name of a new one"
    )
    (tmp_path / "text").write_text("a text, and not a short one" * 100)
    assert "is no SQLite file: STORE=" in refused(tmp_path / "text")
    assert "it is a folder, give a file" in refused(tmp_path)
    assert f"there is no folder {tmp_path}/none" in refused(tmp_path / "none" / "r.sqlite")
    assert refused(tmp_path / "none", None) == f"there is no {tmp_path}/none"
    assert refused("mysql://x/y").startswith("STORE=mysql:// is not supported: give the path of")


def test_a_base_has_a_store_of_its_own(tmp_path):
    """Two bases may each have a node of one name."""
    SqliteStore(tmp_path / "r", "outpost").close()
    assert refused(tmp_path / "r", "home/ground") == (
        f"{tmp_path}/r has the readings below outpost/, not home/ground/: give each base a STORE= of its own"
    )


def test_a_file_of_a_newer_version(tmp_path):
    store = SqliteStore(tmp_path / "r", "outpost")
    store._db.execute("pragma user_version = 99")
    store.close()
    assert "is of a newer version of this program" in refused(tmp_path / "r")


@only_sqlite
def test_a_damaged_file_is_told_and_not_tried_again(store):
    put(store, *(reading(seq) for seq in range(1, 2000)))
    store._db.execute("pragma wal_checkpoint(truncate)")
    store._db.close()
    data = bytearray(store.path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    store.path.write_bytes(data)
    store._db, store._file = sqlite3.connect(store.path, isolation_level=None), None
    with pytest.raises(Damaged, match="is damaged"):
        for _ in range(2):
            put(store, reading(5000))
