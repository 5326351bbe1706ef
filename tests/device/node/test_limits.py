"""Brokers that will not have something: the whole node with the real client and outbox, a scripted broker, and virtual time.

What is asserted is what the broker handed on: everything it can have arrives, once where it can be once, within minutes.
"""

import gc
import json
import time

from mqtt_peer import Broker, Net, packet
from test_app import BROKER, Board, settings

from firmware.upkeep import health

HEAP = "700k"
TIMEOUT = 60
BARRED = b"outpost/esp32-a1b2c3/"

PUBLISH = 0x30
PUBREL = 0x62
SUBSCRIBE = 0x82


class Channel:
    """A reading each 5 s."""

    fields = (("temperature", 2),)
    errors = 0
    error = None
    latest = False
    interval_ms = 5000

    def __init__(self, name, qos, retain=False):
        self.name = name
        self.qos = qos
        self.retain = retain
        self.last = time.ticks_ms()
        self.taken = 0

    def worth(self, uptime, result):
        return True

    def step(self, now):
        if time.ticks_diff(now, self.last) < self.interval_ms:
            return None
        self.last = now
        self.taken += 1
        return (20.0,)

    def delivered(self, uptime, result):
        pass

    def due(self, now):
        return 100


class Rig:
    def __init__(self, *channels, brokers=1, **options):
        from firmware import app, parts
        from mqtt.client import Client

        self.board = Board()
        self.hosts = {"192.0.2.%d" % (i + 1): Broker() for i in range(brokers)}
        self.broker = self.hosts["192.0.2.1"]
        self.net = Net(self.broker)
        self.net.getaddrinfo = lambda name, port: [(2, 1, 0, "", (name, port))]
        self.net.connected = self._connected
        self.net.written = lambda wire: self.hosts[wire.address[0]].written(wire)
        parts.Client = lambda *args, **named: Client(*args, net=self.net, **named)
        chosen = settings()
        chosen["mqtt"].update(options)
        chosen["mqtt"]["brokers"] = [dict(BROKER, host=host) for host in sorted(self.hosts)]
        self.channels = channels
        self.node = app.Node(self.board, chosen, "config.json", (), list(channels), (), "power on")
        self.node.log.level = 2
        self.node.clock.step = lambda uptime, online: False
        self.node.clock.offset = 1795219200000
        self.uplink = self.node.uplink
        self.now = time.ticks_ms()

    def _connected(self, wire):
        broker = self.hosts[wire.address[0]]
        if broker.mute:
            wire.error = 111  # ECONNREFUSED
        else:
            broker.begin(wire)

    def run(self, s, until=None):
        """Let it go on for so many seconds, at most until what is asked for."""
        for i in range(s * 20):
            if until and until():
                break
            if i % 100 == 0:
                gc.collect()  # what the model keeps would be spread over all of the heap
            self.now = time.ticks_add(self.now, 50)
            self.node.step(self.now)
        return self

    def seen(self, channel, *brokers):
        """Numbers of the channel's readings that were handed on, in order."""
        topics = [BARRED + (t + channel.name).encode() for t in ("reading/", "history/")]
        return sorted(
            json.loads(payload)["seq"]
            for broker in brokers or self.hosts.values()
            for name, payload in broker.seen
            if name in topics
        )

    def waiting(self):
        return len(self.node.delivery.outbox)

    def health(self):
        return dict(health.report(self.node, self.node.clock.uptime_ms(self.now)))


def numbers(rig, channel):
    """What every reading's number must be, if there are two channels."""
    return list(
        range(
            1 + rig.channels.index(channel),
            1 + len(rig.channels) * channel.taken,
            len(rig.channels),
        )
    )


def two_channels(qos=2, **options):
    return Rig(Channel("one", qos), Channel("other", 1), **options)


def delivers(rig, s=240, doubles=0):
    """After so long everything is there, and the connection holds."""
    rig.run(s)
    connects = rig.uplink.connects
    rig.run(120)
    assert rig.uplink.connects == connects and rig.uplink.connected, "it does not hold"
    rig.run(10, lambda: not rig.waiting())
    for channel in rig.channels:
        seen = rig.seen(channel)
        assert sorted(set(seen)) == numbers(rig, channel), channel.name
        if channel.qos == 2:
            assert len(seen) - len(set(seen)) <= doubles, seen
    return rig


def test_a_broker_that_closes_at_qos_2():
    rig = two_channels()
    rig.broker.refuses = lambda first, body, message: first & 0xF6 == PUBLISH | 4
    delivers(rig)
    assert rig.uplink.qos_max == 1
    assert "no QoS 2" in rig.health()["broker_limits"]
    assert rig.health()["set_aside"] == 0


def test_a_broker_that_answers_qos_2_as_qos_1():
    rig = two_channels()
    rig.broker.hear = lambda first, pid, answer: (
        [packet(0x40, pid)] if first & 0xF6 == 0x34 else answer
    )
    publish = rig.broker.publish
    rig.broker.publish = lambda message: publish(message[:2] + (min(1, message[2]), message[3]))
    delivers(rig, 10)
    assert rig.uplink.connects == 1 and rig.uplink.qos_max == 1


def test_a_broker_that_never_answers_qos_2():
    rig = two_channels()
    rig.broker.hear = lambda first, pid, answer: [] if first & 0xF6 == 0x34 else answer
    delivers(rig)
    assert rig.uplink.qos_max == 1


class Latest(Channel):
    """A reading each second, which replaces the one before: hardly a message comes a second time."""

    latest = True

    def step(self, now):
        if time.ticks_diff(now, self.last) < 1000:
            return None
        self.last = now
        self.taken += 1
        return (20.0,)


def test_messages_that_newer_ones_replace_are_found_out_too():
    rig = Rig(Latest("one", 2))
    rig.broker.refuses = lambda first, body, message: first & 0xF6 == PUBLISH | 4
    rig.run(240)
    assert rig.uplink.qos_max == 1 and rig.uplink.connected
    assert "no QoS 2" in rig.health()["broker_limits"]
    assert rig.health()["set_aside"] == 0
    assert rig.seen(rig.channels[0])[-1] >= rig.channels[0].taken - 1
    # The other kind: it is the topic, whatever is in the message.
    rig = Rig(Latest("one", 2), Channel("other", 1))
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.run(300)
    assert rig.uplink.qos_max == 2 and rig.uplink.connected
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/reading/one"
    assert len(rig.seen(rig.channels[1])) >= rig.channels[1].taken - 1


def test_a_topic_that_closes_the_connection_is_set_aside_and_all_else_goes_on():
    rig = two_channels(qos=1)
    one, other = rig.channels
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.run(300)
    connects = rig.uplink.connects
    rig.run(120)
    assert rig.uplink.connects == connects and rig.uplink.connected
    assert rig.seen(other) == numbers(rig, other)
    assert rig.waiting() <= 1
    health = rig.health()
    assert health["set_aside"] + len(set(rig.seen(one))) >= one.taken - 1, health
    assert health["set_aside_why"] == "192.0.2.1:1883 closes at outpost/esp32-a1b2c3/reading/one"
    assert connects < 20, connects
    # The broker is mended, and ten minutes have gone by: all of it arrives.
    rig.broker.refuses = None
    rig.run(600, lambda: not rig.health()["set_aside"] and not rig.waiting())
    assert rig.seen(one) == numbers(rig, one)
    assert rig.health()["set_aside_why"] is None


def test_what_was_set_aside_outlives_a_restart_and_is_tried_again_then():
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: (
        message and message[0] == BARRED + b"reading/one"
    )
    rig.run(120, lambda: rig.health()["set_aside"] >= 3)
    rig.node._keep()
    after = two_channels(qos=1)
    after.node.seq = rig.node.seq
    assert after.health()["set_aside"] >= 3
    after.run(60)
    assert after.health()["set_aside"] == 0
    assert len(after.broker.seen) > 0


def test_history_that_is_forbidden_costs_no_reading_of_now():
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: message and b"/history/" in message[0]
    rig.run(10)
    rig.broker.mute = True
    rig.broker.cut()
    rig.run(120)
    rig.broker.mute = False
    rig.run(300)
    one, other = rig.channels
    assert rig.uplink.connected and rig.waiting() <= 2
    assert rig.health()["set_aside"] > 20
    assert len(rig.seen(other)) > 40 and len(rig.seen(one)) > 40


def test_a_broker_that_keeps_nothing_retained():
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: first & 0xF1 == PUBLISH | 1
    delivers(rig)
    assert rig.uplink.retain is False
    assert (BARRED + b"status", b"online") in rig.broker.seen


def test_a_broker_that_will_have_no_retained_will():
    for flag, told in ((0x20, "no retained will"), (4, "no will")):
        rig = two_channels(qos=1)
        rig.broker.refuses = lambda first, body, message: (
            first == 0x10 and body[7] & flag and not body[7] & 2
        )
        delivers(rig)
        assert told in rig.health()["broker_limits"], rig.health()


def test_two_brokers_that_will_have_no_retained_will():
    # They are tried in turn: what was learnt of one at CONNECT outlives the attempt at the other.
    rig = two_channels(qos=1, brokers=2)
    for broker in rig.hosts.values():
        broker.refuses = lambda first, body, message: (
            first == 0x10 and body[7] & 0x20 and not body[7] & 2
        )
    delivers(rig)
    assert "no retained will" in rig.health()["broker_limits"]


def test_a_broker_that_was_busy_at_connect_keeps_its_will():
    # A proxy whose broker is away closes at once: that says nothing of wills.
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: first == 0x10
    rig.run(30)
    rig.broker.refuses = None
    delivers(rig, 30)
    assert rig.uplink.client.lw_retain and rig.uplink.client.lw_topic
    assert rig.health()["broker_limits"] is None


def test_a_subscription_that_closes_the_connection_is_left_out():
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: first == SUBSCRIBE and b"/all/" in body
    delivers(rig)
    assert rig.broker.filters.count(BARRED + b"cmd/+") >= 1
    assert rig.health()["broker_limits"] == "not outpost/all/cmd/+"


def test_a_subscription_that_is_made_on_the_connection_is_found_too():
    # The node's own `info`, which it asks for to see who else has its name.
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: first == SUBSCRIBE and b"/info" in body
    delivers(rig, 360)
    assert rig.health()["broker_limits"] == "not outpost/esp32-a1b2c3/info"


def test_a_log_that_closes_the_connection_is_left_out():
    rig = two_channels(qos=1)
    rig.broker.refuses = lambda first, body, message: message and message[0] == BARRED + b"log"
    rig.node.log.level = 1
    delivers(rig)


def test_a_broker_that_closes_at_a_pubrel_it_does_not_know():
    rig = two_channels()
    rig.run(20)
    stored = rig.broker.stored
    rig.broker.hear = lambda first, pid, answer: [] if first == PUBREL else answer
    rig.run(8, lambda: rig.uplink.client.released)
    assert rig.uplink.client.released
    rig.broker.cut()
    rig.broker.hear = None
    stored.clear()
    rig.broker.mute = False

    def refuses(first, body, message):
        return first == PUBREL and (body[0] << 8 | body[1]) not in rig.broker.stored

    rig.broker.refuses = refuses
    delivers(rig, doubles=1)


def test_a_broker_that_takes_few_of_qos_2_at_once():
    rig = Rig(Channel("one", 2), Channel("other", 2), window2=20)
    # It closes above four, as mosquitto does above its limit.
    rig.broker.refuses = lambda first, body, message: (
        first & 0xF6 == 0x34 and len(rig.broker.stored) >= 4
    )
    rig.broker.mute = True
    rig.run(500)  # four on each connection are too few to be rid of so many
    rig.broker.mute = False
    delivers(rig, 400)
    assert rig.health()["broker_limits"] == "%d of QoS 2 at once" % rig.uplink.client.window2
    assert rig.uplink.client.window2 < 12


def test_an_exchange_of_one_broker_begins_anew_at_the_other_even_after_a_power_cut():
    rig = two_channels(brokers=2)
    first, second = rig.hosts["192.0.2.1"], rig.hosts["192.0.2.2"]
    rig.run(12)
    answers = rig.broker.answer
    first.answer = lambda kind, pid, body, message: (
        [] if kind == 0x60 else answers(kind, pid, body, message)
    )
    rig.run(8, lambda: rig.uplink.client.released)
    assert rig.uplink.client.released
    rig.node._keep()
    lost = set(numbers(rig, rig.channels[0]))
    first.mute = True
    first.cut()
    for node in ("the same", "one after a power cut"):
        if node != "the same":
            after = two_channels(brokers=2)
            after.hosts["192.0.2.1"].mute = True
            after.hosts["192.0.2.2"] = rig.hosts["192.0.2.2"]
            rig = after
        rig.run(30)
        assert rig.uplink.broker == "192.0.2.2:1883"
    seen = set(rig.seen(rig.channels[0], first, second))
    assert lost <= seen, lost - seen


def test_a_new_board_does_not_inherit_its_predecessors_exchanges():
    # The old board's PUBLISH was stored under the id of the new one's first: it was acknowledged, and the old one delivered.
    rig = two_channels()
    for pid in range(0x8001, 0x8020):
        rig.broker.stored[pid] = (b"outpost/old", b'{"seq":0}')
    rig.broker.session = True
    delivers(rig, 30)
    assert all(topic != b"outpost/old" for topic, payload in rig.broker.seen)


def test_connections_that_break_at_random_set_nothing_aside():
    # The network breaks behind any byte, forty times: nothing is the messages' fault.
    rig = two_channels(qos=2)
    rig.node.log.level = 9
    state = 1
    for _ in range(40):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        rig.broker.budget = 20 + (state >> 8) % 1500
        rig.run(20, lambda: rig.broker.wire and rig.broker.wire.ended)
        rig.broker.budget = None
        rig.run(1)
    assert rig.health()["set_aside"] == 0
    delivers(rig, 60)
    assert rig.uplink.qos_max == 2 and rig.uplink.retain


def test_a_link_that_breaks_while_messages_pass_is_no_broker_that_closes_at_one():
    rig = two_channels(qos=1)
    rig.broker.mute = True
    rig.run(300)
    rig.broker.mute = False
    for connects in range(1, 5):
        rig.broker.budget = 3000
        rig.run(50, lambda: rig.uplink.connected)  # the pause may have grown to 45 s
        before = rig.waiting()
        rig.run(120, lambda: not rig.uplink.connected)
        assert rig.uplink.connects == connects and not rig.uplink.connected
        assert rig.waiting() < before
        assert not rig.uplink.brokers.cautious, connects
    rig.broker.budget = None
    delivers(rig, 60)


def test_one_at_a_time_is_over_when_each_message_has_passed():
    rig = two_channels(qos=1)
    rig.run(10)
    for connects in range(
        2, 9
    ):  # a cut that finds nothing on its way, after a random pause, does not count
        rig.broker.cut()
        rig.broker.mute = False
        rig.run(40, lambda: rig.uplink.connects == connects)
        if rig.uplink.brokers.cautious:
            break
    assert rig.uplink.brokers.cautious
    rig.run(60)
    assert not rig.uplink.brokers.cautious
    delivers(rig, 60)


def test_a_silent_broker_sets_nothing_aside():
    rig = two_channels(qos=2)
    rig.node.log.level = 9
    rig.run(10)
    for _ in range(8):
        rig.broker.hear = lambda first, pid, answer: []
        rig.run(25)
        rig.broker.hear = None
        rig.run(5)
    assert rig.health()["set_aside"] == 0
    delivers(rig, 60)
    assert rig.uplink.qos_max == 2 and rig.uplink.retain


def test_rate_bounds_what_is_sent_in_a_second():
    rig = Rig(Channel("one", 1), Channel("other", 1), rate=10)
    rig.broker.mute = True
    rig.run(300)
    rig.broker.mute = False
    rig.run(60, lambda: rig.uplink.ready)
    before = len(rig.broker.seen)
    rig.run(3)
    assert 25 <= len(rig.broker.seen) - before <= 40, len(rig.broker.seen) - before
    delivers(rig, 60)
