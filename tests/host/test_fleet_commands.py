"""`make fleet`, `make export` and `make tidy` as their user calls them, on a real store."""

import csv
import io
import json
import random
import sqlite3
import subprocess
import sys
import time

import pytest

from station import __main__ as main
from station import export, tidy
from station.fleet import command
from station.fleetsim.command import cuts
from station.messages import Reading, State
from station.store.contract import Batch
from station.store.hours import HOUR_MS
from station.store.sqlite import SqliteStore
from tools import ROOT

NOW = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
DAY = 24 * HOUR_MS


pytestmark = pytest.mark.usefixtures("own_signals")


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "r.sqlite", "outpost")
    yield store
    store.close()


def call(name, store, *words):
    return main.main([name, "--store", str(store.path), *words])


def put(store, seq, ts, node="attic", channel="air", late=False, **quantities):
    text = json.dumps(quantities or {"temperature": 20.5})
    store.append(Batch([Reading(node, 8, seq, channel, text, ts, NOW, late)]))


def say(store, kind, text, node="attic"):
    store.append(Batch(states=[State(node, kind, text, NOW)]))


def test_the_list_and_its_exit_code(store, capsys):
    assert call("fleet", store) == 0
    assert "no node is known yet" in capsys.readouterr().out
    put(store, 1, NOW)
    say(store, "status", "online")
    assert call("fleet", store) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 node, 0 with something wrong"
    say(store, "status", "offline", "cellar")
    put(store, 2, NOW, error="no \x1b[2Janswer")
    assert call("fleet", store) == command.WRONG
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].split()[0] == "node" and lines[-3].startswith("cellar  offline")
    assert lines[-2].startswith("attic") and "air: no  [2Janswer" in lines[-2]
    assert lines[-1] == "2 nodes, 2 with something wrong"


def test_fleet_sim_says_what_it_has_cut():
    said = cuts(False, 90, {"nodes": 1000, "back_after_restart": 999})
    assert "after 30 s the broker was stopped and started again, 999 of 1,000 nodes" in said
    assert "after 60 s the collector was killed (kill -9) and was away for 15 s" in said
    assert cuts(True, 90, {"nodes": 1000}) == "nothing was cut (CALM=1)"


def test_one_node_and_json(store, capsys):
    put(store, 1, NOW, temperature=-3.5, open=False, closed=True, co2=612, mine=1.25)
    say(store, "info", '{"version":"0.1.0","ip":"10.0.0.7"}')
    assert call("fleet", store, "--node", "attic") == 0
    out = capsys.readouterr().out
    assert "10.0.0.7" in out and "temperature -3.50 °C" in out
    for shown in ("open no", "closed yes", "co2 612 ppm", "mine 1.25"):
        assert shown in out
    assert call("fleet", store, "--json") == 0
    (node,) = json.loads(capsys.readouterr().out)["nodes"]
    assert (node["node"], node["version"], node["faults"]) == ("attic", "0.1.0", [])
    assert call("fleet", store, "--node", "atic") == 1
    assert "is unknown to" in capsys.readouterr().err


def test_a_store_that_is_none(tmp_path, capsys):
    (tmp_path / "text").write_text("hello, this is no database at all\n" * 50)
    with sqlite3.connect(tmp_path / "other") as db:
        db.execute("create table t (x)")
    for name, fault in (
        ("nothing", "there is no"),
        ("text", "cannot be read: file is not a database"),
        ("other", "is no store of make collect"),
    ):
        for command_name in ("fleet", "export"):
            assert main.main([command_name, "--store", str(tmp_path / name)]) == 1
            assert fault in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["fleet", "gaps", "export"])
def test_a_store_that_is_damaged_is_told_in_a_line(name, store, capsys):
    for seq in range(1, 400):
        put(store, 2 * seq, NOW + seq)
    store._db.execute("pragma wal_checkpoint(truncate)").fetchall()
    pages = store._db.execute(
        "select rootpage from sqlite_master where name in ('reading', 'node', 'start')"
    ).fetchall()
    store.close()
    with store.path.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)
    assert call(name, store) == 1
    assert "malformed" in capsys.readouterr().err


# Export


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_what_is_exported_is_what_is_there(store, capsys, monkeypatch):
    monkeypatch.setattr("station.store.reader.AT_ONCE", 7)  # many turns
    random.seed(5)
    truth = []
    for seq in range(1, 60):
        node, channel = random.choice(["attic", "cellar, left"]), random.choice(["air", "soil"])
        ts = NOW - random.randrange(20) * 1000  # many at one moment
        value, late = random.choice([random.uniform(-50, 50), -7, True]), random.random() < 0.5
        put(store, seq, ts, node, channel, late, temperature=value, humidity=seq)
        truth += [(node, channel, ts, seq, "temperature", float(value), late)]
        truth += [(node, channel, ts, seq, "humidity", float(seq), late)]
    put(store, 99, None)  # without a time: no row
    assert call("export", store) == 0
    found = [
        (
            *(r["node"], r["channel"], int(r["ts"]), int(r["seq"]), r["quantity"]),
            *(float(r["value"]), r["late"] == "1"),
        )
        for r in rows(capsys.readouterr().out)
    ]
    assert sorted(found) == sorted(truth)
    assert [row[:3] for row in found] == sorted(row[:3] for row in truth)


def test_a_range_a_node_and_a_channel(store, capsys):
    for seq in range(1, 11):
        put(store, seq, 1_796_000_000_000 + seq * 1000, channel=f"c{seq % 2}")
    put(store, 1, 1_796_000_005_000, node="cellar")
    begin, end = "2026-11-30T00:53:23+00:00", "2026-11-30T01:53:27+01:00"
    words = ["--node", "attic", "--channel", "c1", "--from", begin, "--to", end]
    assert call("export", store, *words) == 0
    found = rows(capsys.readouterr().out)
    assert [(r["seq"], r["time"]) for r in found] == [
        ("3", "2026-11-30T00:53:23.000Z"),
        ("5", "2026-11-30T00:53:25.000Z"),
    ]
    for wrong, fault in (
        (["--from", "yesterday"], "is no time: give a date"),
        (["--from", "2026-11-30", "--to", "2026-11-30"], "has to be before"),
        (["--node", "attik"], "is unknown to"),
    ):
        assert call("export", store, *wrong) == 1
        assert fault in capsys.readouterr().err


def test_a_spreadsheet_takes_no_text_for_a_formula(store, capsys):
    evil = '=HYPERLINK("http://x","y")'
    for seq, text in enumerate((evil, "+1", "-1", "@x", "\t=1"), 1):
        put(store, seq, NOW + seq, channel="=c", node="@n", error=text)
    put(store, 9, NOW + 9, channel="=c", node="@n", temperature=-5)
    assert call("export", store) == 0
    found = rows(capsys.readouterr().out)
    assert [r["text"][:2] for r in found] == ["'=", "'+", "'-", "'@", "'\t", ""]
    assert {(r["node"], r["channel"]) for r in found} == {("'@n", "'=c")}
    assert found[-1]["value"] == "-5.0"


def test_hours_of_readings_that_were_removed(store, capsys):
    begin = NOW - 400 * DAY
    for n in range(180):
        put(store, n + 1, begin + n * 60_000, temperature=n)
    put(store, 1, NOW, "cellar")
    assert call("tidy", store, "--keep-days", "365") == 0
    assert "180 readings older than 365 days removed" in capsys.readouterr().out
    assert call("export", store, "--hourly", "--node", "attic") == 0
    found = rows(capsys.readouterr().out)
    assert [(r["least"], r["mean"], r["most"], r["readings"]) for r in found] == [
        ("0.0", "29.5", "59.0", "60"),
        ("60.0", "89.5", "119.0", "60"),
        ("120.0", "149.5", "179.0", "60"),
    ]
    assert call("export", store, "--node", "attic") == 0
    assert rows(capsys.readouterr().out) == []


def test_a_file_is_complete_or_as_it_was(store, tmp_path, capsys, monkeypatch):
    put(store, 1, NOW)
    out = tmp_path / "out.csv"
    assert call("export", store, "--out", str(out)) == 0
    before = out.read_bytes()
    assert len(rows(before.decode())) == 1

    def cut(rows):
        yield next(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "_shown", cut)
    call("export", store, "--out", str(out))
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.csv"]
    assert call("export", store, "--out", str(tmp_path / "no" / "out.csv")) == 1
    assert "cannot be written: No such file" in capsys.readouterr().err


def test_what_stands_beside_a_file_is_left_alone(store, tmp_path, capsys):
    put(store, 1, NOW)
    other = tmp_path / "out.csv.new"
    other.write_text("somebody's own")
    assert call("export", store, "--out", str(tmp_path / "out.csv")) == 0
    assert other.read_text() == "somebody's own"
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.csv", "out.csv.new"]


def test_a_kind_of_file_that_is_not_written(store, tmp_path, capsys):
    for name in ("out.xlsx", "out", "out.csv.gz"):
        assert call("export", store, "--out", str(tmp_path / name)) == 1
        assert "give file.csv or file.parquet" in capsys.readouterr().err
        assert not (tmp_path / name).exists()


def test_a_pipe_that_is_closed_is_a_quiet_end(store):
    store.append(
        Batch(
            [Reading("attic", 8, n, "air", '{"a":1}', NOW + n, NOW, False) for n in range(1, 9999)]
        )
    )
    words = [sys.executable, "-m", "station", "export", "--store", str(store.path)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline().startswith(b"time,ts,node")
    process.stdout.close()
    assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    process.stderr.close()


def test_parquet(store, tmp_path, capsys, monkeypatch):
    put(store, 1, NOW, temperature=1)
    put(store, 2, NOW + 1, error="=x")
    out = tmp_path / "out.parquet"
    try:
        from pyarrow import parquet
    except ImportError:
        assert call("export", store, "--out", str(out)) == 1
        assert "Parquet needs pyarrow" in capsys.readouterr().err
        return
    assert call("export", store, "--out", str(out)) == 0
    found = parquet.read_table(out).to_pylist()
    assert [(r["value"], r["text"], r["seq"], r["late"]) for r in found] == [
        (1.0, None, 1, False),
        (None, "=x", 2, False),
    ]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert call("export", store, "--out", str(out)) == 1
    assert "pip install pyarrow" in capsys.readouterr().err


# Tidy


def test_a_dry_run_removes_nothing(store, capsys):
    put(store, 1, NOW - 10 * DAY)
    put(store, 2, NOW)
    assert call("tidy", store, "--keep-days", "5", "--dry-run") == 0
    assert capsys.readouterr().out == (
        "attic: 1 readings would be removed\n1 readings older than 5 days would be removed\n"
    )
    assert call("tidy", store, "--keep-days", "40", "--dry-run") == 0
    assert capsys.readouterr().out == "0 readings older than 40 days would be removed\n"
    assert call("tidy", store, "--keep-days", "1", "--dry-run") == 0
    assert "1 readings older than 1 day would be removed" in capsys.readouterr().out
    assert call("tidy", store, "--keep-days", "20") == 0
    assert len(store._db.execute("select * from reading").fetchall()) == 2
    with pytest.raises(SystemExit):
        call("tidy", store)  # without a rule nothing goes


def test_a_clock_that_is_years_ahead_removes_nothing_that_is_young(store, capsys, monkeypatch):
    put(store, 1, NOW - 10 * DAY)
    for seq in range(2, 20):
        put(store, seq, NOW - seq * HOUR_MS)
    put(store, 20, None)
    monkeypatch.setattr(tidy.time, "time_ns", lambda: (NOW + 800 * DAY) * 1_000_000)
    assert call("tidy", store, "--keep-days", "5") == 0
    out = capsys.readouterr().out
    assert "the newest reading is of " in out and "1 readings older than 5 days removed" in out
    assert store._db.execute("select count(*) from reading").fetchone() == (19,)


def test_a_store_without_a_time_has_nothing_to_remove(store, capsys):
    put(store, 1, None)
    assert call("tidy", store, "--keep-days", "5") == 0
    assert (
        capsys.readouterr().out
        == "0 readings older than 5 days removed; their hourly means stay\n"
    )


def test_the_file_becomes_smaller_when_asked(store, capsys):
    put(store, 1, NOW, "cellar")
    store.append(
        Batch(
            [
                Reading("attic", 8, n, "air", '{"a":1}', NOW - 20 * DAY + n * 1000, NOW, False)
                for n in range(1, 20_001)
            ]
        )
    )
    store._db.execute("pragma wal_checkpoint(truncate)").fetchall()
    before = store.path.stat().st_size
    assert call("tidy", store, "--keep-days", "5") == 0
    assert store.path.stat().st_size >= before * 0.9
    assert call("tidy", store, "--keep-days", "5", "--shrink") == 0
    assert store.path.stat().st_size < before / 5
    assert store.account("attic").lost == 0
    put(store, 30_000, NOW)  # and the collector's connection goes on


def test_tidy_beside_a_collector_that_writes(tmp_path):
    """Two processes: both get on, and no reading that has just come is gone."""
    store = SqliteStore(tmp_path / "r.sqlite", "outpost")
    old = [
        Reading("attic", 8, n, "air", '{"a":1}', NOW - 50 * DAY + n * 60_000, NOW, False)
        for n in range(1, 20_001)
    ]
    store.append(Batch(old))
    put(store, 1, NOW, "cellar")
    words = ["tidy", "--store", str(store.path), "--keep-days", "40"]
    process = subprocess.Popen([sys.executable, "-m", "station", *words], cwd=ROOT)
    seq = 20_000
    while process.poll() is None:
        seq += 1
        put(store, seq, NOW + seq)
        time.sleep(0.02)
    assert process.returncode == 0
    count = store._db.execute("select count(*), min(ts) from reading").fetchone()
    assert count[1] >= NOW - 40 * DAY - HOUR_MS
    assert store.starts()[0].readings == seq and store.starts()[0].missing == 0
    assert 5_000 < count[0] < 6_000 + seq - 20_000
    store.close()
