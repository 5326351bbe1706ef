"""The buffer of what goes out: all that fits is sent, whole and once, however little the socket takes and whatever is acknowledged."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled

from mqtt_peer import Broker, Net, connect, packet, run
from raising import raises

from mqtt.client import Client

BOARDS = ("esp32", "pico_w")


def make(**options):
    net = Net(Broker())
    return net, Client("c", "broker", net=net, **options)


def test_the_largest_message_fills_the_buffer_but_for_the_reserve():
    # From 128 on the remaining length takes two bytes.
    for room, qos, size in (
        (129, 0, 124),
        (130, 0, 124),
        (131, 0, 125),
        (200, 0, 194),
        (200, 1, 192),
        (200, 2, 192),
    ):
        net, client = make(buffer=64 + room)
        connect(client)
        for _ in range(2):
            net.wire.takes = 0
            raises(ValueError, client.send, b"t", b"x" * (size + 1), False, qos)
            assert client.send(b"t", b"x" * size, qos=qos) is not None, (room, qos)
            assert client.send(b"t", b"") is None
            net.wire.takes = None
            run(client)
        assert net.broker.seen == 2 * [(b"t", b"x" * size)]


def slow(acked, taken):
    """Five messages to a socket that takes so many bytes of the fourth and what is before it; then one is acknowledged."""
    net, client = make(buffer=256)
    connect(client)
    broker = net.broker
    broker.hear = lambda first, pid, answer: []

    def written(wire):
        wire.takes -= wire.writes[-1]
        Net.written(net, wire)

    for digit in b"1", b"2", b"3":
        client.send(b"t", digit * 36, qos=1)
    net.wire.takes = 0
    client.send(b"t", b"", qos=0)
    client.send(b"t", b"4" * 36, qos=1)
    assert client.send(b"t", b"5" * 36, qos=1) is None  # 4 * 43 + 5 + 43 + 64 in reserve > 256
    client.step(0)
    if taken:
        net.wire.takes, net.written = taken, written
        client.step(0)
        del net.written
    broker.say(b"\x40\x02\x00" + bytes((acked,)))
    assert client.step(0)[0] == [acked]
    assert client.send(b"t", b"5" * 36, qos=1) == 5, taken
    net.wire.takes = None
    run(client)
    assert [payload[:1] for _, payload in broker.seen] == [b"1", b"2", b"3", b"", b"4", b"5"]
    client.close()
    broker.hear, broker.seen = None, []
    left = [pid for pid in range(1, 6) if pid != acked]
    assert connect(client)[0] == left, (acked, taken)
    assert broker.seen == [(b"t", b"%d" % pid * 36) for pid in left], (acked, taken)


def test_acknowledgements_make_room_around_what_a_slow_socket_has_not_taken():
    for acked in range(1, 4):
        for taken in range(0, 49, 4):  # of 5 and 43
            slow(acked, taken)


def test_what_a_socket_has_not_taken_is_not_dropped_for_room():
    net, client = make(buffer=256)
    connect(client)
    net.wire.takes = 0
    sent = [client.send(b"t", b"%d" % i * 50, qos=i % 2) for i in range(5)]
    assert sent == [0, 1, 0, None, None]  # 55 + 57 + 55 + 64 in reserve
    net.wire.takes = None
    assert run(client)[0] == [1]
    assert net.broker.seen == [(b"t", b"%d" % i * 50) for i in range(3)]


def test_what_is_not_acknowledged_does_not_keep_the_room_of_what_needs_none():
    net, client = make(buffer=256)
    connect(client)
    net.broker.mute = True
    assert client.send(b"t", b"kept", qos=1) == 1
    for _ in range(50):
        assert client.send(b"t", b"x" * 50) == 0


def test_lengths_that_differ_all_the_time_are_not_all_remembered():
    net, client = make()
    connect(client)
    for n in range(200):  # among them those at which the remaining length grows to two bytes
        client.send(b"t", b"x" * n)
        assert net.broker.seen.pop() == (b"t", b"x" * n) and len(client._out.formats) <= 32
        net.broker.log.clear()
    for n in (127, 128, 255, 256, 300):
        client.send(b"t" * n, b"x")
        assert net.broker.seen.pop() == (b"t" * n, b"x")


def test_connect_is_whole_though_the_one_before_was_cut():
    net, client = make()

    def setup(wire):
        wire.takes = 5

    def written(wire):
        wire.error = errnos.ECONNRESET
        Net.written(net, wire)

    net.setup, net.written = setup, written
    raises(OSError, connect, client)
    del net.written
    net.setup = None
    connect(client)
    assert client.connected and net.broker.log == [(0x10, None)]


def test_pubcomp_that_comes_before_pubrec_ends_nothing():
    # It answers a PUBREL of before a power cut; the message is not the broker's before its PUBREC.
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: []
    client.send(b"t", b"x", qos=2)
    net.broker.say(b"\x70\x02\x00\x01")
    assert run(client)[0] == [] and client.in_flight == [1]
    net.broker.hear = None
    net.broker.say(b"\x50\x02\x00\x01")
    assert run(client)[0] == [1] and net.broker.seen == [(b"t", b"x")]


def test_released_messages_are_whole_when_the_session_is_lost_after_it_was_resumed():
    payloads = [bytes(range(n)) for n in (122, 123, 200, 40)]  # remaining lengths: 127, 128
    net, client = make()
    connect(client)
    broker = net.broker
    broker.hear = lambda first, pid, answer: []
    for i, payload in enumerate(payloads):
        client.send(b"t", payload, qos=2, pid=40000 + i)
    for pid in (40002, 40001):
        broker.say(packet(0x50, pid))
    run(client)
    client.close()
    broker.log = []
    connect(client)
    assert broker.log[1:3] == [(0x62, 40002), (0x62, 40001)]
    assert client.session_present and client.in_flight == [40002, 40001, 40000, 40003]
    client.close()
    broker.hear, broker.session, broker.stored, broker.seen = None, False, {}, []
    assert sorted(connect(client)[0]) == [40000, 40001, 40002, 40003]
    assert [payload for _, payload in broker.seen] == [payloads[i] for i in (2, 1, 0, 3)]


def test_what_was_given_up_leaves_its_place_in_both_windows():
    net, client = make(window=2, window2=1)
    connect(client)
    net.broker.hear = lambda first, pid, answer: answer if first == 0x34 else []
    assert client.send(b"t", b"x", qos=1) == 1 and client.send(b"t", b"x", qos=2) == 2
    run(client)
    assert client.send(b"t", b"x", qos=1) is None and client.released == [2]
    client.close()
    for pid in 2, 1, 9:  # the last one there is not
        client.forget(pid)
        assert client.exactly_once == 0
    assert client.in_flight == client.released == []
    connect(client)
    assert [client.send(b"t", b"x", qos=qos) for qos in (1, 2, 1)] == [3, 4, None]


def test_what_is_acknowledged_leaves_its_place_in_both_windows():
    for retain in False, True:
        net, client = make()
        connect(client)
        assert [client.send(b"t", b"%d" % q, retain, q) for q in (0, 1, 2)] == [0, 1, 2]
        assert run(client)[0] == [1, 2] and client.pending == client.exactly_once == 0
        assert not client.lowered
        assert [kind & 1 for kind, _ in net.broker.log[1:4]] == 3 * [retain]
