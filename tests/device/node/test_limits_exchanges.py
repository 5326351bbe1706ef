"""Brokers at which exchanges of QoS 2 begin and do not end: the whole node, a scripted broker, and virtual time."""

from test_limits import PUBREL, numbers, packet, two_channels

HEAP = "700k"
TIMEOUT = 60


def silent(first, pid, answer):
    """PUBREC comes, PUBCOMP never."""
    return [] if first == PUBREL else answer


def closes(first, body, message):
    return first == PUBREL


def repeats(first, pid, answer):
    """PUBREC once more in place of PUBCOMP."""
    return [packet(0x50, pid)] if first == PUBREL else answer


def delivers_all(rig, s):
    """After so long everything arrives at QoS 1 while it is taken, and the connection holds."""
    rig.run(s)
    connects = rig.uplink.connects
    rig.run(120)
    assert rig.uplink.connects == connects and rig.uplink.connected, "it does not hold"
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        assert sorted(set(rig.seen(channel))) == numbers(rig, channel), channel.name
    assert rig.uplink.qos_max == 1 and not rig.uplink.client.released
    assert rig.node.delivery.outbox.dropped == 0 and rig.health()["set_aside"] == 0
    assert rig.health()["broker_limits"] == "no QoS 2, some readings come twice"


def test_a_broker_that_never_answers_pubrel():
    for hear in (silent, repeats):
        rig = two_channels()
        rig.broker.hear = hear
        delivers_all(rig, 400)


def test_a_broker_that_closes_at_every_pubrel():
    rig = two_channels()
    rig.broker.refuses = closes
    delivers_all(rig, 120)


def test_exchanges_that_an_earlier_start_left_at_pubrel_are_abandoned_too():
    rig = two_channels()
    rig.broker.hear = silent
    rig.run(20, lambda: rig.uplink.client.released)
    rig.node._keep()
    after = two_channels()
    after.node.seq = rig.node.seq
    after.hosts["192.0.2.1"] = after.broker = rig.broker
    assert after.node.delivery.restored
    taken = rig.channels[0].taken
    after.run(500)
    assert after.uplink.qos_max == 1 and not after.uplink.client.released
    assert not after.node.delivery.restored
    assert set(numbers(rig, rig.channels[0])[:taken]) <= set(after.seen(after.channels[0]))
    # Nor are they PUBRELs of the start after that.
    after.node._keep()
    assert not two_channels().node.delivery.restored


def test_a_broker_on_which_nothing_passes_is_left_for_the_next_one():
    rig = two_channels(brokers=2)
    rig.broker.hear = lambda first, pid, answer: []
    rig.run(600, lambda: rig.uplink.broker == "192.0.2.2:1883" and rig.uplink.connected)
    assert rig.uplink.broker == "192.0.2.2:1883"
    rig.run(60)
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1, channel.name
