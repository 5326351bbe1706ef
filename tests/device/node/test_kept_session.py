"""What a broker keeps in the node's session and sends on each connection: the whole node, a scripted broker, and virtual time.

No message may end each connection for ever: one that can be acknowledged is, another goes with its session.
"""

from mqtt_peer import Broker, publish
from test_limits import Channel, Rig, numbers

HEAP = "700k"
TIMEOUT = 60
CMD = b"outpost/all/cmd/identify"


def goes_on(rig, s=60):
    """After so long the connection holds, and every reading is there."""
    rig.run(s)
    connects = rig.uplink.connects
    rig.run(60)
    assert rig.uplink.connected and rig.uplink.connects == connects, "it does not hold"
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        assert sorted(set(rig.seen(channel))) == numbers(rig, channel), channel.name
    assert rig.health()["set_aside"] == rig.health()["dropped"] == 0
    assert rig.health()["broker_limits"] is None


def test_a_message_whose_topic_is_none_is_skipped_and_acknowledged():
    # It came again right after each CONNACK, and ended the connection: nothing of the node arrived any more.
    rig = Rig(Channel("one", 1))
    rig.run(30)
    bad = b"outpost/all/cmd/\xff\xfe", b"outpost/all/cmd/a\0b", b"outpost/all/cmd/+", b""
    for n, topic in enumerate(bad):
        rig.broker.give(topic, b"x", 1, 7 + n)
    goes_on(rig)
    assert not rig.broker.out and rig.uplink.connects == 1
    assert rig.health()["skipped"] == len(bad)


class Spoilt(Broker):
    """Sends, as what it has kept for the node, bytes that are no MQTT."""

    spoilt = b""

    def again(self, pid):
        return self.spoilt


def test_what_ends_each_connection_goes_with_its_session():
    for spoilt in (
        b"\x32\x05\x00\x01a\x00\x00",  # packet id 0
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x38\x04\x00\x01ax",  # DUP at QoS 0
        b"\x32\x04\x00\x09a\x01",  # a topic longer than the message
        b"\x40\x03\x00\x01\x00",  # an acknowledgement of another length
    ):
        rig = Rig(Channel("one", 1), Channel("other", 2))
        broker = Spoilt()
        rig.hosts["192.0.2.1"] = rig.broker = broker
        broker.spoilt = spoilt
        rig.run(30)
        broker.out[7] = [b"a", b"x", 1, "sent"]
        broker.wire.ended = True
        told = []
        rig.node.log.warning = told.append
        goes_on(rig, 120)
        assert not broker.out
        assert sum(["begins anew" in line for line in told]) == 1, told


def test_more_unfinished_messages_than_there_is_room_for_go_with_their_session():
    rig = Rig(Channel("one", 1))
    rig.broker.hear = lambda first, pid, answer: [] if first == 0x50 else answer  # never PUBREL
    rig.broker.again = lambda pid: publish(CMD, b"x", 2, pid, True)
    rig.run(30)
    for pid in range(1, 300):
        rig.broker.give(CMD, b"x", 2, pid)
    goes_on(rig, 180)
    assert not rig.broker.out


def test_a_broker_that_sends_nonsense_by_itself_is_given_a_new_session_rarely():
    """A new session may double readings of QoS 2."""
    rig = Rig(Channel("one", 1))
    rig.run(30)
    anew = []
    rig.uplink.begin_anew = lambda: anew.append(1)
    rig.broker.hear = lambda first, pid, answer: answer + [publish(b"a", b"x", 3, 1)]
    rig.run(900)
    assert len(anew) == 1
