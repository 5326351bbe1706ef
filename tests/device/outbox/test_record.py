"""What a program does with a record: reads numbers out of it, lets go of it and has it back; and what the package keeps loaded."""

import gc
import sys
from struct import pack

from outbox_flash import Flash, deliver, put, send

import outbox
from outbox.log import Record

HEAP = "1m"
BOARDS = ("esp32", "pico_w")


def loaded():
    """The modules of the package that are in memory, by sys.modules and by its own names."""
    names = sorted(name for name in sys.modules if name.startswith("outbox."))
    assert not [name for name in ("opening", "again", "lookup") if hasattr(outbox, name)]
    return names


RESIDENT = ["outbox.backlog", "outbox.log"]


def test_numbers_are_read_out_of_the_data_without_a_copy():
    box = Flash().box
    for key in (b"", b"k", b"k" * 255):
        record = box.append(key, pack("<BIQ", 7, 1 << 31, 1 << 40) + b"rest", 0)
        assert record.unpack("<BIQ") == (7, 1 << 31, 1 << 40)
        assert record.data_bytes == len(record.data) == 17
    short = box.append(b"key", b"1234", 0)
    assert short.data_bytes == 4
    try:
        short.unpack("<BIQ")
    except ValueError:
        return
    raise AssertionError("no error")


def test_a_mark_is_kept_and_changes_nothing_else():
    box = Flash().box
    for mark in range(4):
        assert box.append(b"k", b"1", 0, qos=2)
        record = box.peek(0)
        assert record.mark == 0
        box.take(record, 0, mark)
        box.release([record], 0)
        assert (record.mark, record.qos, record.released, record.latest) == (mark, 2, True, False)
        box.take(record, 0, 3 - mark)  # once more, on its way as it is
        assert (record.mark, record.released) == (3 - mark, True)
        assert box.backlog.flying == [record]
        box.drop(record, 0)
        assert len(box) == 0
    assert box.sync(0) and not box.backlog.flying


def test_what_is_unloaded_is_read_again():
    flash = Flash()
    put(flash.box, *range(8))
    assert flash.box.sync(0)
    put(flash.box, 8, latest=True)
    assert flash.box.sync(0)
    put(flash.box, 9)  # in RAM only
    records = send(flash.box)
    assert [record.on_flash for record in records] == 9 * [True] + [False]
    for record in records:
        record.unload()
    assert [record.loaded for record in records] == 8 * [False] + 2 * [True]
    pids = [record.pid for record in records]
    flash.box.load(records[:5])
    assert [record.loaded for record in records] == 5 * [True] + 3 * [False] + 2 * [True]
    assert [int(record.data) for record in records[:5]] == list(range(5))
    assert pids == [record.pid for record in records]
    assert loaded() == RESIDENT
    for record in records:  # loaded or not
        flash.box.drop(record, 0)
    assert len(flash.box) == 0 and flash.box.sync(0)
    assert deliver(flash.restart()) == [] and not flash.box.corrupt


def test_what_the_flash_does_not_give_stays_unloaded():
    flash = Flash()
    put(flash.box, 1, 2)
    assert flash.box.sync(0)
    records = send(flash.box)
    for record in records:
        record.unload()
    flash.box.log.segments[0].unread = True  # the flash fails there
    flash.box.load(records)
    assert not any(record.loaded for record in records)


def test_what_a_program_cannot_use_is_counted():
    flash = Flash()
    put(flash.box, 1, 2)
    flash.box.drop(flash.box.peek(0), 0, damaged=True)
    assert flash.box.corrupt == 1 and deliver(flash.box) == [2] and flash.box.corrupt == 1


def test_the_last_records():
    flash = Flash()
    assert flash.box.last() == []
    put(flash.box, 1, 2)
    put(flash.box, 3, latest=True)
    assert flash.box.sync(0)
    assert [int(record.data) for record in flash.box.last()] == [3, 2]
    flash.box.drop(flash.box.peek(0), 0)
    assert [int(record.data) for record in flash.box.last()] == [3, 2], "while its file is there"
    assert loaded() == RESIDENT


def test_what_is_loaded_for_a_moment_is_let_go_of():
    flash = Flash()
    put(flash.box, 1)
    assert loaded() == RESIDENT  # it was opened
    flash.box.log.folder = "/flash/not/there"
    assert not flash.box.sync(0)
    assert loaded() == RESIDENT  # the folder was looked for
    flash.box.log.folder = "/flash/outbox"
    assert flash.box.sync(0)
    flash.box.log.segments[0].unread = True
    for now in (0, 10000):
        flash.box.step(now)
    assert not flash.box.unread and loaded() == RESIDENT  # what could not be read was read
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(5):
        assert len(flash.box.last()) == 1
    gc.collect()
    assert gc.mem_alloc() - before < 200, "nothing of them stays"


def test_an_import_without_memory_leaves_nothing_half_loaded():
    flash = Flash()
    put(flash.box, 1)
    assert flash.box.sync(0)

    class Module:
        @staticmethod
        def last(box):
            raise MemoryError

    sys.modules["outbox.lookup"] = Module
    try:
        flash.box.last()
    except MemoryError:
        pass
    assert loaded() == RESIDENT and len(flash.box.last()) == 1


def test_a_record_has_no_other_names():
    try:
        Record(b"\x01k", 1).nonsense
    except AttributeError:
        return
    raise AssertionError("no error")
