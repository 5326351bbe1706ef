"""What a message says to the collector: a reading, the state of a node, or why it is neither."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_cpython import micropython

from firmware.topics import Topics
from station import messages
from station.messages import Bad, Other, Reading, State

with micropython() as import_module:
    payload = import_module("firmware.payload")

NOW = 1_796_000_000_000
GOOD = {"ts": 1795917130051, "boot": 8072869, "seq": 3, "temperature": 26.23, "open": True}


def read(topic, body, retained=False, base="outpost"):
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return messages.read(base, topic, body, retained, NOW)


def reading(**changes):
    members = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return read("outpost/attic/reading/air", members)


def test_a_reading():
    assert reading() == Reading(
        node="attic",
        boot=8072869,
        seq=3,
        channel="air",
        quantities='{"temperature":26.23,"open":true}',
        ts=1795917130051,
        received=NOW,
        late=False,
    )


def test_what_the_node_writes_is_what_is_read():
    """The topics and the payload are made by the device's own code."""
    topics = Topics("home/ground", "attic")
    fields = (("temperature", "°C", None, 2), ("open", None, None, 0), ("count", None, None, 0))
    members = payload.body(fields, (21.0, False, 7))
    for late, topic in enumerate(topics.channel("air")):
        found = read(topic.decode(), payload.reading(None, 1, 2, members), base="home/ground")
        assert found == Reading(
            "attic",
            1,
            2,
            "air",
            '{"temperature":21.0,"open":false,"count":7}',
            None,
            NOW,
            bool(late),
        )
    failed = payload.reading(5, 1, 2, payload.error('no "answer" on the bus'))
    found = read(topics.channel("air")[0].decode(), failed, base="home/ground")
    assert json.loads(found.quantities) == {"error": 'no "answer" on the bus'}


def test_a_number_keeps_its_type():
    """21.0 and 21 are two types where a stranger reads the JSON."""
    assert reading(open=..., temperature=21.0).quantities == '{"temperature":21.0}'
    assert reading(open=..., temperature=21).quantities == '{"temperature":21}'


def test_a_retained_reading_came_before():
    assert read("outpost/attic/reading/air", GOOD, retained=True) == Other("retained")


@pytest.mark.parametrize(
    ("topic", "body", "text"),
    [
        ("status", "online", "online"),
        ("status", "", None),
        ("health", {"outbox": 3}, '{"outbox":3}'),
        ("info", {"version": "1"}, '{"version":"1"}'),
    ],
)
def test_the_state_of_a_node(topic, body, text):
    for retained in (True, False):
        found = read(f"outpost/attic/{topic}", body, retained)
        assert found == State("attic", topic, text, NOW, retained)


@pytest.mark.parametrize("branch", ["log", "reply", "value/air/temperature", "output/pump"])
def test_the_rest_is_left(branch):
    assert read(f"outpost/attic/{branch}", "x") == Other(branch.partition("/")[0])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"boot": ...}, "`boot` is missing"),
        ({"seq": ...}, "`seq` is missing"),
        ({"boot": "8"}, "`boot` has to be a whole number from 0 to 4294967295"),
        ({"boot": 2**32}, "`boot` has to be a whole number"),
        ({"seq": 0}, "`seq` has to be a whole number from 1"),
        ({"seq": 1.0}, "`seq` has to be a whole number"),
        ({"seq": True}, "`seq` has to be a whole number"),
        ({"seq": 2**53}, "`seq` has to be a whole number"),
        ({"ts": None}, "`ts` has to be a whole number"),
        ({"ts": 1795917130.5}, "`ts` has to be a whole number"),
        ({"ts": 0}, "`ts` has to be a whole number"),
        ({"ts": 10**15}, "`ts` has to be a whole number"),
        ({"temperature": ..., "open": ...}, "it has neither a quantity nor an `error`"),
        ({"temperature": None}, "`temperature` has to be a number, a text, true or false"),
        ({"temperature": [1]}, "`temperature` has to be a number, a text, true or false"),
        ({"temperature": {"a": 1}}, "`temperature` has to be a number, a text, true or false"),
        ({"temperature": float("nan")}, "NaN is not a number"),
        ({"temperature": float("-inf")}, "-Infinity is not a number"),
    ],
)
def test_what_is_no_reading(changes, why):
    found = reading(**changes)
    assert isinstance(found, Bad)
    assert why in found.why


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it is empty"),
        (b"online", "it is no JSON: Expecting value"),
        (b"\xff\xfe", "it is no text in UTF-8"),
        (b"[1]", "it is JSON, but no object"),
        (b"12", "it is JSON, but no object"),
        (b'{"boot":1,"seq":1,"t":1e999}', "1e999 is not a number"),
        (b'{"boot":1,"seq":1,"seq":2,"t":1}', "a member is there twice"),
        (
            b'{"boot":1,"seq":1,"t":' + b"[" * 5000 + b"]" * 5000 + b"}",
            "more than 32 brackets within one another",
        ),
        (b'{"boot":1,"seq":' + b"9" * 5000 + b',"t":1}', ""),
        (b'{"boot":1,"seq":1,"t":' + b"9" * 400 + b"}", "a number of 400 digits"),
        (rb'{"boot":1,"seq":1,"t":"\u0000"}', "a character that no database keeps"),
        (rb'{"boot":1,"seq":1,"\ud800":1}', "a character that no database keeps"),
        (b'{"boot":1,"seq":1,"t":"' + b"x" * 70_000 + b'"}', "it is too long: 70025 bytes"),
        (b'{"boot":1,"seq":1,"t":2', "it is no JSON"),
    ],
    ids=range(14),
)
def test_what_is_no_json_of_a_node(body, why):
    found = read("outpost/attic/reading/air", body)
    assert isinstance(found, Bad) and why in found.why
    assert (found.topic, found.payload) == ("outpost/attic/reading/air", body)


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("outpost/attic/reading/air/x", "the topic has to end with the name of a channel"),
        ("outpost/attic/reading/", "the topic has to end with the name of a channel"),
        ("elsewhere/attic/reading/air", "the topic is not below outpost/"),
        ("outpost//reading/air", "the topic is not below outpost/"),
        (f"outpost/{'ä' * 33}/reading/air", "a name in it has more than 64 bytes"),
        (f"outpost/attic/reading/{'x' * 65}", "a name in it has more than 64 bytes"),
    ],
)
def test_a_topic_that_no_node_has(topic, why):
    assert why in read(topic, GOOD).why


def test_a_state_that_is_none():
    assert "it is no JSON" in read("outpost/attic/health", "online").why
    assert "it has to be a word" in read("outpost/attic/status", "x" * 65).why
    assert "no text" in read("outpost/attic/status", b"\xff").why


@given(
    st.sampled_from(["reading/air", "history/air", "status", "info", "health"]),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=5,
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"boot": st.integers(), "seq": st.integers(), "x": st.text() | st.floats()}
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_nothing_that_somebody_publishes_ends_the_collector(branch, body):
    found = read(f"outpost/attic/{branch}", body)
    assert isinstance(found, (Reading, State, Bad))
    if isinstance(found, Reading):
        json.dumps(found.quantities).encode()
