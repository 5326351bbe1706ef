"""A time series database as the store of `make collect`: InfluxDB as it is, and answers that it gives seldom from a server of ours."""

import signal
import sqlite3
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from outside import until

from sim.databases import Influx, Victoria
from station.messages import Reading, State
from station.store.contract import Away, Batch, StoreError
from station.store.line.link import TOKEN
from station.store.line.protocol import line
from station.store.opening import open_store
from tools import CommandError

TS, NOW = 1_795_917_130_051, 1_796_000_000_000


def reading(seq, text='{"temperature":20.5}', ts=TS, node="attic", channel="air"):
    return Reading(node, 8, seq, channel, text, ts and ts + seq * 1000, NOW, False)


@pytest.fixture
def influx(tmp_path):
    try:
        server = Influx(tmp_path / "influx")
    except CommandError as e:
        pytest.skip(str(e))
    with server:
        yield server


@pytest.fixture
def opened(tmp_path):
    made = []

    def open_it(address):
        made.append(open_store(address, "outpost", str(tmp_path / "beside.sqlite")))
        return made[-1]

    yield open_it
    for store in made:
        store.close()


def beside(tmp_path, what, of):
    with closing(sqlite3.connect(tmp_path / "beside.sqlite", timeout=10)) as db:
        return db.execute(f"select {what} from {of}").fetchall()


def points(server, name="db"):
    """{(node, channel, ms, field): value}."""
    found = {}
    for series in server.query('select * from "reading" group by node, channel', name):
        for at, *values in series["values"]:
            for field, value in zip(series["columns"][1:], values, strict=True):
                if value is not None:
                    found[series["tags"]["node"], series["tags"]["channel"], at, field] = value
    return found


def test_a_line():
    text = '{"co2":612,"open":true,"door":"a \\"b\\" \\\\","two words":1e-07}'
    assert line(reading(1, text, node="a b,c=d", channel="ä")) == (
        "reading,node=a\\ b\\,c\\=d,channel=ä boot=8.0,seq=1.0,late=0.0,co2=612.0,open=1.0,"
        f'door="a \\"b\\" \\\\",two\\ words=1e-07 {TS + 1000}'
    )


@pytest.mark.parametrize("name", ["x\\", "a\nb", ""])
def test_a_name_that_no_line_can_have(name):
    with pytest.raises(ValueError, match="line protocol has no way to write the name"):
        line(reading(1, node=name))


def test_readings_are_points_with_their_values_and_times(influx, opened, tmp_path):
    store = opened(influx.database("db"))
    odd = "a b,c=d 'e\" ä"
    batch = [reading(1), reading(2, '{"temperature":21}'), reading(3, node=odd, channel=odd)]
    assert store.append(Batch(readings=batch)).stored == 3
    assert store.append(Batch(readings=batch)).stored == 3  # again: the same points
    found = points(influx)
    assert found["attic", "air", TS + 1000, "temperature"] == 20.5
    assert found["attic", "air", TS + 2000, "temperature"] == 21
    assert found[odd, odd, TS + 3000, "seq"] == 3
    assert len(found) == 3 * 4
    assert any("cannot say which numbers it has" in text for text in store.limits)


def test_a_reading_without_a_time_is_kept_beside_and_completed(influx, opened, tmp_path):
    store = opened(influx.database("db"))
    store.append(Batch(readings=[reading(1, ts=None), reading(2)]))
    assert {at for _, _, at, _ in points(influx)} == {TS + 2000}
    assert beside(tmp_path, "seq, ts", "reading") == [(1, None)]
    outcome = store.append(Batch(readings=[reading(1)]))
    assert outcome.completed == 1
    assert {at for _, _, at, _ in points(influx)} == {TS + 1000, TS + 2000}
    assert beside(tmp_path, "seq, ts", "reading") == [(1, TS + 1000)]
    store.append(Batch(states=[State("attic", "health", '{"outbox":0}', NOW)]))
    assert beside(tmp_path, "node, health", "node") == [("attic", '{"outbox":0}')]
    assert store.account("attic").lost == 0


def test_what_the_database_refuses_is_kept_with_its_reason_and_stops_nothing(
    influx, opened, tmp_path
):
    """A quantity that is a text now and was a number."""
    store = opened(influx.database("db"))
    store.append(Batch(readings=[reading(1)]))
    batch = [reading(seq) for seq in range(2, 102)]
    batch[40] = reading(42, '{"temperature":"warm"}')
    batch[70] = reading(72, node="x\\")
    outcome = store.append(Batch(readings=batch))
    assert len({at for _, _, at, _ in points(influx)}) == 99
    why = dict(beside(tmp_path, "json_extract(payload, '$.seq'), why", "bad"))
    assert why.keys() == {42, 72}
    assert "field type conflict" in why[42] and "no way to write the name" in why[72]
    assert sorted(beside(tmp_path, "seq", "reading")) == [(42,), (72,)]
    assert "and 1 more: the database refuses it" in outcome.told[0]


class Answers:
    """A server that answers what it is told to. taken: the lines of requests that it took."""

    def __init__(self):
        self.status, self.text, self.taken, self.headers = 204, "", [], None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 0.5  # a connection that says nothing is closed, as servers do

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.path, owner.headers = self.path, self.headers
                status, text = owner.status, owner.text
                if status == 204:
                    owner.taken += body.decode().splitlines()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def answers():
    answers = Answers()
    yield answers
    answers.server.shutdown()
    answers.server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (500, "disk full", "answers 500: disk full"),
        (503, '{"error":"timeout"}', "answers 503: timeout"),
        (429, "slow down", "answers 429: slow down"),
        (
            401,
            "",
            f"answers 401: it wants an account: put its token, or user:password, into ${TOKEN}",
        ),
        (404, '{"error":"database not found"}', "answers 404: there is no such database"),
        (400, '{"error":"database is required"}', "answers 400: database is required"),
        (302, "", "answers 302"),
        (
            200,
            "<html>Please log in</html>",
            "answers 200: a database that has stored lines answers 204",
        ),
        (202, "", "answers 202"),
    ],
)
def test_what_is_not_about_a_line_acknowledges_nothing(
    status, text, told, answers, opened, tmp_path
):
    store = opened(answers.address)
    answers.status, answers.text = status, text
    with pytest.raises(StoreError) as e:
        store.append(Batch(readings=[reading(1), reading(2, ts=None)]))
    assert told in str(e.value)
    assert beside(tmp_path, "1", "reading union all select 1 from bad") == []
    answers.status = 204
    assert store.append(Batch(readings=[reading(1), reading(2, ts=None)])).stored == 2
    assert len(answers.taken) == 1


def test_a_connection_that_the_server_has_closed_is_no_fault(answers, opened):
    store = opened(answers.address)
    time.sleep(1)
    assert store.append(Batch(readings=[reading(1)])).stored == 1


def test_where_it_writes_and_as_whom(answers, opened, monkeypatch):
    opened(answers.address)
    assert answers.path == "/write?db=outpost&precision=ms"
    assert answers.headers["Authorization"] is None
    monkeypatch.setenv(TOKEN, "hush")
    opened(answers.address + "/api/v2/write?org=home&bucket=o")
    assert answers.path == "/api/v2/write?org=home&bucket=o&precision=ms"
    assert answers.headers["Authorization"] == "Token hush"
    monkeypatch.setenv(TOKEN, "me:hush")
    opened(answers.address)
    assert answers.headers["Authorization"].startswith("Basic ")
    for address in ("http://me:hush@host", "http://host/?u=me&p=hush"):
        with pytest.raises(CommandError) as e:
            opened(address)
        assert "has an account in it" in str(e.value) and "hush" not in str(e.value)
    for address in ("http://", "http://host:x"):
        with pytest.raises(CommandError, match="is no address: give http://host:port"):
            opened(address)
    with pytest.raises(CommandError, match="cannot say which readings it has"):
        open_store(answers.address)


def test_a_database_that_is_not_there_is_away_and_one_that_refuses_is_told(influx, opened):
    with pytest.raises(Away, match="Connection refused"):
        opened("http://127.0.0.1:1")
    with pytest.raises(CommandError, match="answers 404: there is no such database"):
        opened(f"http://127.0.0.1:{influx.port}/?db=none")


def test_a_database_that_is_killed_loses_nothing(
    influx, collectors, mosquitto, publisher, tmp_path
):
    """kill -9 of InfluxDB, which has what it acknowledged on its disk, and of the collector."""
    words = ("--beside", str(tmp_path / "beside.sqlite"))
    collector = collectors(mosquitto, *words, store=influx.database("db")).start()
    assert "warning: this database cannot say which numbers it has" in collector.said()
    for seq in range(1, 1001):
        publisher.reading(seq, ts=None if seq % 50 == 0 else TS + seq * 1000)
        if seq == 300:
            influx.kill()
        if seq == 500:
            collector.wait_for("nothing is acknowledged, the broker keeps it: http://")
            collector.end(signal.SIGKILL)
            influx.start()
            collector.start(wait=False)
        if seq == 800:
            influx.kill()
            influx.start()
    publisher.done()
    timed = {key[2]: payload for key, payload in publisher.sent.items() if "ts" in payload}

    def values():
        found = points(influx).items()
        return {at: value for (_, _, at, field), value in found if field == "temperature"}

    until(lambda: len(values()) >= len(timed), 30, "all points")
    assert values() == {each["ts"]: each["temperature"] for each in timed.values()}
    until(lambda: len(beside(tmp_path, "1", "untimed")) == 20, 20, "those without a time")
    assert collector.end() == 0
    assert "Traceback" not in collector.said()


def test_victoriametrics(opened, tmp_path):
    try:
        server = Victoria(tmp_path / "victoria")
    except CommandError as e:
        pytest.skip(str(e))
    with server:
        store = opened(f"http://127.0.0.1:{server.port}")
        store.append(Batch(readings=[reading(seq) for seq in range(1, 11)]))
        found = []

        def there():
            found[:] = server.export("reading_temperature")
            return found and len(found[0]["values"]) == 10

        until(there, 20, "ten points")
        assert found[0]["metric"]["node"] == "attic"
        assert found[0]["timestamps"][0] == TS + 1000
