"""state/boots on a flash that fails for a moment: readings are neither dated nor named by guess."""

import json
import os

import flashfile
from test_app import Run
from test_boots import outage

from firmware import files, forget

HEAP = "2m"
TIMEOUT = 60


class Fails:
    """The flash fails at a file while `on`: in reading it, or, so many times, in writing it."""

    def __init__(self, writes=0, path="state/boots"):
        self.path = path
        self.on = not writes
        self.writes = writes
        self.read, self.write = flashfile.patiently, files.write
        flashfile.patiently, files.write = self._patiently, self._write
        forget("readings", "boots", "earlier", "bootcount")

    def _patiently(self, read, path):
        if self.on and path == self.path:
            raise OSError(5)
        return self.read(read, path)

    def _write(self, path, text):
        if self.writes and path == self.path:
            self.writes -= 1
            raise OSError(5)
        return self.write(path, text)


def readings_of(r, boot):
    """Return (topic, whether they have a time) → numbers."""
    found = {}
    for topic, message, *_ in r.client.sent:
        if "/climate" in topic:
            reading = json.loads(message)
            if reading["boot"] == boot:
                found.setdefault((topic, "ts" in reading), set()).add(reading["seq"])
    return found


def test_what_cannot_be_looked_up_waits_and_what_is_of_now_passes():
    # The readings went out under the name of now, and without a time.
    first = outage(name="attic")
    boot, taken = first.node.delivery.boot, first.node.seq
    now = Run(name="kitchen")
    now.client.reachable = False
    now.run(3000)
    flash = Fails()
    now.client.reachable = True
    now.run(8000)
    assert not readings_of(now, boot)
    assert len(readings_of(now, now.node.delivery.boot)) and now.node.uplink.connected
    assert sum(["state/boots cannot be read" in line for line in now.node.log.waiting]) <= 1
    flash.on = False
    now.run(120000)
    got = readings_of(now, boot)
    assert list(got) == [("outpost/attic/history/climate", True)], got
    assert got["outpost/attic/history/climate", True] == set(range(1, taken + 1))


def test_a_name_that_was_not_written_at_the_start_is_written_later():
    # The readings went out under the name before.
    outage(name="attic")
    flash = Fails()
    second = Run(name="cellar")
    flash.on = False
    second.client.reachable = False
    second.run(130000)
    second.node._keep()
    third = Run(name="cellar")
    third.run(60000)
    got = readings_of(third, second.node.delivery.boot)
    assert got and all("/cellar/" in topic for topic, _ in got), got


def test_a_time_that_was_not_written_is_written_later():
    # It was not tried again: the readings went out without a time.
    r = Run(trusted=False)
    r.client.reachable = False
    r.run(20000)
    taken = r.node.seq
    flash = Fails(writes=1)
    r.sync = True
    r.run(130000)
    assert not flash.writes
    r.node._keep()
    after = Run()
    after.run(200000)
    got = readings_of(after, r.node.delivery.boot)
    assert not any(timed is False for _, timed in got), got
    assert len(set().union(*got.values())) >= taken


def test_while_it_cannot_be_written_what_can_be_looked_up_goes_out():
    # On a full flash readings of earlier starts waited for ever, and with those of QoS 2 all others.
    first = outage(name="attic")
    flash = Fails(writes=999)
    now = Run(name="kitchen")
    now.run(200000)
    got = readings_of(now, first.node.delivery.boot)
    assert list(got) == [("outpost/attic/history/climate", True)], got
    assert flash.writes < 999 and now.node.delivery.starts.unnamed
    assert len(now.node.delivery.outbox) <= 1


def test_the_name_of_starts_whose_lines_had_no_room_is_known():
    starts = []
    for _ in range(140):
        r = outage(7, outbox_bytes=131072, name="attic")
        starts.append(r.node.delivery.boot)
        r.node._keep()
    last = Run(outbox_bytes=131072, name="loft")
    last.run(200000)
    topics = set()
    for boot in starts:
        topics |= {topic for topic, _ in readings_of(last, boot)}
    assert topics == {"outpost/attic/history/climate"}, topics


def of_an_unread_file(name, trusted):
    """A start that writes state/boots while nobody knows of which starts readings wait keeps what there is."""
    first = outage(name="attic")
    boot, taken = first.node.delivery.boot, first.node.seq
    (name_of_file,) = [each for each in os.listdir("state/outbox") if each.startswith("0")]
    flash = Fails(path="state/outbox/" + name_of_file)
    now = Run(name=name, trusted=trusted)
    assert now.node.delivery.outbox.unread
    now.client.reachable = False
    now.run(5000)
    now.sync = True
    now.run(5000)
    flash.on = False
    now.client.reachable = True
    now.run(120000)
    got = readings_of(now, boot)
    assert got == {("outpost/attic/history/climate", True): set(range(1, taken + 1))}, got


def test_an_unread_file_of_readings_when_the_node_is_renamed():
    of_an_unread_file("kitchen", True)


def test_an_unread_file_of_readings_when_the_time_is_known_later():
    of_an_unread_file("attic", False)
