"""lib/outbox: segments that vanish or are damaged while they are in use."""

import builtins
import os

from outbox_flash import (
    FOLDER,
    Flash,
    all_but,
    changed,
    deliver,
    ends_well,
    finish,
    frames,
    put,
    read,
    segments,
    send,
    there,
    three_segments,
    write,
)
from power import Random

from outbox import log as outbox_log

HEAP = "2m"


def test_a_segment_that_vanished():
    for i in range(3):
        for n in (0, 1, 5, 10, 15, 20):  # how many were delivered before
            flash = Flash(limit=8192, sync_ms=1)
            names = three_segments(flash)
            box = flash.restart()
            before = deliver(box, n)
            data = read(names[i]) if names[i] in segments() else None
            if data:
                os.remove(FOLDER + "/" + names[i])
            there(box)  # does not mind
            put(box, 30, 31)
            assert box.sync(0)
            rest = before + deliver(box)
            assert [k for k in rest if k // 10 != i] == all_but(i) + [30, 31], (i, n, rest)
            ends_well(box)
            flash.end()


def test_a_segment_damaged_while_it_is_in_use():
    """What was read before is not lost, what is behind is not held up, and the file is removed in the end."""
    for n in (0, 5, 12):
        for i in range(3):
            flash = Flash(limit=8192)
            names = three_segments(flash)
            box = flash.restart()
            taken = send(box, n)
            whole = read(names[i])
            start = frames(whole)[7][0]
            write(names[i], changed(whole, start + 12, 1))
            put(box, 30)
            found = [int(r.data) for r in taken] + [int(r.data) for r in send(box)[:]]
            lost = i * 10 + 7
            # a part of a segment may be in the buffer already
            assert [k for k in found if k != lost] == [k for k in range(31) if k != lost]
            box.rewind()
            again = deliver(box)
            assert [k for k in again if k != lost] == [k for k in range(31) if k != lost]
            ends_well(box)
            flash.end()


def test_a_segment_cut_short_or_replaced_while_it_is_in_use():
    random = Random(9)
    for what in (b"", b"short", bytes([random(256) for _ in range(700)])):
        for i in range(3):
            flash = Flash(limit=8192)
            names = three_segments(flash)
            box = flash.restart()
            write(names[i], what)
            put(box, 30)
            assert box.sync(0) and len(box) == 31
            expected = all_but(i) + [30]
            assert there(box) == expected and deliver(box) == expected and box.corrupt, i
            ends_well(box)
            flash.end()


def test_an_append_that_ended_half_way():
    """A MemoryError leaves some of the records on flash, closed: they are there once, under the numbers they have."""
    real = outbox_log.write_frame
    for sent in range(3):
        for n in range(6):
            for part in (0, 12):  # of a frame that is written yet
                _append_ends(real, sent, n, part)


def _append_ends(real, sent, n, part):
    flash = Flash()
    box = flash.box
    put(box, 1, 2, qos=2)
    assert box.sync(0)
    put(box, 3, 4, 5)
    records = send(box, sent + 2)[2:]
    put(box, 6, 7, qos=2)
    left = [n]

    def failing(write, *rest):
        if left[0]:
            left[0] -= 1
            return real(write, *rest)
        write(b"\xb5" + bytes(part)[1:])
        raise MemoryError()

    outbox_log.write_frame = failing
    try:
        assert box.sync(0) and n > 4
    except MemoryError:
        assert n < 5
    outbox_log.write_frame = real
    segment = box.log.segments[-1]
    expected = [1, 2, 3, 4, 5, 6, 7]
    assert there(box) == expected and len(box) == 7 and segment.pending == 2 + min(n, 5)
    flash.restart()
    assert there(flash.box) == expected[: 2 + n], "what is on flash"
    flash.box = box  # the program goes on
    put(box, 8)
    assert box.sync(0) and there(box) == expected + [8]
    box.step(0)
    assert box.due(0) == 60000, "nothing is to be written"
    assert finish(box, records) == expected[2 : 2 + sent] and box.sync(0)
    box = flash.restart()
    assert there(box) == [1, 2] + expected[2 + sent :] + [8]
    assert len({record.pid for record in box}) == len(box)
    assert deliver(box) == [1, 2] + expected[2 + sent :] + [8]
    ends_well(box)
    flash.end()


def test_what_is_damaged_on_flash_and_whole_in_ram_is_delivered():
    flash = Flash(ram=1500)
    put(flash.box, 1, 2, 3)
    assert flash.box.sync(0)
    box = flash.restart()
    put(box, 4, 5, 6)
    assert box.sync(0)
    (name,) = segments()
    write(name, read(name)[: frames(read(name))[1][1]])
    assert finish(box, send(box, 2)) == [1, 2]
    assert box.peek(0).data == b"4" and box.corrupt
    put(box, *range(7, 40))  # which need the RAM
    assert deliver(box) == list(range(7, 40))  # 4, 5 and 6 were on flash, by all that was known
    ends_well(box)


def test_a_state_that_could_not_be_read_and_proves_damaged():
    """As at a start: exchanges of QoS 2 that it knew of may be unfinished at the broker."""
    for at_first in (False, True):
        flash = Flash()
        put(flash.box, 1, 2, 3, qos=2)
        flash.box.append(b"door", b"9", 0, 2, True)
        send(flash.box, 4)
        assert flash.box.sync(0)
        write("state", changed(read("state"), 9, 0x40))
        opened = builtins.open

        def broken(path, mode="r"):
            if path.endswith("/state") and mode == "rb":
                raise OSError(5)
            return opened(path, mode)

        if at_first:
            builtins.open = broken
        try:
            box = flash.restart()
        finally:
            builtins.open = opened
        assert bool(box.unread) == at_first
        for now in range(0, 40000, 1000):
            box.step(now)
        assert not box.unread and box.abandoned
        flash.end()
