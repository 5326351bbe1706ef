"""The states of the connection: what each looks like from outside, and where each thing that happens leads."""

import errno as errnos

from mqtt_peer import Broker, Net, connect, run

from mqtt.client import Client, ProtocolError, Refused

STATES = ("closed", "opening", "greeting", "up", "broken", "failed")


def bring(state):
    """Return (net, client) in that state."""
    net = Net(Broker())
    client = Client("c", "broker", net=net)
    if state == "closed":
        return net, client
    if state == "opening":
        net.setup = lambda wire: setattr(wire, "connecting", True)
    net.broker.mute = state in ("opening", "greeting")
    connect(client)
    if state == "broken":
        net.wire.error = errnos.ECONNRESET
        assert client.send(b"t", b"", qos=1) == 1
    if state == "failed":
        assert client.send(b"t", b"", qos=1) == 1
        net.wire.ended = True
        assert client.step(0) == ([1], [])
    return net, client


def error_of(call, *args):
    try:
        call(*args)
    except (OSError, Refused, ProtocolError) as e:
        return e


def test_each_state_from_outside():
    # state: is there a socket, connected, does send() take a message, does step() raise, ms until it is to be called
    for state, there, connected, takes, raises, poll_ms in (
        ("closed", False, False, False, False, 60000),
        ("opening", True, False, False, False, 20),
        ("greeting", True, False, False, False, 20000),
        ("up", True, True, True, False, 60000),
        ("broken", True, True, True, True, 0),
        ("failed", False, False, False, True, 0),
    ):
        net, client = bring(state)
        assert (client.sock is not None) is there and net.open() == there, state
        assert client.connected is connected and not client.pinging, state
        assert client.poll_ms(0) == poll_ms, (state, client.poll_ms(0))
        assert (client.send(b"t", b"", qos=1) is not None) is takes, state
        assert (error_of(client.step, 0) is not None) is raises, state


def test_close_leads_from_each_state_to_closed():
    for state in STATES:
        net, client = bring(state)
        client.close()
        assert client.sock is None and net.open() == 0 and not client.connected, state
        assert client.step(0) == ([], []) and client.poll_ms(0) == 60000, state


def test_start_leads_from_each_state_to_a_connection():
    for state in STATES:
        net, client = bring(state)
        net.setup, net.broker.mute = None, False
        connect(client)
        assert client.connected and net.open() == 1, state
        assert client.pending == 0, state


def test_an_error_leads_from_each_state_to_closed():
    for state in STATES[1:]:
        net, client = bring(state)
        net.wire.error = errnos.ECONNRESET
        assert error_of(client.step, 0).errno == errnos.ECONNRESET, state
        assert client.sock is None and net.open() == 0 and not client.connected, state
        assert client.step(0) == ([], []), state


def test_what_was_sent_on_a_broken_connection_goes_on_the_next():
    net, client = bring("broken")
    assert client.send(b"t", b"after", qos=1) == 2
    assert net.broker.seen == []
    assert error_of(client.step, 0).errno == errnos.ECONNRESET
    assert connect(client)[0] == [1, 2]


def test_what_is_no_answer_to_connect():
    # state when the connection ends → was it closed in answer to CONNECT?
    for state, turned_away in (
        ("opening", False),
        ("greeting", True),
        ("up", False),
        ("broken", False),
        ("failed", False),  # it was taken for one that was turned away, after an acknowledgement
    ):
        net, client = bring(state)
        net.wire.error = errnos.ECONNRESET
        assert error_of(client.step, 0) is not None
        assert client.turned_away is turned_away, state


def test_connack_where_none_is_due():
    net, client = bring("up")
    net.broker.say(b"\x20\x02\x00\x00")
    assert isinstance(error_of(client.step, 0), ProtocolError) and not client.connected
    net, client = bring("greeting")
    net.broker.say(b"\xd0\x00")
    assert isinstance(error_of(client.step, 0), ProtocolError) and not client.connected


def test_connack_ends_a_greeting():
    for code, connected in ((0, True), (5, False)):
        net, client = bring("greeting")
        net.broker.say(b"\x20\x02\x00" + bytes((code,)))
        e = error_of(run, client)
        assert client.connected is connected and bool(e) is not connected
        assert net.open() == connected
