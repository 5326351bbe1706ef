"""The page's connection to the broker: what it makes of anything that is published, and when it sends."""

import json
from types import SimpleNamespace

import pytest

from station import messages
from station.page import frames, link
from station.page.link import Link, Unanswered


class Client:
    def __init__(self):
        self.sent = []

    def publish(self, *message):
        self.sent.append(message)


@pytest.fixture
def joined():
    """A Link that believes in a connection."""
    joined = Link([object()], "outpost")
    joined.connected = True
    return joined


def hear(joined, topic, payload):
    payload = payload if isinstance(payload, bytes) else payload.encode()
    joined._on_message(None, None, SimpleNamespace(topic=f"outpost/{topic}", payload=payload))


def asked(joined):
    client, answer = Client(), joined.command("attic", "read", {"sensor": "air"})
    joined._send(client)
    ((topic, payload, qos),) = client.sent
    assert (topic, qos) == ("outpost/attic/cmd/read", 1)  # and no retain
    return json.loads(payload), answer


def test_a_reply_is_known_by_its_id_and_its_node(joined):
    sent, answer = asked(joined)
    assert sent["sensor"] == "air"
    for node, mark in (("shed", sent["id"]), ("attic", "another"), ("attic", None)):
        hear(joined, f"{node}/reply", json.dumps({"id": mark, "ok": True}))
    assert not answer.done()
    hear(joined, "attic/reply", json.dumps({"id": sent["id"], "ok": False, "error": "no"}))
    assert answer.result(0)["error"] == "no"


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"null", b"[1]", b'{"id":NaN}', b"[" * 9000, b'{"id":{"a":1}}'])  # fmt: skip
def test_what_is_no_reply_answers_nothing(joined, payload):
    _, answer = asked(joined)
    hear(joined, "attic/reply", payload)
    assert not answer.done()


@pytest.mark.parametrize("payload", [b"\xff", b"NaN", b"1e999", b'"\\ud800"', b"[" * 4000, b'{"a":[-1e999]}'])  # fmt: skip
def test_whatever_an_output_is_can_be_sent_to_a_browser(joined, payload):
    hear(joined, "attic/output/pump", payload)
    hear(joined, "attic/log", payload)
    hear(joined, "attic/status", payload)
    assert json.loads(frames.text(joined.kept.of("attic")))
    for heard in joined.heard:
        assert frames.event(heard.kind, heard.content).endswith(b"\n\n")


@pytest.mark.parametrize("depth", [33, 900, 930, 960, 970, 980, 990])
def test_what_nests_deeper_than_a_program_can_follow_is_a_text(joined, depth):
    """Parsing has another limit than writing, so that what one takes the other may fail at."""
    for payload in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        if len(payload) <= link._LONGEST:
            hear(joined, "attic/output/pump", payload)
            assert joined.kept.of("attic")["outputs"]["pump"] == payload
        assert messages.read("outpost", "outpost/attic/info", b'{"a":%s}' % payload.encode(), False, 1).why  # fmt: skip
    hear(joined, "attic/output/pump", "[" * 32 + "]" * 32)
    frames.text(joined.kept.of("attic"))
    assert isinstance(joined.kept.of("attic")["outputs"]["pump"], list)


def test_a_command_that_nobody_answers_ends_in_words(joined, monkeypatch):
    monkeypatch.setattr(link, "ANSWER_S", -1)
    answer = joined.command("attic", "restart", {})
    client = Client()
    joined._send(client)
    assert client.sent == []  # it waited too long for a connection: nobody expects it any more
    with pytest.raises(Unanswered, match="attic has not answered"):
        answer.result(0)


def test_a_connection_that_ends_answers_what_is_open(joined):
    _, answer = asked(joined)
    waiting = joined.command("attic", "read", {})
    joined._give_up("the broker is away")
    for each in (answer, waiting):
        with pytest.raises(Unanswered, match="no answer: the broker is away"):
            each.result(0)
    client = Client()
    joined._send(client)
    assert client.sent == []


def test_commands_that_wait_are_bounded(joined):
    for _ in range(200):
        joined.command("attic", "read", {})
    with pytest.raises(Unanswered, match="too many commands"):
        joined.command("attic", "read", {})


def test_what_waits_for_the_browsers_is_bounded(joined):
    for number in range(5000):
        hear(joined, "attic/log", f"{number} info")
    assert len(joined.heard) == 2000 and joined.heard[-1].content["text"] == "4999 info"


def test_an_account_that_may_not_hear_is_told(joined):
    reasons = [SimpleNamespace(is_failure=each) for each in (False, True, False, False)]
    joined.connected = False
    joined._on_subscribe(None, None, 1, reasons, None)
    assert joined.state() == {
        "connected": False,
        "why": "there is no connection to the broker: this account may not hear log of the nodes",
    }
    with pytest.raises(Unanswered, match="may not hear log"):
        joined.command("attic", "read", {})
