"""The power fails while readings are set aside, or come back, and the flash fails to read at the next start: each goes once all the same."""

import os
import sys

from test_aside import Rig, exists, refuses
from test_delivery import Rig as Delivering
from unreadable import unreadable

from firmware.files import write

HEAP = "600k"
FILES = ("state/aside/0", "state/aside/state", "box/0", "box/state")


def start():
    rig = Rig(sync_ms=5000)
    rig.channel.qos = 2
    return rig


def some_set_aside():
    """Three of four, and the flash does not know yet that they are gone from where they were."""
    rig = start()
    for _ in range(4):
        Delivering.take(rig)
    rig.outbox.dropped = 2  # it has a state, too
    assert rig.outbox.sync(0)
    refuses(rig, 3)
    rig.run()
    assert rig.health()["set_aside"] == 3 and rig.health()["outbox"] == 1
    rig.delivery.aside.outbox.dropped = 1  # it has a state, too
    assert rig.delivery.aside.outbox.sync(0)


def one_come_back():
    """One of four, and the flash does not know yet that it is gone from where it was."""
    rig = start()
    rig.take(4)
    rig.outbox.sync(0)
    rig.bar(False)
    rig.delivery.uplink.send = lambda *message: None
    aside = rig.delivery.aside.outbox
    aside.dropped = 1  # it has a state, too
    assert aside.sync(0)
    aside.sync, sync = (lambda now: len(aside) == 4 and sync(now)), aside.sync
    rig.run()
    assert rig.health()["set_aside"] == 3 and rig.health()["outbox"] == 1


def collect(rig, seconds):
    found = []
    for _ in range(seconds // 10):
        found += rig.numbers()
        rig.wait(10)
    return found


def empty():
    for folder in ("state/aside", "box"):
        if exists(folder):
            for name in os.listdir(folder):
                os.remove(folder + "/" + name)
            os.rmdir(folder)


def each_once(leave, path):
    empty()
    leave()
    fault = unreadable(path)
    rig = start()
    assert rig.told("cannot be compared yet: readings of earlier starts wait"), path
    rig.bar(False)
    assert collect(rig, 60) == [], path
    fault.end()
    found = collect(rig, 90)
    assert sorted(found) == [1, 2, 3, 4], (path, found)
    assert not exists("state/aside") and rig.health()["outbox"] == 0


def test_set_aside_by_half_and_not_read_then():
    for path in FILES:
        each_once(some_set_aside, path)


def test_come_back_by_half_and_not_read_then():
    for path in FILES:
        each_once(one_come_back, path)


def test_what_never_can_be_read_keeps_the_others_for_minutes_only():
    some_set_aside()
    fault = unreadable("state/aside/0")
    rig = start()
    rig.channel.qos = 1
    rig.bar(False)
    rig.seq = 4
    Delivering.take(rig)
    assert collect(rig, 60) == [5], "readings of now go at once"
    assert sorted(collect(rig, 600)) == [1, 2, 3, 4]
    fault.end()


def test_what_never_can_be_read_keeps_them_for_three_short_starts_only():
    """A node that never was up for ten minutes kept them for ever."""
    some_set_aside()
    fault = unreadable("state/aside/0")
    for _ in range(3):
        rig = start()
        rig.bar(False)
        assert collect(rig, 60) == [] and rig.told("cannot be compared yet")
    rig = start()
    rig.bar(False)
    assert sorted(collect(rig, 60)) == [1, 2, 3, 4] and rig.told("readings may go twice")
    fault.end()
    rig = start()
    rig.bar(False)
    collect(rig, 60)
    assert not exists("state/aside") and rig.health()["outbox"] == 0


def test_starts_that_can_compare_begin_the_count_anew():
    some_set_aside()
    for _ in range(3):
        for _ in range(2):
            fault = unreadable("state/aside/0")
            assert start().told("cannot be compared yet")
            fault.end()
        assert not start().told("cannot be compared")


def test_without_memory_to_compare_they_wait_no_longer():
    some_set_aside()
    fault = unreadable("state/aside/0")
    rig = start()
    fault.end()
    halfway = sys.modules[type(rig.delivery.starts).__module__]

    def mend(*args):
        raise MemoryError

    real, halfway.mend = halfway.mend, mend
    try:
        rig.bar(False)
        assert collect(rig, 60) == []
        assert sorted(set(collect(rig, 600))) == [1, 2, 3, 4]
    finally:
        halfway.mend = real


def test_more_than_the_outbox_promises_set_aside_while_its_state_is_not_written():
    """32 at the end were looked at: the others went twice."""
    rig = start()
    rig.outbox.log.segment_bytes = 8192
    for _ in range(80):
        Delivering.take(rig)
    assert rig.outbox.sync(0)
    rig.outbox._save = lambda now: False
    refuses(rig, 70)
    rig.run()
    assert rig.health()["set_aside"] == 70 and rig.outbox.log.segments[0].first == 1
    rig = start()
    rig.bar(False)
    found = sorted(collect(rig, 200))
    assert found == list(range(1, 81)), found


def test_a_sum_that_cannot_be_read_is_counted_once():
    rig = start()
    rig.take(1)
    aside = rig.delivery.aside.outbox
    aside.dropped = 7
    assert aside.sync(0)
    rig.outbox.dropped = 9  # 2, and those 7
    assert rig.outbox.sync(0)
    write("state/aside/sum", "9")  # and here the power failed
    for path in ("state/aside/sum", "state/aside/state", "box/state"):
        fault = unreadable(path)
        rig = start()
        collect(rig, 20)
        fault.end()
        assert path != "state/aside/sum" or exists(path), "nobody knows yet"
        if path != "box/state":
            continue
        rig.bar(False)
        collect(rig, 60)
        assert rig.health()["dropped"] == 9 and not exists("state/aside")
