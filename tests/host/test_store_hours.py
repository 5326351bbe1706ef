"""Hourly means, series and removal: whatever comes in whatever order, they are what a plain computation of all readings gives."""

import json
import math
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.messages import Reading
from station.store import schema
from station.store import series as series_module
from station.store.contract import Batch
from station.store.hours import HOUR_MS
from station.store.reader import Reader
from station.store.sqlite import SqliteStore
from tools import CommandError

BEGIN = 498_000 * HOUR_MS
HOURS = 6
NOW = BEGIN + HOURS * HOUR_MS + HOUR_MS


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "r.sqlite", "outpost")
    yield store
    store.close()


def reading(seq, ts, value=20.0, channel="air", boot=8, late=False, **quantities):
    text = json.dumps(quantities or {"temperature": value})
    return Reading("attic", boot, seq, channel, text, ts, NOW, late)


def hourly(path):
    """{(channel, hour, quantity): (readings, late, least, mean, most)} as the view has it."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "select channel, ts / 3600000, quantity, count, late, least, mean, most from hour"
        )
        return {tuple(row[:3]): tuple(row[3:]) for row in rows}


def computed(readings):
    """The same of plain readings: [(channel, ts, late, quantities)]."""
    cells = {}
    for channel, ts, late, quantities in readings:
        for quantity, value in quantities.items():
            cells.setdefault((channel, ts // HOUR_MS, quantity), []).append((value, late))
    found = {}
    for key, values in cells.items():
        numeric = [(float(v), late) for v, late in values if not isinstance(v, str)]
        late = sum(late for _, late in numeric or values)
        numbers = [number for number, _ in numeric]
        if numbers:
            mean = math.fsum(numbers) / len(numbers)
            found[key] = (len(numbers), late, min(numbers), mean, max(numbers))
        else:
            found[key] = (len(values), late, None, None, None)
    return found


def alike(one, other):
    assert one.keys() == other.keys()
    for key, row in one.items():
        assert row[:2] == other[key][:2], key
        for a, b in zip(row[2:], other[key][2:], strict=True):
            assert a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9), key


values = st.one_of(
    st.floats(-1000, 1000), st.integers(-(2**70), 2**70), st.booleans(), st.just("x")
)
# What may happen to a number: it comes (late or not, with its time or not), again, with another time, or with other content.
story = st.lists(
    st.tuples(
        st.integers(1, 12),  # seq
        st.one_of(st.none(), st.integers(BEGIN, BEGIN + HOURS * HOUR_MS - 1)),  # ts
        st.sampled_from(["air", "soil"]),
        st.dictionaries(
            st.sampled_from(["temperature", 'a"b', "error"]), values, min_size=1, max_size=2
        ),
        st.booleans(),  # late
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(story, st.integers(1, 5), st.data())
def test_hours_and_series_are_what_all_readings_give(happened, batch, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.sqlite"
        store = SqliteStore(path, "outpost")
        for first in range(0, len(happened), batch):
            store.append(
                Batch(
                    [
                        reading(seq, ts, channel=channel, late=late, **quantities)
                        for seq, ts, channel, quantities, late in happened[first : first + batch]
                    ]
                )
            )
            store.sum_up(NOW, data.draw(st.integers(0, 3)))
        while store.sum_up(NOW, 100):
            pass
        with sqlite3.connect(path) as db:
            rows = db.execute(
                "select channel, ts, late, quantities from reading where ts is not null"
            ).fetchall()
        truth = [(*row[:3], json.loads(row[3])) for row in rows]
        alike(hourly(path), computed(truth))

        # A part is removed: the hours stay as they were, and what comes again is known.
        hours = data.draw(st.integers(0, HOURS))
        before = hourly(path), store.starts(), [store.absent(s, 99) for s in store.starts()]
        while store.remove("attic", BEGIN + hours * HOUR_MS, 2)[0]:
            pass
        alike(hourly(path), before[0])
        assert (store.starts(), [store.absent(s, 99) for s in store.starts()]) == before[1:]
        store.close()
        with sqlite3.connect(path) as db:
            left = {row[0] for row in db.execute("select ts from reading where ts is not null")}
        assert left == {ts for _, ts, _, _ in truth if ts >= BEGIN + hours * HOUR_MS}

        reader = Reader(path)
        found = reader.series("attic", "air", "temperature", BEGIN, NOW, 7)
        of = [c for c in computed(truth).items() if c[0][0] == "air" and c[0][2] == "temperature"]
        if all(row[3] is not None for _, row in of):
            assert sum(point.readings for point in found.points) == sum(row[0] for _, row in of)
            assert sum(point.late for point in found.points) == sum(row[1] for _, row in of)
        assert [point.ts for point in found.points] == sorted(point.ts for point in found.points)
        reader.close()


def test_an_hour_is_summed_up_once_it_is_over_and_again_when_late_readings_come(store):
    store.append(Batch([reading(1, BEGIN, 10), reading(2, BEGIN + HOUR_MS - 1, 20)]))
    assert store.sum_up(BEGIN + HOUR_MS, 100) == 0  # others of it may be on their way
    assert store.sum_up(NOW, 100) == 1
    key = "air", BEGIN // HOUR_MS, "temperature"
    assert hourly(store.path) == {key: (2, 0, 10, 15, 20)}
    assert store.sum_up(NOW, 100) == 0
    store.append(Batch([reading(3, BEGIN + 5, 60, late=True)]))
    assert store.sum_up(NOW, 100) == 1
    assert hourly(store.path) == {key: (3, 1, 10, 30, 60)}


def test_a_time_that_is_corrected_changes_both_hours(store):
    store.append(Batch([reading(1, BEGIN, 10), reading(2, BEGIN, 20)]))
    assert store.sum_up(NOW, 100) == 1
    assert store.append(Batch([reading(2, BEGIN + HOUR_MS, 20)])).retimed == 1
    assert store.append(Batch([reading(3, None, 30)])).stored == 1
    assert store.append(Batch([reading(3, BEGIN + 2 * HOUR_MS, 30)])).completed == 1
    assert store.sum_up(NOW, 100) == 3
    first = BEGIN // HOUR_MS
    assert hourly(store.path) == {
        ("air", first, "temperature"): (1, 0, 10, 10, 10),
        ("air", first + 1, "temperature"): (1, 0, 20, 20, 20),
        ("air", first + 2, "temperature"): (1, 0, 30, 30, 30),
    }


def filled(store, hours, each_s=60):
    """Readings of a channel: value = minutes since BEGIN, every `each_s`."""
    readings = [
        reading(n + 1, BEGIN + n * each_s * 1000, n * each_s / 60)
        for n in range(hours * 3600 // each_s)
    ]
    store.append(Batch(readings))
    return readings


@pytest.mark.parametrize("few", [20_000, 10])
def test_a_long_range_is_read_from_hours_and_says_the_same(store, monkeypatch, few):
    """Read from readings (few enough) and from hours, edges and stale hours between, the sums agree."""
    monkeypatch.setattr(series_module, "_MOST", few)
    filled(store, 48)
    while store.sum_up(BEGIN + 40 * HOUR_MS, 100):  # the newest are stale
        pass
    reader = Reader(store.path)
    begin, end = BEGIN + HOUR_MS // 2, BEGIN + 47 * HOUR_MS + HOUR_MS // 4
    found = reader.series("attic", "air", "temperature", begin, end, 10)
    assert sum(point.readings for point in found.points) == 46 * 60 + 45
    assert len(found.points) <= 10
    assert (found.points[0].least, found.points[-1].most) == (30, 47 * 60 + 14)
    mean = sum(p.mean * p.readings for p in found.points) / (46 * 60 + 45)
    assert mean == pytest.approx((30 + 47 * 60 + 14) / 2)
    assert found.usual_ms == 60_000 and found.holes() == []
    reader.close()


def test_a_long_range_touches_few_rows(store):
    """Bounded by hours, not by readings: counted in steps of SQLite's machine."""
    filled(store, 24 * 30, each_s=30)
    while store.sum_up(BEGIN + 24 * 31 * HOUR_MS, 1000):
        pass
    reader = Reader(store.path)
    steps = []
    reader._db.set_progress_handler(lambda: steps.append(1) and 0, 1000)
    found = reader.series("attic", "air", "temperature", BEGIN, BEGIN + 24 * 30 * HOUR_MS, 300)
    assert sum(point.readings for point in found.points) == 24 * 30 * 120
    assert len(steps) < 300, "86,400 readings would be more than a million steps"
    reader.close()


def test_missing_readings_are_a_hole(store):
    kept = [each for each in filled_plan() if not 100 <= each.seq < 200]
    store.append(Batch(kept))
    reader = Reader(store.path)
    found = reader.series("attic", "air", "temperature", BEGIN, BEGIN + 5 * HOUR_MS, 1000)
    assert found.holes() == [(BEGIN + 98 * 60_000, BEGIN + 199 * 60_000)]
    reader.close()


def filled_plan():
    return [reading(n + 1, BEGIN + n * 60_000) for n in range(300)]


def test_failures_are_a_series_of_their_own(store):
    store.append(Batch([reading(1, BEGIN), reading(2, BEGIN + 1000, error="no answer")]))
    reader = Reader(store.path)
    (point,) = reader.series("attic", "air", "error", BEGIN, NOW, 10).points
    assert point == (BEGIN + 1000, None, None, None, 0, 1)
    assert reader.quantities("attic", "air") == ["temperature"]
    reader.close()


# A store of before


def first_version(path, readings):
    """A file as version 1 of the program made it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode = wal")
    for statement in schema._FIRST.split(";"):
        db.execute(statement)
    about = (("base", "outpost"), ("client_id", "c"), ("made", "1"))
    db.executemany("insert into about values (?, ?)", about)
    db.executemany(
        "insert into reading (node, boot, seq, channel, quantities, ts, received, late)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        readings,
    )
    db.execute(f"pragma application_id = {schema.APPLICATION}")
    db.execute("pragma user_version = 1")
    db.close()


def test_a_file_of_version_1_is_brought_up_to_date_and_nothing_is_lost(tmp_path):
    path = tmp_path / "r.sqlite"
    readings = [reading(n, BEGIN + n * 600_000, n) for n in range(1, 20)]
    first_version(path, [*readings, reading(99, None)])
    with pytest.raises(CommandError, match="is of an earlier version: start make collect"):
        Reader(path)
    store = SqliteStore(path, "outpost")
    while store.sum_up(NOW, 2):
        pass
    alike(
        hourly(path),
        computed([(r.channel, r.ts, r.late, json.loads(r.quantities)) for r in readings]),
    )
    store.close()
    with sqlite3.connect(path) as db, sqlite3.connect(tmp_path / "n.sqlite") as new:
        for statement in schema.TABLES.split(";"):
            new.execute(statement)
        tables = "select name, sql from sqlite_master where sql is not null order by name"
        assert db.execute(tables).fetchall() == new.execute(tables).fetchall()
        assert db.execute("select count(*) from reading").fetchone() == (20,)
    SqliteStore(path).close()  # and again


def test_a_cut_while_it_is_brought_up_leaves_the_file_of_before(tmp_path, monkeypatch):
    path = tmp_path / "r.sqlite"
    first_version(path, [reading(1, BEGIN)])
    monkeypatch.setattr(schema, "TO_2", schema.TO_2 + "; select no_such_column from reading")
    with pytest.raises(CommandError, match="no such column"):
        SqliteStore(path, "outpost")
    with sqlite3.connect(path) as db:
        assert db.execute("pragma user_version").fetchone() == (1,)
        assert db.execute("select 1 from sqlite_master where name = 'hourly'").fetchone() is None
    monkeypatch.undo()
    store = SqliteStore(path, "outpost")
    assert store.sum_up(NOW, 9) == 1
    store.close()


# Removed readings


def removed_until(store, ms):
    gone = 0
    while (step := store.remove("attic", ms, 3))[0]:
        gone += step[1]
    return gone


def test_what_was_removed_comes_again_and_is_known(store):
    readings = filled(store, 5)
    while store.sum_up(NOW, 100):
        pass
    kept = hourly(store.path)
    assert removed_until(store, BEGIN + 3 * HOUR_MS) == 180
    again = [readings[0], readings[100]._replace(ts=None), readings[250]]
    outcome = store.append(Batch(again))
    assert (outcome.stored, outcome.doubled, outcome.told) == (0, 3, [])
    assert hourly(store.path) == kept
    assert store.starts()[0].readings == 300 and store.account("attic").lost == 0


def test_an_old_reading_that_was_never_here_is_stored_although_others_of_its_hour_are_gone(store):
    """A node that was away for longer than readings are kept."""
    readings = filled(store, 3)
    missing = readings.pop(50)
    store._db.execute("delete from reading where seq = 51")
    store._db.execute("update start set readings = 179")
    assert removed_until(store, BEGIN + 2 * HOUR_MS) == 119
    assert store.absent(store.starts()[0], 9) == [(51, 51)]
    assert store.append(Batch([missing._replace(late=True)])).stored == 1
    assert store.starts()[0].missing == 0
    while store.sum_up(NOW, 100):
        pass
    key = "air", BEGIN // HOUR_MS, "temperature"
    assert hourly(store.path)[key] == (60, 1, 0, pytest.approx(29.5), 59)
    assert removed_until(store, BEGIN + 2 * HOUR_MS) == 1  # the next time it goes, too
    assert hourly(store.path)[key] == (60, 1, 0, pytest.approx(29.5), 59)


def test_a_removed_number_that_was_taken_later_is_a_new_life_and_is_stored(store):
    readings = filled(store, 2)
    removed_until(store, BEGIN + HOUR_MS)
    second = [r._replace(ts=r.ts + 100 * HOUR_MS, quantities='{"x":1}') for r in readings[:3]]
    outcome = store.append(Batch(second))
    assert (outcome.stored, outcome.doubled) == (3, 0)
    assert len(outcome.told) == 1 and "a new life of the node" in outcome.told[0]
    assert store.append(Batch(second)).doubled == 3
    assert [(s.life, s.readings) for s in store.starts()] == [(1, 120), (2, 3)]


def test_ranges_of_removed_numbers_grow_together(store):
    """Two channels take turns with numbers: what is kept of a start is one range, not one a number."""
    pairs = [(reading(2 * n + 1, BEGIN + n * 60_000, n)) for n in range(240)]
    others = [reading(2 * n + 2, BEGIN + n * 60_000, n, "soil") for n in range(240)]
    store.append(Batch(pairs + others))
    removed_until(store, BEGIN + 3 * HOUR_MS)
    with sqlite3.connect(store.path) as db:
        assert db.execute("select first, last from removed").fetchall() == [(1, 360)]


def test_a_removal_that_is_cut_is_as_if_it_had_not_begun(store):
    filled(store, 3)
    with sqlite3.connect(store.path, isolation_level=None) as other:
        before = other.execute("select count(*) from reading").fetchone()
        store._db.execute(
            "create temp trigger cut before insert on removed begin select raise(abort, 'cut'); end"
        )
        with pytest.raises(Exception, match="cut"):
            store.remove("attic", NOW, 9)
        assert other.execute("select count(*) from reading").fetchone() == before
        assert other.execute("select count(*) from hourly").fetchone() == (0,)
