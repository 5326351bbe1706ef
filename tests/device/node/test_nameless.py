"""A node whose name server is silent: the internet is away, the broker is not. Sensors are read as ever, and nothing bites."""

import os
import time

from test_app import BROKER, Run

import sim
from firmware import files

HEAP = "1m"  # the test keeps and parses every message
BOARDS = ("esp32", "pico_w")


class Node(Run):
    """A Run in virtual time, with the watchdog of its board, and with the clock's own questions to time servers."""

    def __init__(self, ntp="pool.ntp.org", broker="192.0.2.1"):
        sim.virtual()
        sim.catch_resets()
        sim.set_link(sim.UP)
        sim.dns_mode = "silent"
        sim.internet_on = False
        BROKER["host"] = broker
        super().__init__(outbox_bytes=65536)
        del self.node.clock.step
        self.node.clock.host = ntp
        self.board.arm_watchdog = lambda timeout_s: sim.arm(8000 if not sim.ESP32 else 30000)
        self.board.feed = sim.feed
        self.longest = 0

    def run(self, ms, step=100):
        """Every pass is followed by a sleep, as in the node's loop."""
        for _ in range(ms // step):
            before = sim.now()
            self.now = time.ticks_ms()
            self.node.step(self.now)
            self.longest = max(self.longest, sim.now() - before)
            sim.advance(step)


def test_all_readings_come_in_330_seconds_without_a_name_server():
    r = Node()
    r.run(330000)
    got = [reading["seq"] for reading in r.readings()]
    assert len(got) >= 325 and got == list(range(1, len(got) + 1)), len(got)
    assert r.longest == 0, "a pass waited"
    assert not r.node.clock.trusted and sim.name_server.questions >= 9


def test_readings_are_kept_when_the_broker_has_no_address():
    r = Node(broker="broker.lan")
    r.run(330000)
    assert r.node.seq >= 325 and r.longest == 0 and r.readings() == []
    sim.dns_mode = "ok"
    sim.hosts["broker.lan"] = "192.0.2.1"
    r.run(60000)
    assert r.node.uplink.connected and r.client.server == "192.0.2.1"
    live, late = r.readings(), r.readings("outpost/esp32-a1b2c3/history/climate")
    seqs = sorted([reading["seq"] for reading in live + late])
    assert seqs == list(range(1, seqs[-1] + 1)) and seqs[-1] >= 380


def test_a_broker_whose_address_is_known_needs_no_name_server():
    r = Node(broker="broker.lan")
    sim.dns_mode = "ok"
    sim.hosts["broker.lan"] = "192.0.2.1"
    r.run(10000)
    sim.dns_mode = "silent"
    for _ in range(5):
        r.client.reachable = False
        r.run(60000)
        r.client.reachable = True
        r.run(60000)
        assert r.node.uplink.connected and r.longest == 0


def an_hour_ago():
    """The node has known the time before: one answer is enough."""
    sim.virtual()
    files.write(files.TIME, str(sim.true_ms() // 1000 - 3600))


def test_the_router_gives_the_time_when_the_internet_is_away():
    an_hour_ago()
    r = Node()
    sim.internet_on = True  # for the time server's sake; names are not to be had
    r.run(5000)
    # The broker of this world is one, too, and the second to say the same: two that agree need no name.
    assert r.node.clock.trusted and r.node.clock.server == "192.0.2.1"
    assert abs(r.node.clock.unix_ms(sim.now()) - sim.true_ms()) < 200


def test_the_broker_gives_the_time_when_nobody_else_has_it():
    for known, ms in (True, 10000), (False, 30000):  # a new board asks it twice
        if known:
            an_hour_ago()
        else:
            os.remove(files.TIME)
        r = Node()
        sim.internet_on = True
        r.board.radio.servers = lambda: ("192.168.1.1", "192.168.1.1")  # which knows no time
        r.run(ms)
        assert r.node.clock.server == "192.0.2.1" and "ts" in r.readings()[-1], known
