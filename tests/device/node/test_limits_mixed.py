"""Brokers that will not have several things at once, two brokers in turn, and what is tried again meanwhile. In virtual time."""

import test_limits
from mqtt_peer import packet
from test_limits import BARRED, PUBLISH, PUBREL, Channel, Rig

HEAP = "4m"
TIMEOUT = 300


def rabbit(broker):
    """It answers QoS 2 with PUBACK."""
    broker.hear = lambda first, pid, answer: (
        [packet(0x40, pid)] if first & 0xF6 == 0x34 else answer
    )
    publish = broker.publish
    broker.publish = lambda message: publish(message[:2] + (min(1, message[2]), message[3]))


def test_after_a_fail_over_from_a_broker_without_qos_2():
    rig = Rig(Channel("one", 2), Channel("other", 1), brokers=2)
    first, second = rig.hosts["192.0.2.1"], rig.hosts["192.0.2.2"]
    rabbit(first)
    rig.run(60)
    assert rig.uplink.qos_max == 1, "the first has none"
    first.mute = True
    first.wire.ended = True
    second.log.clear()
    rig.run(120)
    assert rig.uplink.connected and rig.uplink.brokers.number == 1
    assert rig.health()["broker_limits"] is None
    assert len([1 for first, _ in second.log if first & 0xF6 == 0x34]) > 10, "of QoS 2"


def test_the_same_broker_with_qos_2_since_an_update():
    rig = Rig(Channel("one", 2), Channel("other", 1))
    usual = rig.broker.publish
    rabbit(rig.broker)
    rig.run(60)
    assert rig.uplink.qos_max == 1
    rig.broker.publish = usual
    rig.broker.hear = None
    limits = rig.uplink.brokers.limits
    for each in limits.retries.all.values():
        each[0] -= 86400000
    rig.run(60)
    assert rig.uplink.qos_max == 2
    rig.broker.wire.ended = True
    rig.run(60)
    assert rig.health()["broker_limits"] is None


def test_a_filter_that_is_no_longer_wanted_is_not_tried_for_hours():
    """The name's `info` is subscribed to for a minute of each connection only (namesake.py)."""
    rig = Rig(Channel("one", 1), Channel("two", 1), Channel("other", 1))
    barred = BARRED + b"reading/one", BARRED + b"reading/two"
    rig.broker.refuses = lambda first, body, message: (
        message[0] in barred if message else first == 0x82 and body[4:-1] == BARRED + b"info"
    )
    rig.run(700)
    assert rig.health()["broker_limits"].count("not ") == 3, rig.health()["broker_limits"]
    rig.broker.refuses = None  # an administrator has mended its rules
    rig.run(2400)
    health = rig.health()
    assert health["broker_limits"] is None, health["broker_limits"]
    assert not health["set_aside"], health["set_aside"]


def only_at_1(first, body, message):
    return first & 0xF6 == PUBLISH | 4


def test_a_lesser_form_that_is_tried_is_concluded():
    """Caution ended before the message had gone in its lesser form: QoS 1 from then on, and not a word."""
    rig = Rig(Channel("one", 2), Channel("other", 1))
    rig.node.log.level = 1  # the default
    rig.broker.refuses = only_at_1
    rig.run(600)
    assert "no QoS 2" in (rig.health()["broker_limits"] or "")


def deaf_to_pings(broker):
    broker.hear = lambda first, pid, answer: [] if first == 0xC0 else answer


def test_a_broker_that_answers_no_pings_and_has_no_qos_2():
    rig = Rig(Channel("one", 2), Channel("other", 1))
    deaf_to_pings(rig.broker)
    rig.broker.refuses = only_at_1
    rig.run(1200)
    for channel in rig.channels:
        assert len(set(rig.seen(channel))) > 200, channel.name


def test_a_broker_that_answers_no_pings_and_forbids_a_topic():
    rig = Rig(Channel("one", 1), Channel("other", 1))
    deaf_to_pings(rig.broker)
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.run(1800)
    assert len(rig.seen(rig.channels[1])) > 300


def test_a_broker_that_answers_neither_pings_nor_qos_2():
    for silent in (lambda first: first & 0xF6 == 0x34, lambda first: first == PUBREL):
        rig = Rig(Channel("one", 2), Channel("other", 1))
        rig.broker.hear = lambda first, pid, answer, silent=silent: (
            [] if first == 0xC0 or silent(first) else answer
        )
        rig.run(1800)
        for channel in rig.channels:
            assert len(set(rig.seen(channel))) > 300, channel.name


class Announced(Channel):
    fields = (("temperature", "°C", "temperature", 2),)
    change = None

    def soon(self, now):
        pass


def forbidding(*topics, discovery=True):
    """A node of two channels at a broker that closes at these topics."""
    usual = test_limits.settings

    def settings():
        chosen = usual()
        chosen["discovery"] = {
            "enabled": discovery,
            "prefix": "homeassistant",
            "per_entity": False,
            "retain": True,
        }
        return chosen

    test_limits.settings = settings
    rig = Rig(Announced("one", 1), Announced("other", 1))
    for channel in rig.channels:
        channel.interval_ms = 30000
    rig.broker.refuses = lambda first, body, message: (
        bool(message) and message[0].startswith(topics)
    )
    return rig


def test_what_is_set_aside_is_tried_again_where_home_assistant_is_told_nothing():
    rig = forbidding(b"homeassistant/", BARRED + b"reading/one")  # without discovery it passes
    rig.run(1200)
    assert (BARRED + b"reading/one").decode() in rig.health()["broker_limits"]
    rig.broker.refuses = lambda first, body, message: (
        bool(message) and message[0].startswith(b"homeassistant/")
    )
    rig.run(2400)
    assert BARRED.decode() not in (rig.health()["broker_limits"] or "")
    assert not rig.health()["set_aside"]


def test_a_topic_is_told_with_what_it_did():
    """`set_aside_why` and the log name how the broker refused this topic, not how it refused the last one."""
    rig = Rig(Channel("one", 1), Channel("two", 1), Channel("other", 1))
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.broker.hear = lambda first, pid, answer: answer
    take = rig.broker.answer

    def answer(kind, pid, body, message):
        return (
            []
            if message and message[0] == BARRED + b"reading/two"
            else take(kind, pid, body, message)
        )

    rig.broker.answer = answer
    rig.run(500)
    rig.node.delivery.aside._told.clear()
    told = set()
    for _ in range(400):
        rig.run(1)
        told.add(rig.health()["set_aside_why"])
    assert "192.0.2.1:1883 never answers outpost/esp32-a1b2c3/reading/one" not in told
    assert "192.0.2.1:1883 closes at outpost/esp32-a1b2c3/reading/two" not in told


def test_a_reading_that_the_broker_will_not_have_is_not_delivered():
    """QoS 0: what went nowhere is not what `change` compares the next reading with (README; issue 11, E 20)."""
    rig = Rig(Channel("one", 0), Channel("other", 1))
    delivered = []
    rig.channels[0].delivered = lambda uptime, result: delivered.append(uptime)
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.run(300)
    assert "/one" in rig.health()["broker_limits"]
    delivered.clear()
    rig.run(120)
    assert not delivered, "%d went nowhere" % len(delivered)


def test_another_broker_is_not_blamed_for_what_the_first_one_said_of_sessions():
    rig = Rig(Channel("one", 2), Channel("other", 1), brokers=2)
    first = rig.hosts["192.0.2.1"]
    greet = first.greet

    def lies(body):
        answer = greet(body)
        if body[7] & 2:  # the third connection, the real one, finds nobody
            first.mute = True
        return [packet(0x20, b"\1\0")] + answer[1:]

    first.greet = lies
    rig.run(120)
    assert rig.uplink.connected and rig.uplink.brokers.number == 1
    assert rig.health()["broker_limits"] is None, rig.health()["broker_limits"]


def test_a_name_is_looked_at_before_anything_is_said_under_it_at_any_broker():
    """Caution has the subscription to `info` wait for its turn; half a second later the name was taken to be free."""
    from mqtt_peer import publish

    rig = Rig(Channel("one", 1), Channel("other", 1))
    broker, usual = rig.broker, rig.broker.answer
    said = []

    def answer(kind, pid, body, message):
        if message and message[0].endswith((b"/status", b"/info")):
            said.append(message[:2])
        answers = usual(kind, pid, body, message)
        if kind == 0x80 and body[4:-1] == BARRED + b"info" and not said:
            answers.append(publish(BARRED + b"info", b'{"id":"0a0b0c0d0e0f"}', retain=True))
        return answers

    broker.answer = answer
    broker.refuses = lambda first, body, message: first == 0x82 and b"/all/" in body
    rig.run(60)
    assert not said, "another board has this name"


def test_more_topics_than_are_remembered_are_no_reason_to_crash():
    """Twelve channels forbidden, live and late. Ends in KeyError in retries.failed() after 20 minutes."""
    rig = Rig(*([Channel("c%02d" % i, 1) for i in range(12)] + [Channel("other", 1)]))
    for channel in rig.channels:
        channel.interval_ms = 60000
    rig.channels[-1].interval_ms = 5000
    rig.broker.refuses = lambda first, body, message: (
        bool(message) and message[0].startswith(BARRED + b"reading/c")
    )
    rig.run(1800)
    assert len(set(rig.seen(rig.channels[-1]))) > 300


def test_what_is_asked_for_and_forgotten_meanwhile_is_not_tried():
    """A message of it came, and its turn: the connection ended first, and all of its topic was barred."""
    from test_limits_alone import make

    from firmware.limits.retries import MESSAGE, TOPIC

    _, limits = make()
    retries = limits.retries
    message = MESSAGE, (b"one", 7)
    limits.learn(0, message)
    retries._now = 700000
    assert retries.may_go(message), "with the next step"
    limits.learn(700000, (TOPIC, b"one"))
    retries.step(700100)
    assert retries.probing != message, "two hours for nothing, and then a KeyError"
    retries.step(700100 + 7200000)
