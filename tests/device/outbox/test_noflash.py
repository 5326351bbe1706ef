"""When the flash takes nothing of lib/outbox's: it is full, there is no folder, it cannot be written."""

import os
from time import ticks_add

import power
import vfs
from outbox_flash import FOLDER, Flash, deliver, ends_well, finish, put, segments, send, there
from power import PROG

from outbox import Outbox
from outbox import log as outbox_log

HEAP = "2m"
BOARDS = ("esp32", "pico_w")
LIMIT = 16384


def test_a_full_flash_costs_nothing_that_is_on_it():
    flash = Flash(24, ram=2500)
    box = flash.box
    put(box, *range(300))
    box.append(b"l", b"-1", 0, latest=True)
    assert box.sync(0) and deliver(box, 100) == list(range(100)) and box.sync(0)
    flash.fill()
    now = 1000
    flash.written()
    tries = []
    assert put(box, 300, 301, now=now)
    for _ in range(600):
        now += 100
        errors = box.errors
        box.step(now)
        if box.errors != errors:
            tries.append(now)
        assert 0 < box.due(now) <= 10000
    assert len(tries) == 6 and tries[1] - tries[0] == 10000
    assert not box.sync(now)
    assert box.dropped == 0 and there(box) == list(range(100, 300)) + [-1, 300, 301]
    box = flash.restart()
    assert there(box) == list(range(100, 300)) + [-1] and box.corrupt == 0


def test_when_there_is_room_again_all_is_written():
    flash = Flash(24, ram=20000)
    box = flash.box
    put(box, *range(60))
    assert box.sync(0)
    flash.fill()
    put(box, *range(60, 120))
    box.append(b"l", b"-1", 0, latest=True)
    box.step(5000)
    assert box.errors and box.due(5000) == 10000
    flash.empty()
    flash.written()
    box.step(14999)
    assert flash.written() == 0
    box.step(15000)
    put(box, 120, now=15000)  # from here on in time, as ever
    assert box.due(15000) == 5000
    box.step(20000)
    assert there(flash.restart()) == list(range(121)) + [-1]


def test_a_flash_that_takes_nothing_for_longer_than_ticks_can_tell():
    """From day 6.2 to 12.4 what is old looks as if it were from the future."""
    flash = Flash(24, ram=20000)
    box = flash.box
    put(box, *range(60))
    assert box.sync(0) and deliver(box, 3) == [0, 1, 2]
    flash.fill()
    put(box, 60)
    now = 5000
    box.step(now)
    for _ in range(70):  # seven days
        now = ticks_add(now, 8640000)
        box.step(now)
        assert 0 < box.due(now) <= 10000
    flash.empty()
    box.step(ticks_add(now, 10000))
    assert there(flash.restart()) == list(range(3, 61))


def test_a_sync_that_works_ends_the_waiting():
    flash = Flash(24, ram=20000)
    box = flash.box
    flash.fill()
    put(box, *range(60))
    box.step(5000)
    assert box.errors == 1 and segments() == []
    flash.empty()
    put(box, 60, now=5100)
    assert box.sync(5200)
    put(box, 61, now=5300)
    assert box.due(5300) == 5000
    box.step(10300)
    assert there(flash.restart()) == list(range(62))


def test_the_newest_of_keys_are_as_safe():
    flash = Flash(24)
    box = flash.box
    for i in range(8):
        box.append(b"%d" % i, b"%d" % i + b" " * 90, 0, latest=True)
    assert box.sync(0)
    flash.fill()
    for i in range(8):
        box.append(b"%d" % i, b"1%d" % i + b" " * 90, 0, latest=True)
    assert not box.sync(0)
    box.append(b"8", b"18", 0, latest=True)
    assert there(flash.restart()) == list(range(8))
    for i in range(9):
        flash.box.append(b"%d" % i, b"1%d" % i + b" " * 90, 0, latest=True)
    flash.box.step(5000)
    assert flash.box.errors
    assert deliver(flash.box, 4) == [10, 11, 12, 13]
    flash.empty()
    assert flash.box.sync(6000) and flash.box.bytes == 0
    assert there(flash.restart()) == list(range(14, 19))


def test_qos_2_is_handed_out_though_it_cannot_be_written():
    flash = Flash(24, ram=20000)
    box = flash.box
    flash.fill()
    put(box, *range(60), qos=2)
    for _ in range(100):
        record = box.peek(5000)
        assert record.data == b"0" and record.pid == 0
    assert box.errors == 1
    assert deliver(box) == list(range(60))


def test_when_ram_is_scarce_the_flash_is_tried_at_once():
    flash = Flash(24, ram=3000)
    box = flash.box
    put(box, *range(60))
    assert box.sync(0)
    flash.fill()
    put(box, 60, 61, 62, now=1000)
    box.append(b"l" * 200, b"-1" + b" " * 700, 1000, latest=True)
    box.step(6000)
    assert box.errors
    flash.empty()
    put(box, *range(63, 120), now=6100)
    assert box.dropped == 0 and len(box) == 121
    assert box.sync(6200) and there(flash.restart()) == list(range(120)) + [-1]


def test_where_the_oldest_are_there_is_room_for_the_newest():
    flash = Flash(24, limit=LIMIT, ram=2000)
    box = flash.box
    put(box, *range(400))
    assert box.sync(0)
    flash.fill()
    for i in range(400, 900):
        put(box, i, now=i * 1000)
        box.step(i * 1000)
    assert box.dropped and box._used <= 2000
    left = there(box)
    assert left == list(range(900 - len(left), 900)) and box.dropped + len(left) == 900


def test_for_the_newest_of_a_key_there_is_room_where_the_one_before_was():
    flash = Flash(24, drop_newest=True, ram=1500)
    box = flash.box
    box.append(b"l", b"-1", 0, latest=True)
    assert box.sync(0)
    flash.fill()
    n = 0
    while put(box, n):
        n += 1
        assert n < 50
    for i in range(100):
        assert box.append(b"l", b"-2", i * 500, latest=True)
    assert len(box) == n + 1 and box.dropped == 1
    flash.empty()
    assert box.sync(0) and there(flash.restart()) == list(range(n)) + [-2]


def test_no_folder_is_made():
    flash = Flash()
    assert "outbox" in os.listdir("/flash")
    box = Outbox("/flash/a/b")  # but no parents
    assert box.errors and put(box, *range(1000)) and not box.sync(0)
    assert box.dropped + len(box) == 1000 and deliver(box)
    os.mkdir("/flash/a")
    put(box, -1)
    assert not box.sync(0)  # which makes the folder
    assert box.sync(10000)
    assert there(Outbox("/flash/a/b")) == [-1]
    assert flash.box.errors == 0


def test_a_folder_that_vanished_is_made_again():
    flash = Flash()
    put(flash.box, 1, 2)
    assert flash.box.sync(0)
    box = flash.restart()
    put(box, 3)
    assert box.sync(0)
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    os.rmdir(FOLDER)
    put(box, 4, now=1)
    box.step(5001)
    box.step(15001)
    assert deliver(box) == [3, 4] and box.corrupt  # 3 is in RAM, too
    put(box, 5)
    assert box.sync(16000)
    assert there(flash.restart())[-1] == 5


def test_a_file_in_its_place_is_put_aside():
    Flash()
    with open("/flash/q", "w") as f:
        f.write("mine")
    box = Outbox("/flash/q")
    put(box, 1)
    assert box.sync(0) and box.errors == 0
    with open("/flash/q.bad") as f:
        assert f.read() == "mine"
    assert there(Outbox("/flash/q")) == [1]


def test_a_folder_that_cannot_be_written():
    flash = Flash(ram=1500)
    put(flash.box, 1, 2)
    assert flash.box.sync(0)
    flash.end()
    vfs.mount(vfs.VfsLfs2(flash.chip, progsize=PROG), "/flash", readonly=True)
    box = flash.start()
    put(box, 3)
    records = send(box)
    assert not box.sync(0) and box.errors
    put(box, *range(4, 30))
    left = there(box)
    assert left[:2] == [1, 2] and left[2:] == list(range(32 - len(left), 30))
    assert box.dropped + len(left) == 28  # 3 is on its way: it may arrive
    finish(box, records)
    assert deliver(box) == left[2:] and len(box) == 0


def test_a_fresh_flash_that_fails_at_first_is_used_later():
    """It may seem that the folder is there, and cannot be read."""
    for made in (False, True):
        for first in (1, 3, 6):
            for length in (2, 8, 16, 32):
                chip = power.FailingChip()
                vfs.VfsLfs2.mkfs(chip, progsize=power.PROG)
                power.mount(chip)
                os.mkdir("/flash/state")
                if made:
                    os.mkdir("/flash/state/outbox")
                vfs.umount("/flash")
                power.mount(chip)
                chip.fail(first, length)
                box = Outbox("/flash/state/outbox", sync_ms=5000)
                chip.fail(0, 0)
                box.append(b"k", b"1", 0)
                for now in range(0, 60000, 1000):
                    box.step(now)
                assert not box.unread and box.sync(60000), (made, first, length)
                vfs.umount("/flash")


class NotRemoved:
    """The module os, on a flash that does not remove a file, so many times."""

    def __init__(self, times):
        self.times = times

    def __getattr__(self, name):
        return getattr(os, name)

    def remove(self, path):
        if self.times:
            self.times -= 1
            raise OSError(5)
        os.remove(path)


def test_what_is_done_does_not_come_back_with_a_file_that_was_not_removed():
    """All of it did, at the next start, whenever that was."""
    for qos in (1, 2):
        for times in (1, 2):  # at the next start, too
            flash = Flash()
            put(flash.box, 1, 2, 3, qos=qos)
            assert flash.box.sync(0)
            outbox_log.os = NotRemoved(times)
            assert deliver(flash.box) == [1, 2, 3]
            put(flash.box, 4, qos=qos)
            assert flash.box.sync(0)
            for _ in range(times):
                box = flash.restart()
                assert there(box) == [4], (qos, times, there(box))
                put(box, 5, qos=qos)
                assert box.sync(0)
                assert finish(box, [record for record in send(box) if record.data == b"5"]) == [5]
                assert box.sync(0)
            outbox_log.os = os
            assert deliver(flash.restart()) == [4]
            ends_well(flash.restart())
            flash.end()
