"""A day of a node's time on a real littlefs, with outages, in a heap of so many KB. test_day*.py run it, with a scripted client or the real one.

The node's loop, its outbox and its documents are the real ones. What stands for silicon, network and broker is not counted: a board has it elsewhere.
Time is virtual: a pass each second, and one more whenever something came from the broker.
"""

import gc
import sys
import time

HOUR = 3600
# Bytes that may be in use more at the end: what the outbox and the broker's side hold differs by a kilobyte from one hour to the next.
# A byte a reading would be 86 KB.
_GROWTH = 2048

BALLAST = []  # what is not the node's


class Peer:
    """A broker, as far as the day knows it: whether it can be reached, and which readings it has got."""

    def __init__(self):
        self.up = True
        self.seen = 0  # the highest seq that has arrived
        self.holes = 0  # readings below it that have not
        self.doubles = 0
        self.late = 0

    def waiting(self):
        """Return whether the node is to be woken: something came."""
        return False

    def arrived(self, seq, late):
        self.late += late
        if seq > self.seen:
            self.holes += seq - self.seen - 1
            self.seen = seq
        elif self.holes:
            self.holes -= 1
        else:
            self.doubles += 1


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
    name = model = hardware = micropython = "test"
    id = "e66058388326a5b1"

    def __init__(self):
        self.radio = Radio()
        self.guard = self

    def reset_cause(self):
        return "power on"

    def reset(self):
        raise SystemExit("the node wanted a reset")

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
    at = None

    def step(self, now):
        if now == self.at:
            return None
        self.at = now
        return (21.37, 45.2)

    def worth(self, now, result):
        return True

    def delivered(self, now, result):
        pass

    def due(self, now):
        return 1000


def settings():
    return {
        "node": {"name": "", "base": "outpost", "led": None},
        "wifi": {
            "networks": [{"ssid": "home", "password": "", "static": None}],
            "hostname": "",
            "country": "",
            "power_save": False,
        },
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
        "outbox": {
            "bytes": 131072,
            "sync_s": 5,
            "when_full": "drop-oldest",
            "ram_bytes": 4096,
        },
        "ntp": {"host": "b", "port": 123, "interval_s": 21600},
        "discovery": {"enabled": False},
        "watchdog": {"enabled": True, "timeout_s": 8, "arm_after_s": 20},
        "log": {"level": "error"},
    }


def size_of(*kinds):
    """Return the bytes of objects that come with the node and are not its own."""
    gc.collect()
    before = gc.mem_alloc()
    stand_ins = [kind() for kind in kinds]
    gc.collect()
    return gc.mem_alloc() - before - 16 * len(stand_ins)


# What runs of the board, of the sensors and of the start for as long as the node does.
CODE = (
    "firmware.start",
    "firmware.upkeep.crash",
    "firmware.hardware.board",
    "firmware.hardware.guard",
    "firmware.sensors.channel",
)


class Days:
    """Days of a node that has so many KB."""

    def __init__(self, kilobytes, peer, socket, stand_ins=(), code=(), begin=None):
        """socket: the module; stand_ins: classes beside the board's; code: modules that count, though stand-ins do their work;
        begin(): makes the modules of the node importable.
        """
        self.kilobytes = kilobytes
        self.peer = peer
        self.node = None
        self.lacks = 0  # errors for want of memory
        self.now = time.ticks_ms()
        time.ticks_ms = self.ticks_ms
        gc.threshold(8192)  # as in firmware/start.py: long-lived things stay close together
        self.node = self._make(socket, stand_ins, code, begin)
        self.outbox = self.node.delivery.outbox

    def ticks_ms(self):
        return self.now

    def _make(self, socket, stand_ins, code, begin):
        # The fakes of what a board has built in, as this file's imports are: loaded with the node, they would count as its own.
        import errno
        import os
        import select

        import network
        import norflash
        from machine import WDT, Timer

        norflash.mount(os.getcwd() + "/../flash.img")
        sys.modules["socket"] = socket
        gc.collect()
        fakes = gc.mem_alloc()
        if begin:
            begin()
        import outbox  # as the node will, and before the compiler's memory is taken away
        from firmware import app, parts

        for name in code:
            __import__(name)
        gc.collect()
        left = self.kilobytes * 1024 - (gc.mem_alloc() - fakes)
        left += size_of(Board, Channel, *stand_ins)
        # First into the holes that the compiler has left, the small ones, too: a board has none.
        for size, more in (112, 6144), (8, 0):
            while gc.mem_free() > left + more:
                BALLAST.append(bytearray(size))

        found = app.Node(Board(), settings(), "config.json", (), [Channel()], (), "power on")
        found.log.level = 9
        found.log.error = self._error
        found.clock.offset = 1795219200000
        found.clock.step = lambda now, online: False
        return found

    def _error(self, text):
        """What the node logs as an error. It goes on without memory, but then the heap is too small."""
        if "memory" in text or "ENOMEM" in text:
            print("at", self.node.log.uptime_s if self.node else 0, "s:", text)
            self.lacks += 1

    def run(self, seconds):
        node, peer = self.node, self.peer
        for _ in range(seconds):
            self.now = time.ticks_add(self.now, 1000)
            node.step(self.now)
            for _ in range(3):  # round trips a second, at most
                if not peer.waiting():
                    break
                node._sleep(0)
                node.step(self.now)

    def settled(self):
        """Let what waits go out. Return bytes in use."""
        self.run(300)
        assert len(self.outbox) <= 1
        gc.collect()
        return gc.mem_alloc()

    def with_outages(self, strict=True):
        """strict: no lack of memory is logged, not even where the node can go on."""
        peer, radio = self.peer, self.node.board.radio
        self.run(HOUR)
        peer.up = False
        self.run(400)
        peer.up = True
        before = self.settled()
        for hour in range(1, 23):
            # an hour without a broker, one with, one with a weak access point
            peer.up = hour % 3 > 0
            for _ in range(10):
                radio.up = hour % 3 < 2 or _ % 2 == 0
                self.run(HOUR // 10)
        peer.up = radio.up = True
        self.run(HOUR)
        after = self.settled()
        assert peer.seen >= self.node.seq - 1 and self.node.seq > 86000
        assert peer.holes == self.outbox.dropped, (peer.holes, self.outbox.dropped)
        assert peer.late > 10000 and peer.doubles == 0, (peer.late, peer.doubles)
        assert after - before < _GROWTH, (before, after)
        assert not (strict and self.lacks), self.lacks
        print("heap free: %d of %d KB" % (gc.mem_free(), self.kilobytes))
