"""What is read back from PostgreSQL is what is read back from SQLite, of the same messages."""

import json
import random

import pytest

from station.messages import Reading, State
from station.page.source import Gone, Source
from station.store.contract import Batch
from station.store.hours import HOUR_MS
from station.store.opening import open_reader, open_store
from tools import CommandError

BEGIN = 498_000 * HOUR_MS
END = BEGIN + 30 * HOUR_MS
NODES = ("attic", "Zelle", "ä b'c")


def story(chance):
    """Readings of some nodes over 30 hours: late and untimed ones, failures, texts, booleans, gaps, another life, several starts."""
    found = []
    for node in NODES:
        ts, boot, seq = BEGIN, 8, 0
        while ts < END:
            ts += chance.choice((60_000, 60_000, 61_000, 600_000))
            seq += chance.choice((1, 1, 1, 1, 2))
            if chance.random() < 0.01:
                boot, seq = boot + 1, 1
            value = chance.choice((21, 20.5, -3.25, True, "open", 10**200))
            quantities = {"t": value, "h": chance.random()}
            if chance.random() < 0.1:
                quantities = {"error": "no answer"}
            when = ts if chance.random() < 0.95 else None
            text = json.dumps(quantities)
            channel = chance.choice(("air", "room"))
            late = chance.random() < 0.2
            found.append(Reading(node, boot, seq, channel, text, when, ts + 500, late))
    found.append(found[0]._replace(quantities='{"t":99}', ts=BEGIN + 5000))
    return sorted(found, key=lambda reading: reading.received)


@pytest.fixture(params=["postgresql", pytest.param("timescaledb")])
def both(request, databases, tmp_path):
    """(SQLite, PostgreSQL), opened to read, with the same messages."""
    chance = random.Random(5)
    readings = story(chance)
    states = [State("attic", "status", "online", BEGIN), State("attic", "info", '{"v":1}', END)]
    states += [State(node, "health", '{"dropped":1,"outbox":2}', END - 5) for node in NODES]
    states += [State("attic", "health", '{"dropped":3}', END), State("gone", "status", None, END)]
    readers = []
    for kind in ("sqlite", request.param):
        address = databases.address(kind, tmp_path)
        store = open_store(address, "outpost")
        for first in range(0, len(readings), 97):
            store.append(Batch(readings=readings[first : first + 97]))
        store.append(Batch(states=states))
        while store.sum_up(END + 10 * HOUR_MS, 1000):
            pass
        store.close()
        readers.append(open_reader(address))
    yield readers
    for each in readers:
        each.close()


def alike(one, other):
    """Equal, times of means to a few milliseconds, floats to rounding."""
    if isinstance(one, float) or isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


@pytest.mark.slow
def test_two_kinds_of_store_say_the_same(both):
    sqlite, postgres = both
    assert sqlite.nodes() == postgres.nodes() == ["Zelle", "attic", "gone", "ä b'c"]
    for one, other in zip(sqlite.known(), postgres.known(), strict=True):
        assert one._replace(channels=()) == other._replace(channels=())
        for a, b in zip(one.channels, other.channels, strict=True):
            assert a == b
    assert [each.node for each in postgres.known()] == ["Zelle", "attic", "ä b'c"]
    assert postgres.known("attic")[0].account.explained == 2
    for node in NODES:
        assert sqlite.channels(node) == postgres.channels(node) == ["air", "room"]
        assert sqlite.latest(node) == postgres.latest(node)
        for channel in ("air", "room"):
            key = node, channel
            assert sqlite.quantities(*key) == postgres.quantities(*key) == ["h", "t"]
            (first, last), (begin, end) = sqlite.span(*key), postgres.span(*key)
            assert begin - HOUR_MS < first <= begin and last == end  # the first to the hour
            one, other = (
                [(ts, json.loads(text), *rest) for ts, text, *rest in each.readings(*key, 0, END)]
                for each in both
            )
            assert sorted(one, key=str) == sorted(other, key=str) and len(one) > 100
            one, other = (sorted(each.hours(*key, BEGIN, END)) for each in both)
            assert [pair for pair in zip(one, other, strict=True) if not alike(*pair)] == []
            assert len(one) > 50
            assert sqlite.untimed(*key) == postgres.untimed(*key) > 0
            for quantity in ("t", "h", "error", "none"):
                for points in (7, 100, 100_000):
                    one, other = (each.series(*key, quantity, BEGIN, END, points) for each in both)
                    assert one.step_ms == other.step_ms and one.usual_ms == other.usual_ms
                    pairs = zip(one.points, other.points, strict=True)
                    assert [pair for pair in pairs if not alike(pair[0][1:], pair[1][1:])] == []
                    for a, b in zip(one.points, other.points, strict=True):
                        assert abs(a.ts - b.ts) <= 1
    (event,) = postgres.events(1)
    assert event[1:] == sqlite.events(1)[0][1:]
    assert sqlite.recall("base") == postgres.recall("base") == "outpost"


@pytest.mark.slow
def test_a_database_that_was_away_is_read_again(databases, tmp_path):
    server = databases.of("postgresql")
    address = databases.address("postgresql", tmp_path)
    open_store(address, "outpost").close()
    reader = open_reader(address)
    server.run(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'outpost'",
    )
    with pytest.raises(CommandError, match="it shuts down, or somebody has ended the connection"):
        reader.nodes()
    assert reader.nodes() == []
    with pytest.raises(CommandError, match="has no readings yet"):
        open_reader(databases.address("postgresql", tmp_path))
    with pytest.raises(CommandError, match="STORE=http:// cannot be read back here"):
        open_reader("http://127.0.0.1:1")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_heard_in_the_future_counts_as_now(kind, databases, tmp_path):
    address = databases.address(kind, tmp_path)
    store = open_store(address, "outpost")
    store.append(
        Batch(
            readings=[Reading("attic", 8, 1, "air", '{"t":1}', BEGIN, END, False)],
            states=[
                State("attic", "status", "online", BEGIN),
                State("attic", "health", '{"dropped":1}', END),
            ],
        )
    )
    store.set_right(BEGIN + 5)
    store.close()
    reader = open_reader(address)
    (known,) = reader.known()
    reader.close()
    assert (known.status_at, known.reading_at, known.health_at) == (BEGIN, BEGIN + 5, BEGIN + 5)


@pytest.mark.slow
def test_the_page_shows_a_database_and_says_when_it_is_away(databases, tmp_path):
    server, address = databases.of("postgresql"), databases.address("postgresql", tmp_path)
    store, source = open_store(address, "outpost"), Source(address)
    reading = Reading("attic", 8, 1, "air", '{"temperature":21.5}', BEGIN, BEGIN + 500, False)
    store.append(Batch([reading], [State("attic", "status", "online", BEGIN)]))
    mark = source.mark()
    new = [reading._replace(seq=seq, received=BEGIN + 500 + seq) for seq in (2, 3)]
    store.append(Batch([*new, new[0]._replace(node="shed"), new[0]._replace(seq=4, ts=None)]))
    assert (source.base(), [each["node"] for each in source.nodes()]) == (
        "outpost",
        ["attic", "shed"],
    )
    newest, found = source.since(mark, {"attic"})
    assert sorted((each["received"] - BEGIN, each["ts"] or 0) for each in found) == [(502, 0), (502, BEGIN), (503, BEGIN)]  # fmt: skip
    assert found[-1]["quantities"] == {"temperature": 21.5} and source.since(newest, {"attic"})[1] == []  # fmt: skip
    assert source.node("attic")["channels"][0]["plots"] == ["temperature"]
    drawn = source.series("attic", "air", "temperature", BEGIN - 1, BEGIN + 10_000, 100)
    assert drawn["untimed"] == 1 and drawn["points"][0][2] == 21.5
    server.run(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'outpost'",
    )
    with pytest.raises(Gone, match="somebody has ended the connection"):
        source.nodes()
    assert len(source.nodes()) == 2
    source.close()
