"""When there is no room for lib/outbox's queue, by its own limits: of flash, of RAM, of a record."""

import gc
import os

import power
from outbox_flash import FOLDER, Flash, deliver, finish, put, segments, send, there
from power import Random

HEAP = "6m"
LIMIT = 16384


def on_flash():
    return sum(os.stat(FOLDER + "/" + name)[6] for name in segments())


def test_drop_oldest_keeps_the_newest_within_the_limit_and_counts():
    flash = Flash(limit=8192, ram=1500)
    box = flash.box
    random = Random(3)
    delivered = 0
    for i in range(600):
        assert box.append(b"x" * random(100), b"%d" % i, i * 1000)
        box.step(i * 1000)
        box.peek(i * 1000)  # which may be dropped before it is taken
        assert box.bytes <= 8192
        if i % 20 == 0:
            delivered += len(finish(box, send(box, 5), i * 1000))
            assert len(segments()) <= 27
    assert box.sync(0) and on_flash() == box.log.bytes <= 8192
    left = there(box)
    assert left == list(range(600 - len(left), 600)) and len(left) == len(box) > 80
    assert box.appended == 600 == delivered + box.dropped + len(left)
    assert there(flash.restart()) == left


def test_drop_oldest_keeps_the_newest_however_much_ram_there_is():
    # All of it was still in RAM when `limit` was reached: there was no file to give up, and the newest were refused.
    for limit, latest in ((8192, 0), (LIMIT, 0), (8192, 8)):
        flash = Flash(limit=limit, ram=65536, sync_ms=3600000)
        box = flash.box
        for key in range(latest):
            assert box.append(b"k%d" % key, b"%800d" % -1, 0, latest=True)
        for i in range(300):
            assert box.append(b"x" * 60, b"%d" % i, i), (limit, latest, i)
        left = [n for n in there(box) if n >= 0]
        assert left[-1] == 299 and left == list(range(300 - len(left), 300)), (limit, left)
        assert len(left) > 20 and box.dropped == 300 - len(left)
        assert box.bytes <= limit and box.sync(0)
        flash.end()


def test_drop_newest_refuses_and_counts():
    flash = Flash(limit=8192, drop_newest=True)
    box = flash.box
    taken = 0
    while put(box, taken):
        taken += 1
        assert taken < 1000
    assert 8192 - 40 < box.bytes <= 8192
    assert not put(box, 0) and not put(box, 0)
    assert box.dropped == 3 and box.appended == taken
    assert box.append(b"k", b"-1", 0, latest=True)  # which takes none of that room
    assert box.sync(0)
    box = flash.restart()
    assert not put(box, 0)
    assert deliver(box, 200) == list(range(200))
    assert put(box, taken)
    assert deliver(box) == list(range(200, taken)) + [-1, taken]


def test_what_is_on_its_way_is_not_dropped():
    flash = Flash(limit=8192, ram=1500)
    box = flash.box
    for i in range(100):
        put(box, i, qos=2)
        box.step(i * 1000)
    records = send(box, 5)
    assert box.release(records[:2], 0)
    for i in range(100, 600):
        put(box, i, qos=2)
        box.step(i * 1000)
    assert box.dropped > 100 and box.bytes <= 8192
    box = flash.restart()
    assert there(box)[:5] == [0, 1, 2, 3, 4]
    assert [int(r.data) for r in box.unfinished(0)] == [0, 1]


def test_what_arrives_though_it_was_given_up_is_not_counted():
    # Large readings, all on their way at once: no file is without one. It was delivered, and `dropped` said it was lost.
    flash = Flash(limit=8192, ram=1500)
    box = flash.box
    for i in range(40):
        put(box, i, now=i * 1000)
        box.append(b"k" * 200, b"%d" % (100 + i), i * 1000)
        box.step(i * 1000)
    gone = box.dropped
    records = send(box)
    n = 0
    while box.dropped == gone:
        box.append(b"k" * 200, b"%d" % (200 + n), 0)
        n += 1
    lost = box.dropped - gone
    finish(box, records[:1])
    assert box.dropped == gone + lost - 1, (gone, lost, box.dropped)
    finish(box, records[1:])
    assert box.dropped == gone, "all of it has arrived"
    assert box.sync(0) and flash.restart().dropped == gone
    assert there(flash.box) == list(range(200, 200 + n))


def test_what_is_given_up_is_counted_whenever_the_power_fails():
    for acknowledged in (0, 3):  # of the file that goes
        flash = Flash(limit=8192, ram=1500)
        for i in range(0, 300, 10):
            put(flash.box, *range(i, i + 10))
            assert flash.box.sync(0)
        finish(flash.box, send(flash.box, acknowledged))
        assert flash.box.sync(0)
        before = flash.box.dropped
        left = there(flash.restart())
        n = len(left)
        operations = []
        flash.end()
        written = power.Chip(flash.chip, lambda *operation: operations.append(operation))
        flash.chip, base = written, flash.chip
        power.mount(flash.chip)
        box = flash.start()
        while box.dropped == before:
            put(box, 1000)
        flash.end()
        sums = []
        for done in range(len(operations) + 1):
            flash.chip = power.Chip(base)
            for block, offset, data in operations[:done]:
                flash.chip.own(block)[offset : offset + len(data or bytes(4096))] = (
                    data or b"\xff" * 4096
                )
            power.mount(flash.chip)
            box = flash.start()
            sums.append((box.dropped - before, len([i for i in there(box) if i in left])))
            flash.end()
        assert {dropped + kept for dropped, kept in sums} == {n}, sums
        assert sums[0] == (0, n) and sums[-1][0] > 0


def test_what_is_given_up_on_a_full_flash_is_counted_on_it():
    flash = Flash(40, limit=LIMIT, ram=1500)
    box = flash.box
    for i in range(0, 300, 10):
        put(box, *range(i, i + 10))
        assert box.sync(0)
    flash.fill()
    for i in range(20):  # the state has no room beside them
        box.append(b"l%d" % i, b"x" * 60, 0, latest=True)
    i = 300
    while not box.dropped:
        put(box, i)
        i += 1
    dropped = box.dropped
    left = [n for n in range(300) if n not in [int(r.data) for r in box if r.key == b"k"]]
    assert dropped == len(left) > 3
    box = flash.restart()
    assert box.dropped == dropped and [r for r in box if r.key == b"k"]


def test_what_was_taken_before_it_was_written_is_not_dropped():
    flash = Flash(limit=8192, ram=1500)
    put(flash.box, *range(5))
    assert len(send(flash.box)) == 5
    for i in range(5, 500):
        put(flash.box, i, now=i * 1000)
        flash.box.step(i * 1000)
    assert flash.box.dropped and there(flash.restart())[:5] == [0, 1, 2, 3, 4]


def test_what_is_dropped_is_in_ram_no_more():
    """RAM holds half of what the flash may."""
    flash = Flash(limit=8192, ram=30000)
    box = flash.box
    box.append(b"l", b"-1", 0, latest=True)
    for i in range(200):
        box.append(b"k" * 90, b"%d" % i, i * 1000)
        box.step(i * 1000 + 999)
        box.sync(i * 1000)
    left = there(box)
    assert box.dropped + len(left) == 201 and left[:-1] == list(range(200 - len(left) + 1, 200))
    assert sorted(deliver(box)) == [-1] + left[:-1]


def test_a_record_too_large_is_the_callers_mistake():
    box = Flash().box
    assert box.append(b"k", b"x" * 1010, 0)
    for key, data in ((b"k", b"x" * 1011), (b"", b"x" * 5000), (b"k" * 256, b"")):
        for latest in (False, True):
            try:
                box.append(key, data, 0, latest=latest)
            except ValueError as e:
                assert "outbox: a " in str(e)
                continue
            raise ValueError("taken")
    assert len(box) == box.appended == 1 and box.dropped == 0 and box.sync(0)


def grown(box, n, each):
    """Append n records. Return by how much the heap has grown since the first hundred."""
    for i in range(100):
        each(i)
    gc.collect()
    before = gc.mem_alloc()
    for i in range(100, n):
        each(i)
    gc.collect()
    return gc.mem_alloc() - before


def whole(flash):
    """Have every block of the chip in RAM, so that the heap grows by nothing of it."""
    for n in range(40):
        flash.chip.own(n)


def test_the_heap_does_not_grow_with_the_queue():
    flash = Flash(40, limit=LIMIT)
    whole(flash)
    box = flash.box

    def each(i):
        box.append(b"k", b"%4d" % i * 20, i * 100, 1, i % 9 == 0)
        box.step(i * 100)

    assert grown(box, 2000, each) < 1500
    assert box.dropped


def test_the_heap_is_bounded_when_nothing_can_be_written():
    for n, ram in ((4, 4096), (90, 8192)):
        flash = Flash(40, limit=LIMIT, ram=ram)
        whole(flash)
        box = flash.box
        flash.fill()
        gc.collect()
        before = gc.mem_alloc()
        for i in range(300):
            box.append(b"k", b"x" * n, i * 100)
            box.step(i * 100)
        gc.collect()
        assert gc.mem_alloc() - before < ram + 1024, gc.mem_alloc() - before
        assert box.errors and box.dropped + len(box) == 300
        flash.end()


def test_it_is_known_when_an_exchange_was_given_up_that_may_have_begun():
    for qos in (1, 2):
        flash = Flash(limit=8192, ram=1500)
        put(flash.box, *range(30), qos=qos)
        assert flash.box.sync(0)
        box = flash.restart()
        n = 0
        while not box.dropped:
            assert not box.abandoned
            box.append(b"k" * 200, b"%d" % n, 0, qos=2)
            n += 1
        assert box.abandoned is (qos == 2)
        box.abandoned = False
        gone = box.dropped
        for _ in range(100):
            box.append(b"k" * 200, b"0", 0, qos=2)
        assert box.dropped > gone + 30 and there(box)[0] == 0
        flash.end()
    # What was never sent takes no place.
    flash = Flash(limit=8192, ram=1500)
    put(flash.box, *range(900), qos=2)
    assert flash.box.dropped and not flash.box.abandoned
