"""A day of the node's time on a real littlefs, with outages, in NODE_KB: nothing is lost that was not counted, and nothing grows.

The node's loop, its outbox and its documents are the real ones; the MQTT client is a scripted one, which stands for network and broker and
whose 35 KB are not counted, nor are the fakes, which a board has in silicon.
"""

import gc
import sys
import time
from array import array

HEAP = "256k"  # of which the node gets NODE_KB; the compiler that a board does not need had its share before
NODE_KB = 64  # the budget
BOARDS = ("pico_w",)
MPY = True
TIMEOUT = 240  # a heap as full as this one is collected at every file
SLOW = True
HOUR = 3600


class Subscriptions:
    @staticmethod
    def waiting():
        return False


class Client:
    """Network and broker. Takes messages while `up`, acknowledges them in the next step, and checks them off."""

    lw_topic, last, unanswered, lied = None, None, (), False
    subscriptions = Subscriptions

    def __init__(self, client_id, server, keepalive=0, window=32, window2=1):
        self.client_id = client_id
        self.lowered = self.turned_away = False
        self.refused = ()
        self.exactly_once = 0
        self.connected = False
        self.up = True
        self.sock = None
        self.in_flight = []
        self.released = ()
        self.window = window
        # packet id % its length → 2 * seq, + 1: late
        self.readings = array("I", [0] * (window + 1))
        self.resent = self.skipped = 0
        self.pid = 0
        self.seen = 0  # the highest seq that has arrived
        self.holes = 0  # readings below it that have not
        self.doubles = 0
        self.late = 0

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
        if not self.up:
            raise OSError(104)

    def step(self, now):
        if not self.up:
            self.connected = False
            raise OSError(104)
        self.connected = True
        acked = self.in_flight
        self.in_flight = []
        for pid in acked:
            self._arrived(self.readings[pid % len(self.readings)])
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

    def _arrived(self, reading):
        seq = reading >> 1
        if not seq:
            return
        self.late += reading & 1
        if seq > self.seen:
            self.holes += seq - self.seen - 1
            self.seen = seq
        elif self.holes:
            self.holes -= 1
        else:
            self.doubles += 1

    def poll_ms(self, now):
        return 1000

    def close(self):
        self.connected = False


class Mqtt:
    Client = Client
    ProtocolError = Refused = KeyError


class NameServer:
    """The module `socket`, with a name server behind it that knows every name."""

    AF_INET = SOCK_DGRAM = 0

    def socket(self, *kind):
        return self

    def sendto(self, query, peer):
        self.answers = [query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + A_RECORD]

    def recvfrom(self, size):
        if not self.answers:
            raise OSError(11)
        return self.answers.pop(), ("192.0.2.1", 53)

    def _nothing(self, *args):
        pass

    setblocking = close = _nothing


A_RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\2"  # 192.0.2.2


class Radio:
    joining = None
    up = True

    def servers(self):
        return "192.0.2.1", "192.0.2.1"

    def connected(self):
        return self.up

    def failed(self):
        return False

    def rssi(self):
        return -61

    def state(self):
        return "idle"

    def address(self):
        return "192.0.2.7"

    def _nothing(self, *args, **options):
        pass

    on = off = join = leave = _nothing


class Board:
    name = model = hardware = id = micropython = "test"

    def __init__(self):
        self.radio = Radio()
        self.guard = self

    def reset_cause(self):
        return "power on"

    def _nothing(self, *args):
        pass

    feed = end = arm_watchdog = set_time = kept_time = mark_time = led = idf_heap = _nothing


class Channel:
    name = "climate"
    fields = (("temperature", 2), ("humidity", 1))
    retain = latest = False
    qos = 1
    errors = 0
    error = None

    def step(self, now):
        return (21.37, 45.2)

    def worth(self, now, result):
        return True

    def delivered(self, now, result):
        pass

    def due(self, now):
        return 1000


BALLAST = []  # what is not the node's


def size_of_stand_ins():
    """Return the bytes of the objects that stand for the client, the radio, the board and a sensor: they come with the node."""
    gc.collect()
    before = gc.mem_alloc()
    stand_ins = [Client("", ""), Board(), Channel()]
    gc.collect()
    return gc.mem_alloc() - before - 16 * len(stand_ins)


def node():
    # The fakes of what a board has built in, as this file's imports are: loaded with the node, they would count as its own.
    import errno
    import os
    import select

    import norflash

    image = os.getcwd() + "/flash.img"
    os.mkdir("files")
    os.chdir("files")
    norflash.mount(image)
    gc.collect()
    fakes = gc.mem_alloc()
    sys.modules["mqtt"] = sys.modules["mqtt.client"] = Mqtt
    sys.modules["socket"] = NameServer()
    import outbox  # as the node will, and before the compiler's memory is taken away
    from firmware import app, parts

    gc.collect()
    left = NODE_KB * 1024 - (gc.mem_alloc() - fakes) + size_of_stand_ins()
    # First into the holes that the compiler has left, the small ones, too: a board has none.
    for size, more in (112, 6144), (8, 0):
        while gc.mem_free() > left + more:
            BALLAST.append(bytearray(size))

    gc.threshold(8192)  # as firmware/start.py does
    settings = {
        "node": {"name": "", "base": "outpost", "led": None},
        "wifi": {"networks": [{"ssid": "home", "password": "", "static": None}]},
        "mqtt": {
            "brokers": [{"host": "b", "port": 1, "user": "", "password": "", "tls": None}],
            "client_id": "",
            "keepalive_s": 60,
            "clean_session": False,
            "window": 32,
            "window2": 1,
            "qos_max": 2,
            "retain": True,
            "rate": None,
        },
        "publish": {"live_s": 30, "health_s": 60, "plain": False},
        "outbox": {"bytes": 131072, "sync_s": 5, "when_full": "drop-oldest", "ram_bytes": 4096},
        "ntp": {"host": "b", "port": 123, "interval_s": 21600},
        "discovery": {"enabled": False},
        "watchdog": {"enabled": True, "timeout_s": 8, "arm_after_s": 20},
        "log": {"level": "error"},
    }
    settings["wifi"].update({"hostname": "", "country": "", "power_save": False})
    found = app.Node(Board(), settings, "config.json", (), [Channel()], (), "power on")
    found.log.level = 9
    found.clock.offset = 1795219200000
    found.clock.step = lambda now, online: False
    return found


class Days:
    def __init__(self):
        gc.threshold(8192)  # as in firmware/start.py: long-lived things stay close together
        self.node = node()
        self.now = time.ticks_ms()

    def run(self, seconds):
        for _ in range(seconds):
            self.now = time.ticks_add(self.now, 1000)
            self.node.step(self.now)

    def settled(self):
        """Let what waits go out. Return bytes in use."""
        self.run(300)
        assert len(self.node.delivery.outbox) <= 1
        gc.collect()
        return gc.mem_alloc()


def test_a_day_with_outages():
    d = Days()
    client, radio = d.node.uplink.client, d.node.board.radio
    d.run(HOUR)
    client.up = False
    d.run(400)
    client.up = True
    before = d.settled()
    for hour in range(1, 23):
        # an hour without a broker, one with, one with a weak access point
        client.up = hour % 3 > 0
        for _ in range(10):
            radio.up = hour % 3 < 2 or _ % 2 == 0
            d.run(HOUR // 10)
    client.up = radio.up = True
    d.run(HOUR)
    after = d.settled()
    outbox = d.node.delivery.outbox
    assert client.seen >= d.node.seq - 1 and d.node.seq > 86000
    assert client.holes == outbox.dropped, (client.holes, outbox.dropped)
    assert client.late > 10000 and client.doubles == 0
    assert after - before < 512, (before, after)
    print("heap free: %d of %d KB" % (gc.mem_free(), NODE_KB))


def test_a_day_offline_keeps_to_its_bound_and_counts_what_it_gave_up():
    import os

    d = Days()
    client = d.node.uplink.client
    d.run(60)
    client.up = False
    for _ in range(24):
        d.run(HOUR)
        outbox = d.node.delivery.outbox
        size = sum([os.stat("state/outbox/" + name)[6] for name in os.listdir("state/outbox")])
        assert size <= 131072 + 256 and outbox.bytes <= 131072
    assert len(os.listdir("state/outbox")) < 20
    dropped = outbox.dropped
    kept = len(outbox)
    assert kept > 1000 and outbox.appended == d.node.seq
    client.up = True
    d.settled()
    assert client.holes == outbox.dropped >= dropped > 80000
    assert client.doubles == 0
    print(kept, "kept,", dropped, "dropped of", d.node.seq)
