"""What lib/outbox owes from one start to the next, and when: numbers, the state's file, time that wraps."""

import os

from outbox_flash import FOLDER, Flash, deliver, finish, put, read, segments, send, there
from power import Random

from outbox import Outbox

HEAP = "4m"
WRAP = 1 << 30  # ticks


def test_of_a_hundred_dropped_in_a_second_at_most_16_come_back():
    for n in (100, 101, 107, 115):
        flash = Flash()
        put(flash.box, *range(120))
        assert flash.box.sync(0)
        box = flash.restart()
        assert deliver(box, n) == list(range(n))
        left = there(flash.restart())
        assert left == list(range(120 - len(left), 120)) and len(left) - (120 - n) <= 16
        flash.end()


def test_what_was_dropped_is_known_after_sync_ms():
    flash = Flash()
    put(flash.box, 1, 2, 3)
    assert flash.box.sync(0)
    assert deliver(flash.box, 1, 100) == [1] and deliver(flash.box, 1, 4000) == [2]
    flash.written()
    flash.box.step(5099)
    assert flash.written() == 0
    flash.box.step(5100)
    assert flash.written() and there(flash.restart()) == [3]


def test_nothing_is_written_for_what_was_never_on_flash():
    flash = Flash()
    for now in range(0, 100000, 1000):
        put(flash.box, now, now=now)
        deliver(flash.box, 1, now)
        flash.box.step(now)
    assert flash.box.sync(100000) and flash.written() == 0


def test_a_number_that_is_given_again_is_not_done():
    """All was dropped, and the numbers are known from no segment any more."""
    for known in (False, True):  # whether the state was written behind the last drop
        flash = Flash()
        for i in range(30):
            put(flash.box, i)
            assert flash.box.sync(0)
            assert deliver(flash.box) == [i] and segments() == []
            assert flash.box.sync(0) or not known
            box = flash.restart()
            put(box, 100 + i, 200 + i)
            assert box.sync(0)
            assert there(flash.restart()) == [100 + i, 200 + i]
            assert deliver(flash.box) == [100 + i, 200 + i]
        flash.end()


def test_a_number_beyond_a_hole_is_not_done():
    """The last segment was removed, the one before was not: what is appended then is found after the next start."""
    flash = Flash(limit=8192)
    box = flash.box
    put(box, *range(15))
    assert box.sync(0)
    put(box, *range(15, 40))
    assert box.sync(0) and len(segments()) == 2
    box = flash.restart()
    records = send(box)
    finish(box, records[15:])
    assert len(segments()) == 1
    for box in (box, box.sync(0) and flash.restart()):
        put(box, 60)
        assert box.sync(0)
        box = flash.restart()
        assert there(box)[:15] == list(range(15)) and there(box)[-1] == 60 and box.corrupt == 0


def test_over_many_restarts_nothing_is_lost_or_grows():
    flash = Flash(limit=8192)
    random = Random(5)
    given = 0
    expected = []
    for life in range(120):
        box = flash.restart()
        now = life * 60000
        back = there(box)
        assert back[len(back) - len(expected) :] == expected  # and some before that came back
        assert len(back) - len(expected) <= 16 and box.corrupt == 0
        assert "state" not in os.listdir(FOLDER) or len(read("state")) < 200
        n = random(15)
        put(box, *range(given, given + n), now=now)
        given += n
        box.step(now + 5000)
        done = deliver(box, random(60), now + 5000)
        assert done == (back + list(range(given - n, given)))[: len(done)]
        expected = (back + list(range(given - n, given)))[len(done) :]
    assert len(segments()) < 6


def test_the_state_forgets_what_is_gone():
    """The power fails whenever a segment was just removed, and the state does not know; something is always left."""
    flash = Flash(limit=8192)
    put(flash.box, -1)
    for i in range(0, 1200, 40):
        put(flash.box, *range(i, i + 40))
        assert flash.box.sync(0)
        box = flash.restart()
        assert finish(box, send(box)[1:])[-1] == i + 39
        flash.restart()
    finish(flash.box, send(flash.box)[1:])
    assert flash.box.sync(0)
    assert there(flash.box) == [-1] and len(read("state")) < 100


def test_the_state_forgets_in_a_long_life():
    """Every second one is done, every fourth released, the rest is given up some day."""
    flash = Flash(limit=8192, ram=2000)
    box = flash.box
    for i in range(0, 1500, 20):
        for n in range(i, i + 20):
            box.append(b"k" * 80, b"%d" % n, 0, qos=2)
        records = send(box)
        assert box.release(records[2::4], 0)
        finish(box, list(reversed(records[1::2])))
        box.rewind()
    assert box.dropped and box.sync(0)
    size = len(read("state"))
    box = flash.restart()
    assert 10 < len(box) < 100 and len(box.unfinished(0)) > 5
    assert size < 20 + 8 * (len(box) + 1) + 4 * len(box)


def test_the_state_joins_what_is_done_in_any_order():
    flash = Flash(ram=20000)
    for order in (1, -1):
        put(flash.box, *range(50), qos=2)
        records = send(flash.box)
        assert flash.box.release(records, 0)
        finish(flash.box, records[1:][::order])
        assert flash.box.sync(0)
        assert len(read("state")) == 24 + 8 + 4
        flash.box.drop(records[0], 0)


def test_what_was_given_up_is_still_counted_after_a_restart():
    # 280 readings were lost, and after a restart the counter said 8.
    flash = Flash(limit=8192)
    put(flash.box, *range(600))
    lost = flash.box.dropped
    assert lost > 100
    flash.box.step(5000)
    flash.box.step(10000)
    assert flash.restart().dropped == lost
    put(flash.box, *range(600))
    assert flash.box.dropped > 2 * lost - 100 and flash.box.sync(0)
    lost = flash.box.dropped
    assert flash.restart().dropped == flash.restart().dropped == lost


def test_what_is_refused_is_counted_without_a_write_each_time():
    flash = Flash(limit=8192, drop_newest=True)
    for n in range(600):
        put(flash.box, n)
    flash.box.sync(0)
    lost = flash.box.dropped
    assert lost
    flash.written()
    now = 0
    writes = 0
    for _ in range(630):
        now += 10000
        put(flash.box, 1, now=now)
        flash.box.step(now)
        writes += bool(flash.written())
    assert flash.box.dropped == lost + 630 and 5 <= writes <= 10, writes
    known = flash.restart().dropped
    assert lost + 630 - 64 < known <= lost + 630
    put(flash.box, 1, now=now)
    assert flash.box.sync(now) and flash.restart().dropped == known + 1, "an orderly end knows all"


def test_a_state_of_version_1_is_read():
    from binascii import crc32
    from struct import pack_into

    flash = Flash()
    put(flash.box, *range(10), qos=2)
    records = send(flash.box)
    assert flash.box.release(records[5:], 0)
    finish(flash.box, records[:5])
    flash.box.append(b"lamp", b"on", 0, latest=True)
    assert flash.box.sync(0)
    state = bytearray(read("state"))
    frame = state[24 + 8 + 20 :]
    old = state[:20] + state[24 : 24 + 8 + 20] + frame
    at = 20 + 8 + 20
    pack_into("<I", old, at + 8, crc32(old[at + 12 :], crc32(old[at : at + 8], at)))
    pack_into("<HH", old, 4, len(old), 1)
    pack_into("<I", old, 0, crc32(old[4:]))
    with open(FOLDER + "/state", "wb") as f:
        f.write(old)
    box = flash.restart()
    assert box.corrupt == 0 and box.dropped == 0 and len(box) == 6
    assert len(box.unfinished(0)) == 5 and box.peek(0).key == b"lamp"


def test_ticks_wrap():
    flash = Flash()
    box = flash.box
    put(box, 1, now=WRAP - 3000)
    assert box.due(WRAP - 3000) == 5000
    put(box, 2, now=1000)
    assert box.due(1000) == 1000
    box.step(1999)
    assert flash.written() == 0
    box.step(2000)
    assert flash.written()
    assert there(flash.restart()) == [1, 2]
    deliver(flash.box, 1, WRAP - 10)
    assert flash.box.due(1000) == 3990
    flash.box.step(4990)
    assert there(flash.restart()) == [2]


def test_due():
    flash = Flash(sync_ms=7000)
    box = flash.box
    assert box.due(0) == 60000
    put(box, 1, now=1000)
    put(box, 2, now=4000)
    assert box.due(4000) == 4000
    (one, two) = send(box, now=4000)
    box.drop(one, 4000)
    assert box.due(4000) == 7000  # of the second
    assert box.due(20000) == 0  # late
    box.step(20000)
    assert box.due(20000) == 60000
    box.drop(two, 21000)
    assert box.due(22000) == 6000
    box.step(28000)
    assert box.due(28000) == 60000
    box.append(b"k", b"3", 30000, latest=True)
    box.append(b"k", b"4", 33000, latest=True)
    assert box.due(33000) == 4000  # since the first of them
    assert box.sync(34000)
    box.append(b"k", b"5", 90000, latest=True)
    assert box.due(90000) == 7000  # what is on flash waits for nothing


def test_two_outboxes_do_not_know_of_each_other():
    flash = Flash()
    other = Outbox("/flash/other")
    put(flash.box, 1)
    put(other, 2)
    assert flash.box.sync(0) and other.sync(0)
    assert there(flash.restart()) == [1] and there(Outbox("/flash/other")) == [2]
    assert sorted(os.listdir(FOLDER)) == ["00000001"]
