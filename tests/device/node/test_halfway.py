"""The power fails while readings are set aside, or come back: each is there once, and counted once. On MicroPython's own littlefs."""

import os

import vfs
from power import Chip, FailingChip, formatted, mount
from test_aside import Rig, exists, refuses
from test_delivery import Rig as Delivering

from firmware.payload import head

HEAP = "3m"  # every write of the flash is kept
TIMEOUT = 60


class Story:
    """What prepare() and act() do on a flash, of which every write and erase is kept."""

    def __init__(self, prepare, act):
        self.base = formatted()
        self.done = []
        mount(Chip(base=self.base, log=lambda *operation: self.done.append(operation)))
        os.chdir("/flash")
        rig = Rig()
        prepare(rig)
        self.first = len(self.done)
        act(rig)
        os.chdir("/")
        vfs.umount("/flash")

    def check(self, check, fails=((0, 0),)):
        """Cut it before each write of act(), and after the last; check(rig) with the node of the next start.

        fails: reads of that start that fail, as FailingChip.fail() takes them, each time others.
        """
        for n in range(self.first, len(self.done) + 1):
            cut = Chip(base=self.base)
            for block, offset, data in self.done[:n]:
                if data is None:
                    cut.ioctl(6, block)
                else:
                    cut.writeblocks(block, data, offset)
            for first, count in fails:
                chip = FailingChip(base=cut)
                mount(chip)
                os.chdir("/flash")
                chip.fail(first, count)
                rig = Rig()
                chip.fail(0, 0)
                check(rig, n - self.first)
                os.chdir("/")
                vfs.umount("/flash")
        return len(self.done) - self.first


def numbers(rig):
    """Of all readings, wherever they are."""
    aside = rig.delivery.aside
    return sorted(
        [head(record)[2] for box in (rig.outbox, (aside and aside.outbox) or ()) for record in box]
    )


def test_while_one_is_set_aside():
    def take(rig):
        rig.take(3)

    def check(rig, n):
        found = numbers(rig)
        assert found in ([1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5]), (n, found)
        assert rig.health()["dropped"] == 0

    def set_aside(rig):
        rig.take(2)
        rig.outbox.sync(0)

    assert Story(take, set_aside).check(check) > 6


def test_while_they_come_back():
    def take(rig):
        rig.take(4)
        rig.outbox.sync(0)
        rig.broker.hear = lambda first, pid, answer: []

    def come_back(rig):
        rig.bar(False)
        rig.run()
        assert len(rig.delivery.outbox) == 4

    def check(rig, n):
        assert numbers(rig) == [1, 2, 3, 4], (n, numbers(rig))

    assert Story(take, come_back).check(check) > 12


def test_while_the_count_goes_on_in_the_outbox():
    def drop(rig):
        rig.take(1)
        aside = rig.delivery.aside.outbox
        aside.dropped = 7
        aside.sync(0)
        rig.outbox.dropped = 2
        rig.outbox.sync(0)

    def come_back(rig):
        rig.bar(False)
        rig.run()
        rig.run()
        assert rig.delivery.aside is None and rig.outbox.dropped == 9

    def check(rig, n):
        assert rig.health()["dropped"] == 9, (n, rig.health()["dropped"])

    assert Story(drop, come_back).check(check) > 6


FAILS = [(first, count) for first in (1, 5, 10, 16, 24) for count in (9, 40)]


def delivered(rig):
    """With a sound broker, in two minutes; then nothing is left."""
    rig.channel.qos = 2
    rig.bar(False)
    found = []
    for _ in range(12):
        found += rig.numbers()
        rig.wait(10)
    health = rig.health()
    assert not (health["set_aside"] or health["outbox"] or exists("state/aside")), health
    return sorted(found)


def test_while_one_is_set_aside_and_the_next_start_cannot_read():
    def take(rig):
        rig.channel.qos = 2
        rig.outbox.sync_ms = 5000
        rig.take(1)
        rig.delivery.uplink.send = lambda *message: None
        for _ in range(4):
            Delivering.take(rig)
        assert rig.outbox.sync(0)

    def set_aside(rig):
        refuses(rig, 3)
        rig.run()
        assert rig.health()["set_aside"] == 4

    def check(rig, n):
        found = delivered(rig)
        assert found == [1, 2, 3, 4, 5], (n, found)

    assert Story(take, set_aside).check(check, FAILS) > 2


def test_while_they_come_back_and_the_next_start_cannot_read():
    def take(rig):
        rig.channel.qos = 2
        rig.take(3)
        rig.outbox.sync(0)

    def come_back(rig):
        rig.bar(False)
        rig.broker.hear = lambda first, pid, answer: []
        rig.run()
        assert len(rig.outbox) == 3

    def check(rig, n):
        found = delivered(rig)
        assert found == [1, 2, 3], (n, found)

    assert Story(take, come_back).check(check, FAILS) > 8
