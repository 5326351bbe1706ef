"""Readings in flight when the link dies: those that have become late go to history. The real client and outbox, a scripted broker."""

import json
import time

from mqtt_peer import Broker, Net, run

import sim
from firmware.readings import Delivery
from firmware.topics import Topics
from firmware.upkeep.log import Log
from mqtt.client import Client
from outbox import Outbox

BOARDS = ("esp32", "pico_w")
HEAP = "400k"  # both ends of the connection are here

SYNCED = 1795219200000
LIVE, LATE = b"outpost/attic/reading/room", b"outpost/attic/history/room"


class Channel:
    name = "room"
    retain = latest = False

    def __init__(self, qos):
        self.qos = qos


class Clock:
    def __init__(self, rig):
        self.rig = rig

    def unix_ms(self, uptime):
        return SYNCED + uptime

    def uptime_ms(self, now):
        return self.rig.uptime


class Uplink:
    qos_max = 2
    retain = True

    def __init__(self, client):
        self.client = client
        self.send = client.send


class Rig:
    def __init__(self, qos=1, sync_ms=5000, boot=7):
        sim.virtual()
        self.broker = Broker()
        self.client = Client("c", "broker", net=Net(self.broker))
        self.channel = Channel(qos)
        self.outbox = Outbox("box", 16384, sync_ms)
        self.uptime = 0
        self.seq = 0
        self.delivery = Delivery(
            self.outbox,
            Uplink(self.client),
            Clock(self),
            Topics("outpost", "attic"),
            boot,
            [self.channel],
            30,
            Log(),
        )

    def connect(self, clean=False):
        self.broker.mute = False
        self.client.start(time.ticks_ms(), clean)
        self.run()

    def take(self):
        self.seq += 1
        self.delivery.take(self.channel, self.uptime, self.seq, b'"temperature":20.5')

    def run(self):
        for _ in range(5):
            self.delivery.drain(self.uptime, time.ticks_ms())
            acked, _ = run(self.client, time.ticks_ms())
            self.delivery.acknowledged(acked, time.ticks_ms())

    def wait(self, seconds):
        time.sleep_ms(1000 * seconds)
        self.uptime += 1000 * seconds
        self.delivery.step(time.ticks_ms(), self.uptime)

    def lose(self):
        """The link dies with what is sent from now on."""
        self.broker.hear = lambda first, pid, answer: []
        self.run()
        self.broker.hear = None
        self.client.close()

    def seen(self):
        seen = [(topic, json.loads(payload)["seq"]) for topic, payload in self.broker.seen]
        self.broker.seen = []
        return seen


def test_at_qos_1_what_has_become_late_goes_to_history():
    for sync_ms in (0, 5000):  # on flash before it is sent, and after
        rig = Rig(sync_ms=sync_ms)
        rig.connect()
        for _ in range(3):
            rig.take()
        rig.lose()
        assert rig.seen() == [(LIVE, 1), (LIVE, 2), (LIVE, 3)], "and no acknowledgement"
        rig.wait(29)
        rig.take()
        rig.wait(9 * 3600)
        rig.take()
        rig.connect()
        assert sorted(rig.seen()) == sorted(
            [(LATE, 1), (LATE, 2), (LATE, 3), (LATE, 4), (LIVE, 5)]
        )
        assert len(rig.outbox) == 0 and rig.client.pending == 0


def test_what_is_still_of_now_is_sent_again_as_it_was():
    rig = Rig()
    rig.connect()
    rig.take()
    rig.lose()
    rig.seen()
    rig.wait(29)
    rig.connect()
    assert rig.seen() == [(LIVE, 1)] and len(rig.outbox) == 0


def test_of_an_earlier_start_nothing_is_of_now():
    # 1 went live again, behind 2.
    rig = Rig(sync_ms=0)
    rig.connect()
    rig.take()
    rig.take()
    rig.lose()
    assert rig.seen() == [(LIVE, 1), (LIVE, 2)]
    rig = Rig(sync_ms=0, boot=8)
    rig.seq = 2
    rig.take()
    rig.connect()
    assert sorted(rig.seen()) == [(LATE, 1), (LATE, 2), (LIVE, 3)] and len(rig.outbox) == 0


def test_lost_again_and_again_it_is_withdrawn_once():
    rig = Rig()
    rig.connect()
    rig.take()
    rig.lose()
    rig.wait(60)
    rig.broker.hear = lambda first, pid, answer: []
    rig.connect()
    rig.client.close()
    rig.wait(60)
    rig.seen()
    rig.broker.hear = None
    rig.connect()
    assert rig.seen() == [(LATE, 1)] and len(rig.outbox) == 0 and rig.client.pending == 0


def test_at_qos_2_it_stays_what_it_was():
    """The broker may have it: under another topic it would be there twice."""
    rig = Rig(qos=2)
    rig.connect()
    rig.take()
    rig.lose()
    rig.wait(3600)
    rig.connect()
    assert rig.seen() == [(LIVE, 1)] and len(rig.outbox) == 0


def test_at_qos_2_it_goes_to_history_where_the_broker_has_no_session():
    for late, expected in ((False, LIVE), (True, LATE)):
        rig = Rig(qos=2)
        rig.connect(clean=True)
        rig.take()
        rig.lose()
        assert rig.seen() == []
        rig.wait(60 if late else 20)
        rig.connect(clean=True)
        assert rig.seen() == [(expected, 1)] and len(rig.outbox) == 0 and rig.client.pending == 0


def test_what_becomes_late_while_the_connection_is_made_goes_to_history():
    def slow(wire):
        wire.connecting = True

    rig = Rig()
    rig.connect()
    rig.take()
    rig.lose()
    rig.seen()
    rig.wait(27)
    net = rig.client._transport.net
    net.setup = slow
    rig.connect()
    rig.wait(4)
    net.wires[-1].connecting = False
    rig.run()
    assert rig.seen() == [(LATE, 1)] and len(rig.outbox) == 0


def test_an_exchange_that_was_begun_when_the_memory_ended_ends_on_the_way_out():
    rig = Rig(qos=2)
    rig.connect()
    rig.take()
    wire = rig.client.sock
    write = wire.write

    def no_memory(*args):
        wire.write = write
        raise MemoryError

    wire.write = no_memory
    try:
        rig.run()
    except MemoryError:
        pass
    # As Uplink.stop() does before the reset: what the client has begun goes on.
    for _ in range(5):
        acked, _ = run(rig.client, time.ticks_ms())
        rig.delivery.acknowledged(acked, time.ticks_ms())
    assert rig.seen() == [(LIVE, 1)]
    assert len(rig.outbox) == 0, "it would come again after the start"


def test_what_was_kept_is_older_than_what_goes_at_qos_0():
    # The settings said QoS 1 yesterday: what waits of then comes after a reading of now, which has gone without the outbox.
    rig = Rig(qos=1)
    rig.take()
    rig.channel.qos = 0
    rig.client.start(time.ticks_ms())
    run(rig.client, time.ticks_ms())
    assert rig.delivery.send_now(rig.channel, rig.uptime, 2, b'"temperature":20.5')
    rig.run()
    assert rig.seen() == [(LIVE, 2), (LATE, 1)]


def after_an_outage(sync_ms, ram, every_s):
    """Return a Rig that has taken sixty readings without a broker."""
    rig = Rig(sync_ms=sync_ms)
    rig.outbox = rig.delivery.outbox = Outbox("box%d" % sync_ms, 65536, sync_ms, ram=ram)
    for _ in range(60):
        rig.take()
        rig.wait(every_s)
    return rig


def test_history_is_in_order_and_what_is_of_now_goes_between():
    """After an outage that RAM does not hold: what has become late in RAM waits until all before it have gone."""
    for sync_ms in (0, 5000, 600000):
        rig = after_an_outage(sync_ms, 2048, 5)
        rig.connect()
        while len(rig.outbox):
            rig.run()
        seen = rig.seen()
        late = [seq for topic, seq in seen if topic == LATE]
        live = [seq for topic, seq in seen if topic == LIVE]
        assert late == list(range(1, 55)) and live == list(range(55, 61)), (sync_ms, seen)
        assert seen.index((LIVE, 60)) < 20, "they do not wait for the old ones"


def test_an_exchange_of_before_that_ended_unheard_is_only_forgotten():
    rig = Rig(2)
    rig.delivery.restored = [0x8001]  # of which no record is known any more
    assert rig.delivery._journal(None) == [0x8001] and not rig.delivery.again


def test_what_was_on_its_way_has_its_place_in_history():
    """Readings of now were sent between old ones when the link died: they are late when it is back, and newer than what waits."""
    for sync_ms in (0, 5000, 600000):
        rig = after_an_outage(sync_ms, 8192, 1)
        rig.broker.hear = lambda first, pid, answer: []
        rig.connect()
        rig.client.close()
        rig.broker.hear = None
        assert {LIVE, LATE} == {topic for topic, _ in rig.seen()}
        rig.wait(60)
        rig.connect()
        while len(rig.outbox):
            rig.run()
        late = [seq for topic, seq in rig.seen() if topic == LATE]
        assert late == sorted(late) and len(late) > 20, (sync_ms, late)
