"""The client that never blocks, against a scripted broker on a fake socket."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled

from mqtt_peer import Broker, Net, connect, greet, publish, published, run, split
from raising import raises

import mqtt.client
import sim
from mqtt import Client, ProtocolError, Refused

BOARDS = ("esp32", "pico_w")


def make(broker=True, **options):
    net = Net(Broker() if broker else None)
    return net, Client("c", "broker", net=net, **options)


def test_connect_is_one_write_and_nothing_blocks():
    net, client = make(user="u", password="p")
    client.set_last_will(b"w", b"gone", retain=True, qos=1)
    connect(client)
    assert client.connected and not client.session_present
    assert len(net.wire.writes) == 1
    assert not net.wire.blocking and (6, 1, 1) in net.wire.options
    assert net.family == 2  # IPv4 though the look-up named IPv6 first


def test_publish_is_one_write_of_exact_bytes():
    net, client = make(broker=False)
    greet(net, client)
    net.wire.writes = []
    assert client.send(b"a/b", b"21.5", qos=0) == 0
    # 2 + 3 + 4 = 9
    assert net.wire.outbox == b"\x30\x09\x00\x03a/b21.5" and net.wire.writes == [11]
    net.wire.outbox = bytearray()
    assert client.send("a/b", "21.5", retain=True, qos=1) == 1
    # 0x30 | QoS 1 << 1 | retain; 2 + 3 + 2 + 4 = 11
    assert net.wire.outbox == b"\x33\x0b\x00\x03a/b\x00\x0121.5"
    net.wire.outbox = bytearray()
    assert client.send(b"a/b", b"x" * 200, qos=2) == 2
    # 2 + 3 + 2 + 200 = 207 = 0xCF -> 0xCF 0x01
    assert net.wire.outbox == b"\x34\xcf\x01\x00\x03a/b\x00\x02" + b"x" * 200
    assert len(net.wire.writes) == 3


def test_qos_1_and_2_are_acknowledged():
    net, client = make()
    connect(client)
    assert [client.send(b"t", b"%d" % q, qos=q) for q in (0, 1, 2)] == [0, 1, 2]
    assert client.pending == 2
    acked, arrived = run(client)
    assert acked == [1, 2] and arrived == [] and client.pending == 0
    assert net.broker.seen == [(b"t", b"0"), (b"t", b"1"), (b"t", b"2")]
    assert [kind for kind, pid in net.broker.log] == [0x10, 0x30, 0x32, 0x34, 0x62]


def test_window_is_bounded_by_count_and_by_bytes():
    net, client = make(window=3)
    connect(client)
    net.broker.mute = True
    assert [client.send(b"t", b"", qos=1) for _ in range(4)] == [1, 2, 3, None]
    assert client.send(b"t", b"", qos=0) == 0  # no acknowledgement, no window
    net, client = make(window2=2)
    connect(client)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    assert [client.send(b"t", b"", qos=2) for _ in range(3)] == [1, 2, None]
    run(client)
    assert client.send(b"t", b"", qos=2) is None  # PUBREC came, PUBCOMP has not
    assert client.send(b"t", b"", qos=1) is None  # mosquitto would acknowledge it and drop it
    assert client.send(b"t", b"", qos=0) == 0
    net.broker.hear = None
    net.broker.say(b"\x70\x02\x00\x01")
    run(client)
    assert client.send(b"t", b"", qos=1) == 3 and client.send(b"t", b"", qos=2) == 4
    net, client = make(buffer=256)
    connect(client)
    net.broker.mute = True
    sent = [client.send(b"t", b"x" * 50, qos=1) for _ in range(6)]
    assert sent == [1, 2, 3, None, None, None]  # 3 * 57 + 64 in reserve <= 256
    raises(ValueError, client.send, b"t", b"x" * 300)


def test_acknowledgements_in_any_order_free_room():
    net, client = make(buffer=256)
    connect(client)
    net.broker.mute = True
    assert [client.send(b"t", b"%d" % i * 50, qos=1) for i in range(3)] == [1, 2, 3]
    net.broker.say(b"\x40\x02\x00\x02")
    assert run(client)[0] == [2]
    assert client.send(b"t", b"3" * 50, qos=1) == 4
    client.close()
    net.broker.mute = False
    net.broker.seen = []
    connect(client)
    run(client)
    assert [payload[:1] for topic, payload in net.broker.seen] == [b"0", b"2", b"3"]


def test_packet_ids_wrap_and_skip_those_in_use():
    net, client = make()
    connect(client)
    net.broker.mute = True
    assert client.send(b"t", b"", qos=1) == 1
    client._out.pid = 65534
    assert [client.send(b"t", b"", qos=1) for _ in range(3)] == [65535, 2, 3]
    raises(ValueError, client.send, b"t", b"", False, 1, 65535)
    assert client.send(b"t", b"", False, 1, pid=777) == 777


def test_nothing_is_sent_without_a_connection():
    _, client = make()
    assert client.send(b"t", b"") is None
    assert client.step(0) == ([], [])
    assert client.poll_ms(0) > 1000
    assert client.pending == 0


def test_bad_messages_are_the_callers_error():
    _, client = make()
    connect(client)
    for topic in (b"", b"a/+", b"#", b"a\0"):
        raises(ValueError, client.send, topic, b"")
    raises(ValueError, client.send, b"t", b"", False, 3)
    assert client.connected and client.pending == 0


def test_partial_writes_and_none():
    net, client = make()
    connect(client)
    net.wire.takes = 0
    pids = [client.send(b"topic/%d" % i, b"payload", qos=1 + i % 2) for i in range(5)]
    client.step(0)
    assert 0 < client.poll_ms(0) <= 20  # the socket takes nothing: look again soon
    net.wire.takes = 1
    assert sorted(run(client, steps=500)[0]) == pids
    assert len(net.broker.seen) == 5


def test_a_write_not_taken_is_repeated_unchanged():
    # TLS has the record of the first attempt ready: other bytes would be counted as sent and never be.
    # The Wire raises when they differ.
    net, client = make()
    connect(client)
    net.wire.takes = 0
    client.send(b"t", b"1", qos=1)
    client.send(b"t", b"2", qos=1)
    client.step(0)
    net.wire.takes = 5
    client.send(b"t", b"3", qos=1)
    assert run(client, steps=100)[0] == [1, 2, 3]


def test_reads_of_one_byte():
    net, client = make()
    net.setup = lambda wire: setattr(wire, "gives", 1)
    connect(client)
    run(client, steps=100)
    net.broker.give(b"a/b", b"x" * 100, 2, 9)
    arrived = run(client, steps=400)[1]
    assert arrived == [(b"a/b", b"x" * 100, False, 2)]


def test_several_packets_leave_in_one_write():
    net, client = make()
    connect(client)
    net.wire.takes = 0
    for i in range(5):
        client.send(b"t", b"%d" % i, qos=1)
    client.step(0)
    net.wire.takes = None
    net.wire.writes = []
    run(client)
    assert len(net.wire.writes) == 2  # the one that was offered, and the four behind it


def test_arrived_is_acknowledged_by_the_next_step():
    net, client = make()
    connect(client)
    for qos in (0, 1, 2):
        net.broker.give(b"in/%d" % qos, b"payload", qos, qos)
    net.broker.log = []
    arrived = client.step(0)[1]
    assert arrived == [(b"in/%d" % qos, b"payload", False, qos) for qos in (0, 1, 2)]
    assert net.broker.log == []  # the program has not seen them yet
    assert client.poll_ms(0) == 0
    assert client.step(0)[1] == []
    run(client)
    assert net.broker.log == [(0x40, 1), (0x50, 2), (0x70, 2)] and net.broker.out == {}


def test_a_burst_does_not_fill_the_heap():
    net, client = make()
    connect(client)
    for i in range(30):
        net.broker.say(publish(b"t", b"%d" % i))
    sizes = []
    while sum(sizes) < 30:
        sizes.append(len(client.step(0)[1]))
        assert sizes[-1] and (sum(sizes) == 30 or client.poll_ms(0) == 0)
    assert max(sizes) <= 8


def test_qos_2_repeated_is_handed_over_once():
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: []  # PUBREC goes unseen
    net.broker.give(b"t", b"once", 2, 7)
    net.broker.say(publish(b"t", b"once", 2, 7, dup=True))
    assert len(run(client)[1]) == 1
    client.close()
    net.broker.hear = None
    connect(client)  # the broker, its session kept, sends it again
    assert run(client)[1] == []
    assert client.received == [] and net.broker.out == {}


def test_resume_sends_the_same_bytes_with_dup_in_order():
    net, client = make(broker=False)
    greet(net, client)
    for i in range(4):
        client.send(b"t/%d" % i, b"payload", qos=1 + i % 2)
    first, _ = split(net.wire.outbox)
    net.wire.ended = True
    e = raises(OSError, client.step, 0)
    assert e.errno == errnos.ECONNRESET and net.open() == 0 and client.pending == 4
    client.start(0)
    client.step(0)
    net.wire.outbox = bytearray()
    net.wire.inbox += b"\x20\x02\x01\x00"
    client.step(0)
    again, _ = split(net.wire.outbox)
    assert client.session_present and client.resent == 4
    assert [(a | 8, body) for a, body in first] == again
    assert len(net.wire.writes) == 2  # CONNECT, and all of them at once


def test_session_lost_sends_as_new_with_the_same_ids():
    net, client = make()
    connect(client)
    net.broker.mute = True
    for qos in (1, 2):
        client.send(b"t", b"%d" % qos, qos=qos)
    client.close()
    net.broker.mute = net.broker.session = False
    net.broker.log = []
    connect(client)
    assert run(client)[0] == [] and client.pending == 0
    assert net.broker.log[:3] == [(0x10, None), (0x32, 1), (0x34, 2)]  # DUP 0
    assert net.broker.seen[-2:] == [(b"t", b"1"), (b"t", b"2")]


def test_message_never_written_is_not_marked_dup():
    net, client = make()
    connect(client)
    net.wire.takes = 0
    client.send(b"t", b"", qos=1)
    client.close()
    net.broker.log = []
    connect(client)
    assert net.broker.log[1] == (0x32, 1)


def test_pubrel_is_sent_again_before_publish_in_order_of_pubrec():
    net, client = make()
    connect(client)
    order = []

    def hear(first, pid, answer):
        order.append(pid)
        return []

    net.broker.hear = hear
    for i in range(4):
        client.send(b"t", b"%d" % i * 40, qos=2)
    for pid in (3, 2):  # PUBREC out of order
        net.broker.say(b"\x50\x02\x00" + bytes((pid,)))
    run(client)
    assert client.released == [3, 2] and client.pending == 4
    client.close()
    net.broker.log = []
    net.broker.hear = None
    acked = connect(client)[0]
    assert net.broker.log[1:5] == [(0x62, 3), (0x62, 2), (0x3C, 1), (0x3C, 4)]
    assert sorted(acked) == [1, 2, 3, 4]
    assert sorted(payload for topic, payload in net.broker.seen) == [
        b"%d" % i * 40 for i in range(4)
    ]


def test_released_message_goes_again_when_the_session_is_lost():
    # Without the session the broker may have lost the message with it: it never reached a subscriber.
    net, client = make()
    connect(client)
    client.send(b"t", b"payload", qos=2)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    net.broker.stored = {}
    run(client)
    client.close()
    net.broker.hear, net.broker.session, net.broker.stored = None, False, {}
    acked = connect(client)[0]
    assert acked == [1] and net.broker.seen == [(b"t", b"payload")]


def test_session_present_of_a_clean_session_is_a_lie():
    for clean in (True, False):
        net, client = make(broker=False)
        client.start(0, clean_session=clean)
        client.step(0)
        net.wire.inbox += b"\x20\x02\x01\x00"
        client.step(0)
        assert client.connected and client.lied is clean and client.session_present is not clean


def test_a_probe_is_over_with_the_welcome():
    net, client = make(broker=False)
    told = []
    client.set_journal(told.append)
    client.start(0, clean_session=True, probe=True)
    client.step(0)
    net.wire.inbox += b"\x20\x02\x00\x00"
    assert raises(Refused, client.step, 0).code == 0
    assert net.open() == 0 and not told and not client.connected


def test_unknown_and_repeated_acknowledgements():
    net, client = make()
    connect(client)
    net.broker.log = []
    net.broker.say(
        b"\x40\x02\x00\x09\x70\x02\x00\x09\x50\x02\x00\x09\xb0\x02\x00\x09\x90\x03\x00\x09\x00"
    )
    assert run(client) == ([], [])
    assert net.broker.log == [
        (0x62, 9)
    ]  # an unknown PUBREC is answered, else it would never end there
    net.broker.hear = lambda first, pid, answer: answer + answer  # everything twice
    pid = client.send(b"t", b"", qos=1)
    assert run(client)[0] == [pid]
    pid = client.send(b"t", b"x", qos=2)
    assert run(client)[0] == [pid] and client.connected


def test_acknowledgement_of_another_qos_is_refused():
    for qos, answer in (
        (1, b"\x50\x02\x00\x01"),
        (1, b"\x70\x02\x00\x01"),
    ):
        net, client = make()
        connect(client)
        net.broker.mute = True
        client.send(b"t", b"", qos=qos)
        net.broker.say(answer)
        raises(ProtocolError, client.step, 0)
        assert client.pending == 1 and not client.connected and net.open() == 0


def test_acknowledgement_of_what_was_not_sent_is_ignored():
    net, client = make()
    connect(client)
    net.wire.takes = 0
    client.send(b"t", b"", qos=1)
    net.broker.say(b"\x40\x02\x00\x01")
    assert run(client)[0] == [] and client.pending == 1
    net.wire.takes = None
    assert run(client)[0] == [1]


def test_what_was_acknowledged_before_the_end_is_reported_first():
    net, client = make()
    connect(client)
    client.send(b"t", b"", qos=1)
    net.wire.ended = True
    assert client.step(0)[0] == [1]
    assert not client.connected and client.poll_ms(0) == 0
    raises(OSError, client.step, 0)
    assert client.step(0) == ([], [])


def test_refusals_have_names_and_lose_nothing():
    for code in (1, 2, 3, 4, 5, 77):
        net, client = make()
        connect(client)
        net.broker.mute = True
        client.send(b"t", b"", qos=1)
        client.close()
        net.broker.mute = False
        net.broker.code = code
        e = raises(Refused, connect, client)
        assert e.code == code and net.open() == 0 and client.pending == 1
        net.broker.code = 0
        assert connect(client)[0] == [1]


def test_first_publishes_go_with_connect():
    net, client = make(broker=False)
    client.start(0, early=True)
    assert client.send(b"t", b"1", qos=1) == 1 and client.send(b"t", b"2", qos=2) == 2
    client.step(0)
    packets, rest = split(net.wire.outbox)
    assert [first for first, body in packets] == [0x10, 0x32, 0x34] and not rest
    net.wire.outbox = bytearray()
    net.wire.inbox += b"\x20\x02\x00\x00\x40\x02\x00\x01\x50\x02\x00\x02"
    acked = client.step(0)[0]
    assert acked == [1] and net.wire.outbox == b"\x62\x02\x00\x02"
    # refused: both are still there
    net, client = make(broker=False)
    client.start(0, early=True)
    client.send(b"t", b"1", qos=1)
    client.step(0)
    net.wire.inbox += b"\x20\x02\x00\x05"
    raises(Refused, client.step, 0)
    assert client.in_flight == [1]
    client.start(0, early=True)
    assert client.send(b"t", b"2", qos=1) is None  # what is in flight goes first
    client.step(0)
    net.wire.inbox += b"\x20\x02\x00\x00"
    net.wire.outbox = bytearray()
    client.step(0)
    assert net.wire.outbox == b"\x32\x06\x00\x01t\x00\x011"


def test_subscriptions_come_back_when_the_session_is_gone():
    net, client = make()
    net.broker.refuse = (b"secret/#",)
    client.want("a/#", 1)
    client.want("secret/#", 1)
    connect(client)
    assert net.broker.filters == [b"a/#", b"secret/#"] and client.refused == [b"secret/#"]
    client.close()
    net.broker.filters = []
    connect(client)
    assert client.session_present and net.broker.filters == []
    client.close()
    net.broker.session = False
    connect(client)
    assert net.broker.filters == [b"a/#"]


def test_subscription_whose_answer_was_lost_is_asked_for_again():
    net, client = make()
    connect(client)
    net.broker.mute = True
    client.want("a", 0)
    client.step(0)
    client.close()
    net.broker.mute = False
    connect(client)
    assert client.session_present and net.broker.filters == [b"a"]


def test_birth_is_first_and_not_doubled():
    net, client = make()
    client.set_birth(b"status", b"online")
    connect(client)
    assert net.broker.log[1] == (0x33, 1) and client.pending == 0
    net.broker.hear = lambda first, pid, answer: []
    client.close()
    connect(client)
    client.close()
    net.broker.hear = None
    net.broker.seen = []
    acked, _ = connect(client)
    assert net.broker.seen == [(b"status", b"online")] and acked == []


def test_an_id_that_the_birth_had_is_acknowledged_to_its_next_user():
    net, client = make()
    client.set_birth(b"status", b"online")
    connect(client)
    birth = net.broker.log[1][1]
    assert client.pending == 0
    client.send(b"t", b"1", qos=1, pid=birth)
    acked, _ = run(client)
    assert acked == [birth]


def test_state_over_a_power_cut():
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: answer if pid == 2 and first == 0x34 else []
    for i in range(3):
        client.send(b"t", b"%d" % i, qos=2, pid=10 * (i + 1) if i != 1 else 2)
    run(client)
    assert client.in_flight == [10, 2, 30] and client.released == [2]
    broker = net.broker
    broker.hear = None
    del net, client

    net = Net(broker)
    client = Client("c", "broker", net=net)
    client.restore(10, b"t", b"0", qos=2)
    client.restore(2, b"t", b"1", qos=2, released=True)
    client.restore(30, b"t", b"2", qos=2)
    broker.log = []
    acked = connect(client)[0]
    assert broker.log[1:4] == [(0x62, 2), (0x3C, 10), (0x3C, 30)]
    assert sorted(acked) == [2, 10, 30]
    assert sorted(broker.seen) == [(b"t", b"0"), (b"t", b"1"), (b"t", b"2")]
    assert client.send(b"t", b"3", qos=1) == 31


def test_poison_can_be_given_up():
    # A message that the broker answers by closing would end every connection that is to come.
    net, client = make()

    def hear(first, pid, answer):
        if pid == 1:
            net.wire.ended = True
        return answer

    net.broker.hear = hear
    connect(client)
    client.send(b"t", b"too large", qos=1)
    net.wire.inbox = bytearray()
    for n in range(1, 4):
        raises(OSError, run, client)
        assert client.fruitless == n and client.in_flight == [1]
        client.start(0)
        net.broker.publish = lambda message: []
    client.close()
    client.forget(1)
    connect(client)
    assert client.connected and client.pending == 0


def test_topic_that_changes_is_checked_again():
    net, client = make()
    connect(client)
    topic = bytearray(b"a/b")
    client.send(topic, b"")
    topic[2] = ord("#")
    raises(ValueError, client.send, topic, b"")
    assert net.broker.seen == [(b"a/b", b"")]


def test_published_helper_reads_what_the_client_writes():
    ((first, body),) = split(publish(b"a", b"b", 2, 258, dup=True, retain=True))[0]
    assert published(first, body) == (b"a", b"b", 2, 258, True, True)


def test_a_client_without_umqtts_calls_leaves_by_itself():
    """What waits goes first, however little the socket takes; a link that dies meanwhile is only closed."""
    from mqtt.client import Client

    for dies in False, True:
        sim.virtual()
        net = Net(Broker())
        client = mqtt.client.Client("c", "broker", net=net)
        client.set_last_will("w", b"gone")
        connect(client)
        net.wire.takes = 50
        for letter in b"x", b"y":
            assert client.send(b"a", letter * 300, qos=1)
        if dies:
            net.wire.error = errnos.ECONNRESET
        client.disconnect()
        assert client.sock is None and net.open() == 0 and not client.connected
        if not dies:
            assert net.broker.log[-1] == (0xE0, None)
            assert [payload[:1] for _, payload in net.broker.seen] == [b"x", b"y"]
        client.disconnect()  # twice does no harm
