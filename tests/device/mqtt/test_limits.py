"""Brokers that cannot do what the client asks for, and one exchange between two brokers."""

import errno as errnos

from mqtt_peer import Broker, Net, connect, packet, run
from raising import raises

from mqtt import Client, ProtocolError


def make(**options):
    net = Net(Broker())
    return net, Client("c", "broker", net=net, **options)


def test_qos_2_answered_as_qos_1_is_over_and_not_sent_again():
    # RabbitMQ. It was a protocol error, and the message went again at every connection.
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: [packet(0x40, pid)] if first == 0x34 else answer
    assert not client.lowered
    for pid in (1, 2):
        assert client.send(b"t", b"x", qos=2) == pid
        assert run(client)[0] == [pid]
    assert client.lowered and client.pending == 0 and client.exactly_once == 0 and client.connected


def test_qos_1_that_answers_a_released_exchange_is_still_an_error():
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    client.send(b"t", b"x", qos=2)
    run(client)
    net.broker.say(packet(0x40, 1))
    raises(ProtocolError, client.step, 0)
    assert client.in_flight == [1]


def test_a_broker_that_passes_over_qos_2_is_noticed_while_others_are_acknowledged():
    # Each acknowledgement put the deadline off: the message stayed in flight for ever, and with 20 of them nothing went.
    net, client = make()
    connect(client)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x34 else answer
    client.send(b"t", b"x", qos=2)
    now = acked = 0
    try:
        while now < 60000:
            client.send(b"t", b"y", qos=1)
            acked += len(client.step(now)[0])
            now += 500
    except OSError as e:
        assert e.errno == errnos.ETIMEDOUT and 10000 <= now <= 11000, now
        assert acked > 10
        return
    raise AssertionError("still waiting")


def test_an_exchange_begins_anew_at_another_broker():
    # PUBREC came from one, PUBREL went to the other, which said PUBCOMP: the message was at neither.
    net, client = make()
    here, there = net.broker, Broker()
    journal = []
    client.set_journal(journal.append)
    client.set_last_will(b"t/status", b"offline", qos=1)
    connect(client)
    here.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    client.send(b"t", b"x", qos=2, pid=40000)
    run(client)
    client.close()
    assert client.released == [40000]
    there.session = True  # that of days ago, in which the same id stands for another message
    there.stored[40000] = (b"t", b"old")
    net.broker = there
    client.server = "there"
    journal.clear()
    assert connect(client, anew=True)[0] == [40000]
    assert there.seen == [(b"t", b"x")] and client.connected and not client.session_present
    assert journal[0] is None, "it was not told that the exchange begins anew"
    kinds = [first for first, pid in there.log]
    assert kinds == [0x10, 0xE0, 0x10, 0x10, 0x34, 0x62], kinds
    assert net.open() == 1


def greeted(broker):
    """Return the flags of each CONNECT that comes."""
    flags = []
    greet = broker.greet
    broker.greet = lambda body: [flags.append(body[7])] and greet(body)
    return flags


def test_where_no_session_was_kept_there_is_none_to_be_forgotten():
    # A node on a bad link needs each of its connections; the first one was two.
    net, client = make()
    client.set_last_will(b"t/status", b"offline", qos=1)
    flags = greeted(net.broker)
    connect(client, anew=True)
    assert flags == [0x0C], flags


def test_the_connection_that_ends_a_session_has_no_will_and_the_next_one_keeps_its_session():
    net, client = make()
    client.set_last_will(b"t/status", b"offline", qos=1)
    net.broker.session = True
    flags = greeted(net.broker)
    connect(client, anew=True)
    assert flags == [0x0C, 2, 0x0C], flags
    client.close()
    connect(client)
    assert client.session_present


def test_filters_that_are_withheld_are_asked_for_later():
    net, client = make()
    client.want(b"mine/#", 1)
    client.want(b"all/#", 1)
    client.subscriptions.withhold((b"all/#",))
    connect(client)
    assert net.broker.filters == [b"mine/#"]
    client.subscriptions.withhold(())
    assert client.poll_ms(0) == 0
    client.step(0)
    assert client.subscriptions.waiting()
    run(client)
    assert net.broker.filters == [b"mine/#", b"all/#"] and not client.subscriptions.waiting()
