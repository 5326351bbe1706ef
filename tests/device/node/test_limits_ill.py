"""Brokers that are ill for a while, or answer in their own way: nothing is lost, and nothing false is believed. In virtual time."""

import time

from test_limits import BARRED, PUBLISH, PUBREL, Channel, Rig

HEAP = "1500k"
TIMEOUT = 180

PINGREQ = 0xC0


class Slow(Channel):
    """A reading a minute."""

    interval_ms = 60000


def rig_of(*qos, **options):
    rig = Rig(*[Slow("c%d" % i, each) for i, each in enumerate(qos)], **options)
    rig.lines = []
    rig.publish = rig.broker.publish
    rig.node.log._write = lambda *line: rig.lines.append(" ".join([str(each) for each in line]))
    return rig


def said(rig, text):
    return sum([text in line for line in rig.lines])


def closes_at_every_publish(rig):
    rig.broker.refuses = lambda first, body, message: first & 0xF0 == PUBLISH


def acknowledges_nothing(rig):
    """Pings and subscriptions are answered."""
    rig.broker.hear = lambda first, pid, answer: [] if first & 0xF0 == PUBLISH else answer
    rig.broker.publish = lambda message: None


def heal(rig):
    rig.broker.refuses = None
    rig.broker.hear = None
    rig.broker.publish = rig.publish


def statuses(rig, after):
    return [payload for topic, payload in rig.broker.seen[after:] if topic == BARRED + b"status"]


def outlives(rig, ill, s, told):
    """Well, ill for so long, well again: a few minutes later all is as before."""
    rig.run(120)
    ill(rig)
    before = len(rig.broker.seen)
    rig.run(s)
    assert told in rig.health()["broker_limits"]
    assert said(rig, told) and not said(rig, "will not have")
    assert rig.health()["set_aside"] == 0
    heal(rig)
    rig.run(300)
    assert rig.uplink.connected and not rig.uplink.brokers.cautious
    assert (rig.uplink.qos_max, rig.uplink.retain) == (2, True)
    assert b"online" in statuses(rig, before), "what is retained is what it was"
    health = rig.health()
    assert health["set_aside"] == health["dropped"] == 0
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1, channel.name
    assert not said(rig, "will not have") and said(rig, "takes messages again")


def test_a_broker_that_closes_at_every_publish_for_a_while():
    for s in (60, 300):
        outlives(rig_of(1, 1, 1), closes_at_every_publish, s, "closes at whatever is published")


def test_a_broker_that_acknowledges_nothing_for_a_while():
    for qos in (1, 2):
        outlives(rig_of(qos, qos, qos, qos), acknowledges_nothing, 600, "acknowledges nothing")


def test_no_exchange_is_left_that_nobody_ends():
    """The broker has the messages and does not say so: each would take one of its places for ever, and it drops what finds none."""
    rig = rig_of(2, 1)
    rig.broker.hear = lambda first, pid, answer: [] if first & 0xF6 == PUBLISH | 4 else answer
    rig.run(600, lambda: "no QoS 2" in (rig.health()["broker_limits"] or ""))
    rig.run(60)
    assert rig.uplink.qos_max == 1 and not rig.broker.stored
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1


def test_where_everything_is_forbidden_the_pauses_grow_and_readings_wait():
    rig = rig_of(1, 1)
    closes_at_every_publish(rig)
    rig.run(3600)
    assert rig.uplink.connects < 300
    assert rig.health()["outbox"] == sum([channel.taken for channel in rig.channels])
    assert rig.health()["set_aside"] == 0
    assert rig.health()["broker_limits"] == "closes at whatever is published"
    assert not said(rig, "status online"), "it has taken nothing"


def test_acknowledgements_that_come_late():
    rig = rig_of(1, 1)
    rig.run(120)
    late = []

    def hear(first, pid, answer):
        if first & 0xF0 != PUBLISH or not answer:
            return answer
        late.append((rig.now, rig.broker.wire, answer))
        return []

    rig.broker.hear = hear
    for _ in range(40 * 60 * 10):
        rig.now = time.ticks_add(rig.now, 100)
        while late and time.ticks_diff(rig.now, late[0][0]) >= 12000:
            _, wire, answer = late.pop(0)
            if wire is rig.broker.wire:
                for each in answer:
                    rig.broker.say(each)
        rig.node.step(rig.now)
    assert rig.uplink.connects < 10, "it waits long enough"
    assert rig.health()["broker_limits"] == "acknowledges late"
    assert rig.health()["set_aside"] == rig.health()["dropped"] == 0
    for channel in rig.channels:
        seen = rig.seen(channel)
        assert len(set(seen)) >= channel.taken - 1, channel.name
        assert len(seen) - len(set(seen)) < 10, "nor do they go again and again"
    # When it is quick again, so is the node to notice that it is silent.
    heal(rig)
    rig.run(900)
    assert rig.uplink.client.deadlines.timeout_ms == 10000


def test_a_broker_that_answers_no_ping():
    for interval in (60, 300):
        rig = rig_of(1)
        rig.channels[0].interval_ms = interval * 1000
        rig.broker.hear = lambda first, pid, answer: [] if first & 0xF0 == PINGREQ else answer
        rig.run(3600)
        assert rig.uplink.connects < 12
        assert len(set(rig.seen(rig.channels[0]))) >= rig.channels[0].taken - 1
        assert rig.health()["broker_limits"] == "no answer to pings"
        # A link that dies shows all the same.
        rig.broker.hear = lambda first, pid, answer: []
        rig.run(120)
        assert said(rig, "no answer from the broker")
        heal(rig)
        rig.run(180)
        assert rig.uplink.connected


def test_a_broker_that_answers_no_ping_and_closes_before_the_node_has_waited_long_enough():
    """It has heard nothing for 1.5 keepalives [MQTT-3.1.2-24]."""
    rig = rig_of(1, keepalive_s=5)
    rig.broker.hear = lambda first, pid, answer: [] if first & 0xF0 == PINGREQ else answer
    heard = [rig.now]
    written = rig.broker.written

    def hears(wire):
        heard[0] = rig.now
        written(wire)

    rig.broker.written = hears
    for _ in range(3600 * 2):
        rig.now = time.ticks_add(rig.now, 500)
        rig.node.step(rig.now)
        if rig.uplink.connected and time.ticks_diff(rig.now, heard[0]) > 7500:
            rig.broker.wire.ended = True
    assert rig.health()["broker_limits"] == "no answer to pings"
    assert len(set(rig.seen(rig.channels[0]))) >= rig.channels[0].taken - 1
    assert rig.uplink.connects < 20


def test_pings_are_tried_again():
    rig = rig_of(1)
    pings = []

    def hear(first, pid, answer):
        if first & 0xF0 == PINGREQ:
            pings.append(rig.now)
            return []
        return answer

    rig.broker.hear = hear
    rig.run(600)
    assert rig.health()["broker_limits"] == "no answer to pings"
    # Ever more rarely, while nobody answers them: after 10, 20, 40 and 80 minutes.
    rig.run(600)
    del pings[:]
    rig.run(8400)
    assert 2 <= len(pings) <= 4, pings
    assert rig.health()["broker_limits"] == "no answer to pings"
    connects = rig.uplink.connects
    heal(rig)
    rig.run(9600)
    assert rig.health()["broker_limits"] is None and rig.uplink.connects == connects
    assert said(rig, "has it again") and rig.uplink.client.deadlines.keepalive
    assert len(set(rig.seen(rig.channels[0]))) >= rig.channels[0].taken - 1


def test_what_has_to_go_alone_when_it_comes_puts_off_no_try():
    """What was sent last when connections ended may come in two hours, or never."""
    rig = rig_of(1)
    rig.broker.hear = lambda first, pid, answer: [] if first & 0xF0 == PINGREQ else answer
    rig.run(600, lambda: rig.health()["broker_limits"] == "no answer to pings")
    heal(rig)
    rig.uplink.brokers.last.append(BARRED + b"reply")
    rig.run(900)
    assert rig.health()["broker_limits"] is None and said(rig, "has it again")


def test_an_exchange_that_ends_late_is_not_taken_for_one_that_does_not():
    rig = rig_of(2)
    late = []

    def hear(first, pid, answer):
        if first != PUBREL:
            return answer
        late.append((rig.now, rig.broker.wire, answer))
        return []

    rig.broker.hear = hear
    for _ in range(30 * 60 * 10):
        rig.now = time.ticks_add(rig.now, 100)
        while late and time.ticks_diff(rig.now, late[0][0]) >= 15000:
            _, wire, answer = late.pop(0)
            if wire is rig.broker.wire:
                for each in answer:
                    rig.broker.say(each)
        rig.node.step(rig.now)
    assert rig.uplink.qos_max == 2 and not said(rig, "will not have")
    assert rig.health()["broker_limits"] == "acknowledges late"


def test_silence_is_no_sign_of_too_many_at_once():
    rig = rig_of(2, 2, window2=20)
    for _ in range(3):
        acknowledges_nothing(rig)
        rig.run(200)
        heal(rig)
        rig.run(200)
    assert not said(rig, "at once") and rig.uplink.client.window2 == 20


def test_online_is_not_said_of_a_status_that_is_forbidden():
    rig = rig_of(1)
    rig.broker.refuses = lambda first, body, message: message and message[0].endswith(b"/status")
    rig.run(300)
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/status"
    assert not said(rig, "status online") and rig.uplink.connected
    assert len(set(rig.seen(rig.channels[0]))) >= rig.channels[0].taken - 1


def test_online_is_not_said_where_status_and_info_are_forbidden():
    rig = rig_of(1, 1)
    rig.broker.refuses = lambda first, body, message: (
        message and message[0].endswith((b"/status", b"/info"))
    )
    rig.run(300)
    assert not said(rig, "status online")
    node = "not outpost/esp32-a1b2c3/"
    assert rig.health()["broker_limits"] == node + "info; " + node + "status", rig.health()[
        "broker_limits"
    ]
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1, channel.name
    # They are allowed again: ten minutes later they are there, on the same connection.
    heal(rig)
    rig.run(600)
    connects = rig.uplink.connects
    rig.run(300)
    assert b"online" in statuses(rig, 0) and said(rig, "status online")
    assert rig.uplink.connects == connects and rig.health()["broker_limits"] is None


def test_a_broker_that_keeps_nothing_where_everything_is_retained():
    # No other message passes but the lesser form itself.
    rig = Rig(Channel("one", 1, True), Channel("other", 1, True))
    rig.broker.refuses = lambda first, body, message: first & 0xF1 == PUBLISH | 1
    rig.run(180)
    assert rig.health()["broker_limits"] == "nothing retained"
    assert (BARRED + b"status", b"online") in rig.broker.seen
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) >= channel.taken - 1
    # It keeps them again: the node publishes all that is retained anew.
    before = len(rig.broker.seen)
    rig.broker.refuses = None
    rig.run(720)
    assert rig.health()["broker_limits"] is None and rig.uplink.retain
    assert b"online" in statuses(rig, before)


def test_what_is_still_forbidden_costs_one_connection_and_ever_more_rarely():
    rig = rig_of(1, 1)
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/c0"
    )
    rig.run(600)
    connects = rig.uplink.connects
    rig.run(6 * 3600)
    assert 3 <= said(rig, "still will not have it") <= 5
    assert rig.uplink.connects - connects <= 6
    other = rig.channels[1]
    assert len(set(rig.seen(other))) >= other.taken - 1
