"""Brokers that will not have a session that lasts, and bad readings among good ones: the whole node, in virtual time."""

import json

from mqtt_peer import Broker
from test_limits import numbers, packet, two_channels

HEAP = "700k"
TIMEOUT = 60

CONNECT = 0x10
CLEAN = 2


def client_id(body):
    n = body[10] << 8 | body[11]
    return body[12 : 12 + n]


def serves(rig, s):
    """After so long everything arrives, the connection holds, and the node says that sessions do not last."""
    rig.run(s)
    connects = rig.uplink.connects
    rig.run(120)
    assert rig.uplink.connects == connects and rig.uplink.connected, "it does not hold"
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        assert sorted(set(rig.seen(channel))) == numbers(rig, channel), channel.name
    assert "no session" in rig.health()["broker_limits"]
    # And once more, after a cut.
    rig.broker.wire.ended = True
    rig.run(60)
    assert rig.uplink.connected
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1


def test_a_broker_that_rejects_the_client_id_of_a_session_that_lasts():
    rig = two_channels()
    greet = rig.broker.greet
    rig.broker.greet = lambda body: greet(body) if body[7] & CLEAN else [packet(0x20, b"\0\2")]
    serves(rig, 240)


def test_a_broker_that_closes_at_a_session_that_lasts():
    rig = two_channels()
    rig.broker.refuses = lambda first, body, message: first == CONNECT and not body[7] & CLEAN
    serves(rig, 120)


def test_a_broker_that_says_of_each_session_that_it_was_kept():
    rig = two_channels()
    greet = rig.broker.greet

    def lies(body):
        greet(body)
        return [packet(0x20, b"\1\0")]

    rig.broker.greet = lies
    serves(rig, 30)


def test_an_outage_that_closes_at_connect_ends_no_session():
    # A proxy whose broker is away; then it is back, at whatever form of CONNECT the node has come to.
    rig = two_channels()
    rig.node.log._write = lambda *line: None
    rig.run(12)
    clean = []
    away = True

    def refuses(first, body, message):
        nonlocal away
        if first == CONNECT and body[7] & CLEAN:
            away = away and not until_a_probe
            if not away:
                clean.append(client_id(body))
        return first == CONNECT and away

    rig.broker.refuses = refuses
    greet = rig.broker.greet
    # Another client's session is another one.
    rig.broker.greet = lambda body: (
        greet(body) if not body[7] & CLEAN else Broker.greet(Broker(), body)
    )
    for s in (16, 23, 31, 42, 60, 60, 60):
        away, until_a_probe = True, s == 60
        rig.broker.wire.ended = True
        rig.run(s, lambda: not away)
        away = False
        rig.run(60)
        assert b"esp32-a1b2c3" not in clean, clean
        assert rig.uplink.connected and rig.health()["broker_limits"] is None
    assert clean.count(b"esp32-a1b2c3-trial") >= 3
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        seen = rig.seen(channel)
        assert seen == numbers(rig, channel) or channel.qos < 2, seen
        assert sorted(set(seen)) == numbers(rig, channel)


def test_readings_that_it_will_not_have_are_set_aside_and_not_all_of_their_channel():
    rig = two_channels(qos=1)
    one, other = rig.channels
    bad = set(range(13, 1000, 20))  # one's own numbers are odd

    def refuses(first, body, message):
        return message and b'"seq":' in message[1] and json.loads(message[1])["seq"] in bad

    rig.broker.refuses = refuses
    rig.node.log._write = lambda *line: None
    rig.run(400)
    rig.run(10, lambda: not rig.waiting())
    assert rig.seen(other) == numbers(rig, other)
    wanted = set(numbers(rig, one))
    assert set(rig.seen(one)) == wanted - bad, sorted(wanted - bad - set(rig.seen(one)))
    assert rig.health()["set_aside"] == len(wanted & bad) >= 5
    assert rig.health()["broker_limits"] is None
