"""lib/outbox: no memory for a file. A write that can wait does; one that has to be now says so."""

import sys

from outbox_flash import Flash, deliver, ends_well, finish, put, send, there
from uctypes import addressof

from outbox import backlog as outbox_backlog
from outbox import log as outbox_log
from outbox import opening as outbox_opening

HEAP = "2m"
BOARDS = ("esp32", "pico_w")


class Full:
    """Stands for `open` in a module: littlefs finds no room for a file's buffer."""

    def __init__(self, module):
        self.module = module
        self.paths = []
        module.open = self

    def __call__(self, path, mode):
        self.paths.append(path)
        raise MemoryError()

    @property
    def calls(self):
        return len(self.paths)

    def count(self, end):
        """Return how many were of a file whose path ends so."""
        return sum([path.endswith(end) for path in self.paths])

    def end(self):
        del self.module.open


def forty_on_flash():
    flash = Flash()
    put(flash.box, *range(40))
    assert flash.box.sync(0)
    return flash, flash.box


def test_readings_that_are_due_wait_for_memory():
    flash = Flash()
    box = flash.box
    put(box, 1, 2, 3)
    full = Full(outbox_log)
    box.step(4999)
    assert full.calls == 0 and box.errors == 0
    box.step(5000)
    assert full.calls == 4, (
        "tried once more in the place of the buffer, and without the copies in RAM"
    )
    assert box.errors == 1 and box.due(5000) == 1000
    for now in range(5000, 6000, 100):
        box.step(now)
    assert full.calls == 4, "tried again within a second"
    full.end()
    box.step(6000)
    box = flash.restart()
    assert there(box) == [1, 2, 3] == deliver(box)
    ends_well(box)


def crowd():
    """Take all memory but for holes of at most 800 bytes. Return what takes it."""
    held, size = [], 65536
    while size > 800:
        try:
            held.append(bytearray(size))
        except MemoryError:
            size //= 2
    return held


def free_two(pieces):
    """Let go of two pieces that lie between others of theirs: no hole gets larger than they are."""
    at = [addressof(piece) for piece in pieces]
    between = [
        i
        for i in range(1, len(at) - 1)
        if at[i] - at[i - 1] == at[i + 1] - at[i] == len(pieces[i])
    ]
    for i in between[0], between[-1]:
        pieces[i] = None
    assert between[-1] - between[0] > 1


def fill():
    """Take all memory but for holes of 160 bytes, each between two that are taken. Return what takes it."""
    small = [None] * 500
    held = crowd()
    try:
        for i in range(len(small)):
            small[i] = bytearray(144)
    except MemoryError:
        pass
    for i in range(0, len(small), 2):
        small[i] = None
    try:
        while True:  # beside some of them there was a little room, or the collector has found more
            held.append(bytearray(300))
    except MemoryError:
        return held, small


def test_a_crowded_heap_has_a_place_for_a_file():
    """The buffer's, to the byte: it is kept for the next one when the file is closed, whatever the stack holds."""
    _, box = forty_on_flash()
    log = box.log
    opened, one = [0], bytearray(1)

    def use():
        with log.open(log.path(log.segments[0]), "rb") as f:
            opened[0] += f.readinto(one)

    held, small = fill()
    taken = []
    try:
        for _ in range(100):
            log.on_file(use)
            if len(taken) < 20:
                taken.append(bytearray(16))
    finally:
        held.clear()
        small.clear()
    assert opened == [100]
    assert there(box) == list(range(40)) == deliver(box)
    ends_well(box)


def test_a_file_that_something_refers_to_when_it_is_closed_keeps_its_place():
    """Words that ended calls have left on the stack do. Then the next collection freed it, and what came next had its place."""
    _, box = forty_on_flash()
    log = box.log
    referred, taken, one = [None], [None] * 1000, bytearray(1)

    def use():
        with log.open(log.path(log.segments[0]), "rb") as f:
            referred[0] = f
            assert f.readinto(one) == 1

    held, small = fill()
    try:
        for _ in range(3):
            log.on_file(use)
            referred[0] = None
            try:
                for i in range(len(taken)):
                    taken[i] = bytearray(64)
            except MemoryError:
                pass
            for i in range(len(taken)):
                taken[i] = None if i % 4 else taken[i]
    finally:
        held.clear()
        small.clear()
        taken.clear()
    assert deliver(box) == list(range(40))
    ends_well(box)


def test_a_file_that_is_where_the_place_was_found_no_room():
    """Until the place is kept again, nothing else may have it: thirty records on their way took it."""
    _, box = forty_on_flash()
    log = box.log
    path = log.path(log.segments[0])
    log._place.clear()
    log.open(path, "rb").close()
    assert log.crowded
    log.hold()
    log.open(path, "rb").close()
    assert not log.crowded


def test_in_a_crowded_heap_few_are_on_their_way():
    """Each takes 50 bytes or more, beside what a connection needs. Once there is room for a file beside its place, all may be."""
    flash, _ = forty_on_flash()
    box = flash.restart()

    class OnlyInItsPlace:
        refused = False

        def __call__(self, path, mode):
            self.refused = not self.refused
            if self.refused:
                raise MemoryError()
            return open(path, mode)

    outbox_log.open = OnlyInItsPlace()
    on_their_way = []

    def take_all():
        record = box.peek(0)
        while record:
            box.take(record, 0)
            on_their_way.append(record)
            record = box.peek(0)

    try:
        take_all()
        assert len(on_their_way) == 8
        for record in on_their_way[:3]:
            box.drop(record, 0)
        take_all()
        assert len(on_their_way) == 11
    finally:
        del outbox_log.open
    for record in on_their_way[3:]:
        box.drop(record, 0)
    take_all()
    assert len(on_their_way) == 40 and [int(record.data) for record in on_their_way] == list(
        range(40)
    )
    box.rewind()
    assert deliver(box) == list(range(11, 40))
    ends_well(box)


def test_a_crowded_heap_is_one_to_read_in():
    """The file has the place of the buffer, which is a short one meanwhile: for hours nothing was sent."""
    flash, _ = forty_on_flash()
    assert flash.box.append(b"k", bytes(400).replace(b"\0", b"0") + b"40", 0) and flash.box.sync(0)
    box = flash.restart()
    box.log.window = None
    # The long record itself takes two pieces, one to read it in, one to hand out: too small for a file.
    pieces = [bytearray(448) for _ in range(24)]
    held, small = fill()
    free_two(pieces)
    got = []
    try:
        # Time after time: a word on the stack may look like the address of the buffer.
        for now in range(0, 10000, 1000):
            box.step(now)
            got += deliver(box, now=now)
    finally:
        held.clear()
        small.clear()
    assert got == list(range(41)), got
    ends_well(box)


def test_what_is_acknowledged_waits_for_memory():
    flash, box = forty_on_flash()
    records = send(box, 20)
    full = Full(outbox_log)
    finish(box, records)  # at the sixteenth the state is due
    assert full.count("/state") == 4, (
        "tried once more in the place of the buffer, and without the copies in RAM"
    )
    assert box.errors == 1 and len(box) == 20
    full.end()
    box.step(999)
    assert box.due(999) == 1
    box.step(1000)
    box = flash.restart()
    assert there(box) == list(range(20, 40)) == deliver(box)
    ends_well(box)


def test_a_state_that_memory_ends_half_way_is_written_again():
    flash, box = forty_on_flash()
    real = outbox_backlog.pack_into

    left = [4]  # its head and a range of numbers, twice: into the CRC, then into the file

    def ends(form, piece, at, *numbers):
        left[0] -= 1
        if left[0] <= 0:
            raise MemoryError()
        real(form, piece, at, *numbers)

    outbox_backlog.pack_into = ends
    finish(box, send(box, 20))
    assert left[0] <= 0
    outbox_backlog.pack_into = real
    assert box.errors == 1
    box.step(10000)
    box = flash.restart()
    assert not box.corrupt and there(box) == list(range(20, 40)) == deliver(box)
    ends_well(box)


def test_what_has_to_be_written_now_says_that_there_is_no_memory():
    flash = Flash()
    box = flash.box
    put(box, 1)
    full = Full(outbox_log)
    try:
        box.sync(0)
    except MemoryError:
        pass
    else:
        raise AssertionError("no MemoryError")
    full.end()
    assert box.sync(0) and there(flash.restart()) == [1]


def test_an_exchange_whose_release_cannot_be_written_is_told():
    flash = Flash()
    box = flash.box
    put(box, 1, 2, qos=2)
    records = send(box)
    full = Full(outbox_log)
    assert not box.release(records, 0)
    full.end()
    box.step(10000)
    box = flash.restart()
    assert [record.released for record in box.unfinished(0)] == [True, True]


def test_what_is_on_flash_waits_for_memory_to_be_read():
    flash = Flash()
    put(flash.box, *range(10))
    assert flash.box.sync(0)
    box = flash.restart()
    full = Full(outbox_log)
    box.log.window = None  # what was read last is in the buffer
    assert box.peek(0) is None and full.calls and not box.unread
    full.end()
    assert deliver(box) == list(range(10))
    ends_well(box)


def test_a_segment_in_use_that_cannot_be_read_keeps_its_place():
    """Its numbers end where they did: those that follow are in the next one."""
    flash = Flash()
    put(flash.box, *range(10))
    assert flash.box.sync(0)
    box = flash.restart()
    segment = box.log.segments[0]
    box.log.window = None
    full = Full(outbox_log)
    try:
        list(box)
    except MemoryError:
        pass
    full.end()
    segment.unread = segment.sealed = True  # the flash failed there, too
    for now in 0, 10000:
        full = Full(outbox_log)
        box.step(now)
        sys.modules["outbox.opening"] = outbox_opening  # the next attempt has no memory either
        full.end()
    assert segment.unread and (segment.last, len(box)) == (10, 10)
    put(box, *range(10, 15))
    assert box.sync(0) and len(box) == 15
    for now in 20000, 30000:
        box.step(now)
    assert not box.unread and deliver(box) == list(range(15))
    ends_well(box)


def test_what_is_on_its_way_does_not_come_again_without_memory():
    flash = Flash()
    put(flash.box, *range(10), qos=2)
    assert flash.box.sync(0)
    box = flash.restart()
    send(box, 4)

    def none():
        raise MemoryError
        yield

    flying, box.backlog.flying = box.backlog.flying, none()
    try:
        box.backlog.come_back()
    except MemoryError:
        pass
    box.backlog.flying = flying
    assert [int(record.data) for record in send(box, 10)] == [4, 5, 6, 7, 8, 9]
