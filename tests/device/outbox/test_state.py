"""State of lib/outbox: what is done, by ranges, against a set; its file, against the format of docs/outbox.md."""

import os
from binascii import crc32
from struct import pack

from power import Random

from outbox import opening as outbox_opening
from outbox.backlog import State
from outbox.log import LATEST, RELEASED, Record, Segment

HEAP = "400k"
PATH = "state"


def segment(first, last):
    made = Segment(first)
    made.last = last
    return made


def numbers(state, end):
    """Return all below `end` that are done, and check that the ranges are as the format has them."""
    done = state.done
    assert len(done) % 2 == 0
    for i in range(0, len(done), 2):
        assert done[i] <= done[i + 1], done
        assert not i or done[i - 1] + 1 < done[i], done  # ascending, apart
    return {number for number in range(end) if state.is_done(number)}


def test_what_was_added_is_done_and_nothing_else():
    chance = Random(3)
    for end in (4, 12, 60):
        for _ in range(30):
            state = State(PATH)
            known = set()
            for _ in range(2 * end):
                number = 1 + chance(end)
                assert state.add(number) == (number not in known), (known, number)
                known.add(number)
                assert numbers(state, end + 3) == known


def test_in_order_it_is_one_range_either_way():
    for order in (range(1, 50), range(49, 0, -1)):
        state = State(PATH)
        for number in order:
            state.add(number)
        assert state.done == [1, 49]


def test_what_is_done_is_no_longer_released():
    state = State(PATH)
    state.released = [3, 4, 5]
    assert state.add(4) and state.released == [3, 5]
    assert not state.add(4) and state.released == [3, 5]


def test_only_what_a_segment_has_is_kept():
    chance = Random(5)
    for _ in range(200):
        state = State(PATH)
        for _ in range(20):
            state.add(1 + chance(40))
        released = [n for n in range(1, 41) if not state.is_done(n) and chance(2)]
        state.released = list(released)
        known = numbers(state, 43)
        segments, at = [], 1
        while at < 40:
            first = at + chance(9)
            at = first + 1 + chance(9)
            segments.append(segment(first, at - 1))
        state.prune(segments)
        there = {n for n in range(1, 60) if any(n in each for each in segments)}
        kept = numbers(state, 43)
        assert known & there <= kept <= known
        for i in range(0, len(state.done), 2):  # a range goes as a whole
            assert there & set(range(state.done[i], state.done[i + 1] + 1))
        assert state.released == [n for n in released if n in there]
    state.prune([])
    assert state.done == [] and state.released == []


def test_a_segment_that_is_given_up_is_done():
    chance = Random(7)
    for _ in range(200):
        state = State(PATH)
        segments = [segment(1, 10), segment(11, 20), segment(21, 30)]
        for _ in range(40):
            state.add(1 + chance(30))
        known = numbers(state, 33)
        state.released = [n for n in range(1, 31) if n not in known and chance(2)]
        released = list(state.released)
        which = segments[chance(3)]
        state.close(which)
        of_it = set(range(which.first, which.last + 1))
        assert numbers(state, 33) == known | of_it
        assert state.released == [n for n in released if n not in of_it]


def encoded(state, slots):
    """The file by docs/outbox.md, made in another way."""
    rest = b"".join(pack("<I", number) for number in state.done + state.released)
    size = 24 + len(rest)
    for record in slots:
        head = pack("<BBHI", 0xB5, record.flags, len(record.body), record.number)
        crc = crc32(record.body, crc32(head, size))
        rest += head + pack("<I", crc) + record.body
        size += 12 + len(record.body)
    counts = len(state.done) // 2, len(state.released)
    head = pack("<HHHHIII", size, 2, *counts, state.next, state.next_slot, state.dropped)
    return pack("<I", crc32(head + rest)) + head + rest


def saved(ranges, released, slots, dropped=0):
    """Save a state with so many of each, check the file, and return both States: the one saved, and what is read."""
    state = State(PATH)
    for i in range(ranges):
        state.done += [10 * i + 1, 10 * i + 4]
    state.released = [10 * i + 7 for i in range(released)]
    state.next_slot = 77
    records = []
    for i in range(slots):
        key = b"k%d" % i
        flags = LATEST | i % 3 | (RELEASED if i % 2 else 0)
        records.append(Record(bytes((len(key),)) + key + b"x" * (30 * i), flags, i + 1))
    state.save(123456, records, dropped)
    assert state.next == 123456
    with open(PATH, "rb") as f:
        assert f.read() == encoded(state, records), (ranges, released, slots)
    found = State(PATH)
    got = []
    assert outbox_opening.load(found, lambda *slot: got.append(slot)) and not found.unread
    assert got == [(r.number, r.flags, r.body) for r in records]
    return state, found


def test_what_is_saved_is_read():
    # a piece has 128 bytes: numbers that end before it, with it, and behind it
    for ranges in (0, 1, 12, 13, 14, 40):
        for released in (0, 1, 2, 20):
            for slots in (0, 1, 4):
                state, found = saved(ranges, released, slots)
                assert (found.done, found.released) == (state.done, state.released)
                assert (found.next, found.next_slot, found.dropped) == (123456, 77, 0)


def test_how_many_were_given_up_is_kept_and_may_overflow():
    assert saved(1, 0, 0, 70000)[1].dropped == 70000
    assert saved(1, 0, 0, (1 << 32) + 5)[1].dropped == 5


def test_a_new_one_knows_nothing():
    state = State(PATH)
    assert not state.is_done(0) and not state.is_done(1) and not state.unread
    assert (state.next, state.next_slot, state.dropped, state.done) == (1, 1, 0, [])


def test_what_cannot_be_read_is_not_written_over():
    with open(PATH, "wb") as f:
        f.write(b"of before")
    state = State(PATH)
    state.unread = True
    try:
        state.save(5, [], 0)
    except OSError as e:
        assert e.args[0] == 5
    else:
        raise AssertionError("written over")
    assert os.stat(PATH)[6] == 9 and state.next == 1
