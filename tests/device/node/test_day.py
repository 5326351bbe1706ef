"""A day of the node's time from loose files in NODE_KB: nothing is lost that was not counted, and nothing grows.

The MQTT client is a scripted one, which stands for network and broker and whose 35 KB are not counted; test_day_in_place.py has the real one.
"""

import sys
from array import array

from day import HOUR, Days, NameServer, Peer

HEAP = "256k"  # of which the node gets NODE_KB; the compiler that a board does not need had its share before
NODE_KB = 64  # the budget
BOARDS = ("pico_w",)
MPY = True
TIMEOUT = 240  # a heap as full as this one is collected at every file
SLOW = True

PEER = Peer()


class Subscriptions:
    @staticmethod
    def waiting():
        return False


class Client:
    """Network and broker. Takes messages while PEER is up, acknowledges them in the next step, and checks them off."""

    lw_topic, last, unanswered, lied = None, None, (), False
    subscriptions = Subscriptions

    def __init__(self, client_id="", server="", keepalive=0, window=32, window2=1):
        self.client_id = client_id
        self.lowered = self.turned_away = False
        self.refused = ()
        self.exactly_once = 0
        self.connected = False
        self.sock = None
        self.in_flight = []
        self.released = ()
        self.window = window
        # packet id % its length → 2 * seq, + 1: late
        self.readings = array("I", [0] * (window + 1))
        self.resent = self.skipped = 0
        self.pid = 0

    @property
    def pending(self):
        return len(self.in_flight)

    def set_journal(self, f):
        pass

    def want(self, pattern, qos):
        pass

    def set_last_will(self, *will, **options):
        pass

    def forget(self, pid):
        self.in_flight.remove(pid)

    def start(self, now, clean_session=False, anew=False):
        if not PEER.up:
            raise OSError(104)

    def step(self, now):
        if not PEER.up:
            self.connected = False
            raise OSError(104)
        self.connected = True
        acked = self.in_flight
        self.in_flight = []
        for pid in acked:
            reading = self.readings[pid % len(self.readings)]
            if reading > 1:
                PEER.arrived(reading >> 1, reading & 1)
        return acked, ()

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):
        if qos and len(self.in_flight) >= self.window:
            return None
        if not qos:
            return 0
        self.pid = self.pid % 32736 + 1
        reading = 0
        if b'"seq":' in payload:
            reading = 2 * int(payload.split(b'"seq":')[1].split(b",")[0])
        self.readings[self.pid % len(self.readings)] = reading + (b"/history/" in topic)
        self.in_flight.append(self.pid)
        return self.pid

    def poll_ms(self, now):
        return 1000

    def close(self):
        self.connected = False


class Mqtt:
    Client = Client
    ProtocolError = Refused = KeyError


def days():
    sys.modules["mqtt"] = sys.modules["mqtt.client"] = Mqtt
    return Days(NODE_KB, PEER, NameServer(), (Client,))


def test_a_day_with_outages():
    days().with_outages(strict=False)


def test_a_day_offline_keeps_to_its_bound_and_counts_what_it_gave_up():
    import os

    d = days()
    outbox = d.outbox
    d.run(60)
    PEER.up = False
    for _ in range(24):
        d.run(HOUR)
        size = sum([os.stat("state/outbox/" + name)[6] for name in os.listdir("state/outbox")])
        assert size <= 131072 + 256 and outbox.bytes <= 131072
    assert len(os.listdir("state/outbox")) < 20
    dropped = outbox.dropped
    kept = len(outbox)
    assert kept > 1000 and outbox.appended == d.node.seq
    PEER.up = True
    d.settled()
    assert PEER.holes == outbox.dropped >= dropped > 80000
    assert PEER.doubles == 0
    print(kept, "kept,", dropped, "dropped of", d.node.seq)
