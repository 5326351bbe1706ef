"""Brokers that will not have what comes rarely: caution has to last until it comes again. The whole node, in virtual time."""

import time

from mqtt_peer import publish
from test_limits import BARRED, Channel, Rig, numbers, two_channels

HEAP = "1m"
TIMEOUT = 120

UNSUBSCRIBE = 0xA2


def connection_holds(rig, s, calm=900, aside=None):
    """After so long the connection holds, and all channels' readings are there, but for those of `aside`."""
    rig.node.log._write = lambda *line: None
    rig.run(s)
    connects = rig.uplink.connects
    rig.run(calm)
    # What was found out is tried again after ten minutes.
    assert rig.uplink.connects <= connects + 1 and rig.uplink.connected, "it does not hold"
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        if channel.qos and channel is not aside:
            assert sorted(set(rig.seen(channel))) == numbers(rig, channel), channel.name
    assert rig.uplink.qos_max == 2 and rig.uplink.retain


def refused_topic(end):
    return lambda first, body, message: message and message[0].endswith(end)


def test_a_health_report_that_closes_the_connection():
    rig = two_channels()
    rig.broker.refuses = refused_topic(b"/health")
    connection_holds(rig, 600)
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/health"


def test_a_health_report_that_closes_while_there_is_much_to_send():
    rig = Rig(Channel("one", 1), Channel("other", 0))
    rig.broker.mute = True
    rig.run(600)
    rig.broker.mute = False
    rig.broker.refuses = refused_topic(b"/health")
    rig.node.log._write = lambda *line: None
    rig.run(600)
    connects = rig.uplink.connects
    rig.run(300)
    assert rig.uplink.connects <= connects + 1 and rig.uplink.connected, (
        "but for one that is tried again"
    )
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/health"
    one = rig.channels[0]
    assert len(set(rig.seen(one))) >= one.taken - 1


class Rare(Channel):
    """A reading each quarter of an hour."""

    interval_ms = 900000


def test_a_reading_of_qos_0_each_quarter_of_an_hour():
    rig = Rig(Channel("one", 1), Rare("rare", 0))
    rig.broker.refuses = refused_topic(b"/rare")
    rig.node.log._write = lambda *line: None
    rig.run(7 * 900)
    connects = rig.uplink.connects
    rig.run(1900)
    assert rig.uplink.connects <= connects + 1 and rig.uplink.connected, (
        "but for one that is tried again"
    )
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/reading/rare"


def test_unsubscribe_that_closes_the_connection():
    rig = two_channels()
    rig.broker.refuses = lambda first, body, message: first == UNSUBSCRIBE
    connection_holds(rig, 600)
    assert rig.health()["broker_limits"] == "not UNSUBSCRIBE"


def test_payloads_above_a_limit_close_the_connection():
    rig = two_channels()
    rig.broker.refuses = lambda first, body, message: message and len(message[1]) > 200
    connection_holds(rig, 900)
    assert "not outpost/esp32-a1b2c3/health" in rig.health()["broker_limits"]


def test_replies_that_close_the_connection():
    rig = two_channels()
    rig.broker.refuses = refused_topic(b"/reply")
    connects = None
    for n in range(30):
        if n == 24:
            connects = rig.uplink.connects
        rig.run(60, lambda: rig.uplink.ready)
        rig.broker.say(publish(BARRED + b"cmd/nonsense", b'{"id":%d}' % n, 1, 100 + n))
        rig.run(60)
    assert rig.uplink.connects == connects, (connects, rig.uplink.connects)
    assert "not outpost/esp32-a1b2c3/reply" in rig.health()["broker_limits"]


def test_what_is_forbidden_and_does_not_come_again_costs_no_more_than_speed():
    # A log line, once: each kind passes, and everything goes as ever.
    rig = two_channels()
    rig.node.log.level = 1
    rig.broker.refuses = refused_topic(b"/log")
    rig.run(200)
    rig.broker.refuses = None
    rig.node.log.level = 9
    rig.run(120)
    assert not rig.uplink.brokers.cautious
    connects = rig.uplink.connects
    rig.run(60)
    assert rig.uplink.connects == connects
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1


def history_is_never_answered(qos):
    """Return how many connections ended one after the other without a reading of now on any of them, at most."""
    rig = Rig(Channel("one", qos), Channel("other", qos))
    rig.node.log._write = lambda *line: None
    rig.run(10)
    rig.broker.mute = True
    rig.broker.cut()
    rig.run(120)
    rig.broker.mute = False
    sound = rig.broker.publish
    came = [rig.uplink.connects]

    def answers(message):
        if b"/history/" in message[0]:
            return []
        if message[0] in (BARRED + b"reading/one", BARRED + b"reading/other"):
            came.append(rig.uplink.connects)
        return sound(message)

    rig.broker.publish = answers
    rig.run(900)
    assert came[-1] > 8 and rig.uplink.connected and rig.health()["set_aside"] > 20
    first = came.index(min([n for n in came if n > 2]))  # by then one message at a time is sent
    return max([came[n + 1] - came[n] for n in range(first, len(came) - 1)])


def test_history_that_is_never_answered_leaves_room_for_readings_of_now():
    # A try at a message costs ten seconds of silence, and many are needed until all of history is found out.
    assert history_is_never_answered(1) <= 2


def test_history_that_is_never_answered_leaves_room_for_readings_of_qos_2():
    # They never overtake but while QoS 1 is tried.
    assert history_is_never_answered(2) <= 9


def test_a_restart_is_acknowledged_where_its_reply_is_barred():
    # The board was reset in the same pass: the broker sent the command again to the restarted one.
    rig = two_channels()
    rig.run(30)
    limits = rig.uplink.brokers.learnt()
    limits.judge((rig.node.topics.own("reply"), 1, False), 0, "closes at", 0, True)
    limits.begin()
    for flying in (False, True):
        queued = []
        rig.board.reset = lambda: queued.append(dict(rig.broker.out))
        if flying:
            rig.uplink.client.ping()  # its answer says nothing of what comes now
        rig.broker.give(b"outpost/all/cmd/restart", b"", 1, 7)
        rig.run(5, lambda: queued)
        assert queued == [{}], queued
        rig.node.control.restart, rig.node.control.told_at = False, None
