"""firmware/readings, Starts: a start that cannot be looked up, at whatever moment, holds its readings back and ends nothing."""

import json
import os
import sys

from test_delivery import Rig

import firmware
from firmware import readings as starts

HEAP = "600k"
TIMEOUT = 60


class Latest:
    retain = False
    latest = True
    qos = 1

    def __init__(self, name):
        self.name = name


def after_three_starts():
    """Readings of three earlier starts wait: those of the first in the log, the newest of a key of the others."""
    for name in os.listdir("box") if "box" in os.listdir() else ():
        os.remove("box/" + name)
    rig = Rig(sync_ms=0, boot=5)
    for _ in range(3):
        rig.take()
    rig.outbox.sync(0)
    for boot, name in (6, "door"), (7, "window"):
        rig = Rig(sync_ms=0, boot=boot)
        rig.seq += 1
        rig.delivery.take(Latest(name), 0, rig.seq, b'"open":true')
        rig.outbox.sync(0)
    return Rig(sync_ms=0, boot=9)


class Boots:
    """Stands for firmware/readings/boots.py: the n-th look-up fails, and those after it if it is for good."""

    def __init__(self, n, error, for_good):
        self.n, self.error, self.for_good = n, error, for_good
        self.calls = 0

    def find(self, boot):
        self.calls += 1
        if self.calls == self.n or (self.for_good and self.calls > self.n):
            raise self.error
        return None, None

    def end(self):
        self.n, self.for_good = 0, False


def arrived(rig):
    """Return (boot, seq) of what has, each where it belongs."""
    found = []
    for topic, payload in rig.broker.seen:
        reading = json.loads(payload)
        found.append((reading["boot"], reading["seq"]))
        assert "/history/" in topic or reading["boot"] == 9, topic
    rig.broker.seen = []
    return found


def fails_at_each(error):
    forget = starts.forget
    starts.forget = lambda *names: None
    try:
        for n in range(1, 8):
            for for_good in (False, True):
                rig = after_three_starts()
                firmware.readings.boots = sys.modules["firmware.readings.boots"] = Boots(
                    n, error, for_good
                )
                rig.take()
                rig.connect()
                rig.run()
                before = arrived(rig)
                assert (9, 1) in before or not for_good, "it waits for none of them"
                firmware.readings.boots.end()
                for _ in range(10):
                    rig.wait(30)
                    rig.run()
                after = sorted(before + arrived(rig))
                assert after == [(5, 1), (5, 2), (5, 3), (6, 1), (7, 1), (9, 1)], (n, after)
                assert len(rig.outbox) == 0
    finally:
        starts.forget = forget


def test_it_cannot_be_read():
    fails_at_each(OSError(5))


def test_there_is_no_memory():
    fails_at_each(MemoryError())
