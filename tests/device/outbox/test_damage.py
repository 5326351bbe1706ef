"""What lib/outbox makes of files that are not as it left them: every byte changed, every length, gone, copied, foreign.

Nothing raises; what is sound is delivered, once and in order; what is not is counted, and its file is gone in the end.
"""

import io
import os
from binascii import crc32
from struct import pack_into

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

from outbox import Outbox
from outbox.log import HEAD, write_frame

HEAP = "2m"
CHANGES = (0x01, 0x80, 0xFF)


def a_state():
    """Return the files of an outbox: 0 to 9 appended, 0, 1, 2 and 5 done, 3 released, 20 the newest of a key."""
    flash = Flash()
    box = flash.box
    put(box, *range(5), qos=2)
    put(box, *range(5, 10))
    box.append(b"l", b"20", 0, latest=True)
    assert box.sync(0)
    records = send(box)
    assert box.release(records[3:4], 0)
    finish(box, records[:3] + records[5:6])
    assert box.sync(0)
    (name,) = segments()
    return name, read(name), read("state")


def opened_with(name, segment, state):
    write(name, segment)
    write("state", state)
    box = Outbox(FOLDER)
    return box, {int(r.data) for r in box.unfinished(0)}, there(box)


def damaged_states(state):
    for i in range(len(state)):
        for bits in CHANGES:
            yield changed(state, i, bits)
        if i:
            yield state[:i]


def test_a_damaged_state_loses_no_record_of_the_segments():
    name, segment, state = a_state()
    box, released, found = opened_with(name, segment, state)
    assert found == [3, 4, 6, 7, 8, 9, 20] and released == {3} and box.corrupt == 0
    for n, damaged in enumerate(damaged_states(state)):
        box, released, found = opened_with(name, segment, damaged)
        assert box.corrupt == 1 and box.recovered == 10, n
        assert found == list(range(10)) and not released, n
        if n % 5 == 0:
            assert deliver(box) == found
            ends_well(box)


def test_an_empty_state_is_one_that_was_never_written():
    name, segment, state = a_state()
    box, released, found = opened_with(name, segment, b"")
    assert box.corrupt == 0 and found == list(range(10)) and not released
    assert opened_with(name, segment, state + b"older, longer")[2] == [3, 4, 6, 7, 8, 9, 20]


def test_a_state_of_a_later_version_or_of_impossible_counts_is_damaged():
    name, segment, state = a_state()
    for at, value in (
        (4, 19),
        (4, 23),
        (4, len(state) + 1),
        (4, 65535),
        (6, 0),
        (6, 3),
        (8, 9),
        (8, 65535),
        (10, 9),
        (8, 3),
        (10, 2),
        (10, 3),
    ):
        box, released, found = opened_with(name, segment, with_crc(state, "<H", at, value))
        assert box.corrupt == 1 and found == list(range(10)) and not released, (at, value)


def with_crc(state, form, at, value):
    """Return a state with another number at an offset, and the CRC that fits."""
    data = bytearray(state)
    pack_into(form, data, at, value)
    pack_into("<I", data, 0, crc32(memoryview(data)[4 : data[4] + 256 * data[5]]))
    return data


def test_a_state_of_impossible_numbers_is_damaged():
    """Its CRC fits. What is appended behind it is there after the next start, which no number from 2^32 on is."""
    name, segment, state = a_state()
    # 1 to 3, 6; 4; next 11
    assert state[8:12] == b"\x02\0\x01\0" and state[12:16] == b"\x0b\0\0\0"
    cases = [(at, value) for at in (12, 16) for value in (0, 0xF0000001, 0xFFFFFFFF)]
    cases += [(16, 0xF0000000), (12, 6), (12, 4)]  # the next is done
    cases += [(24, 4), (28, 6), (28, 0xFFFFFFFF), (32, 7), (36, 11), (36, 5)]  # ranges
    cases += [(40, 0), (40, 11), (40, 0xFFFFFFFF)]  # released
    for at, value in cases:
        box, released, found = opened_with(name, segment, with_crc(state, "<I", at, value))
        # The newest of a key is whole: it has a CRC of its own.
        assert found == list(range(10)) + [20] and not released, (at, value, found)
        assert box.corrupt == 1 and box.abandoned, (at, value)
        put(box, 30, 31)
        box.append(b"m", b"40", 0, latest=True)
        assert box.sync(0)
        again = Outbox(FOLDER)
        assert there(again) == list(range(10)) + [30, 31, 20, 40] and again.corrupt == 0, (
            at,
            value,
        )
        assert len({record.pid for record in again}) == 14


def test_a_number_of_a_key_or_of_a_segment_that_no_outbox_gives_is_damage():
    name, segment, state = a_state()
    at = len(state) - 12 - 4  # the frame of the newest of a key
    for number in (0, 0xF0000000, 0xFFFFFFFF):
        frame = io.BytesIO()
        write_frame(frame.write, bytearray(HEAD), at, number, 5, b"\x01l20")
        whole = with_crc(state[:at] + frame.getvalue(), "<H", 6, 2)
        box, _, found = opened_with(name, segment, whole)
        assert box.corrupt == 1 and found == list(range(10))
        frame = io.BytesIO()
        write_frame(frame.write, bytearray(HEAD), len(segment), number, 1, b"\x01k99")
        box, _, found = opened_with(name, segment + frame.getvalue(), state)
        assert box.corrupt == 1 and found == [3, 4, 6, 7, 8, 9, 20], (number, found)
        put(box, 30)
        assert box.sync(0) and there(Outbox(FOLDER)) == [3, 4, 6, 7, 8, 9, 30, 20]
        for each in segments():
            os.remove(FOLDER + "/" + each)


def test_of_a_segment_only_the_damaged_record_is_missing():
    Flash()
    box = Outbox(FOLDER)
    for data in (b"10", b"1%s1" % (b"0" * 30), b"12", b"13"):
        box.append(b"k", data, 0)
    assert box.sync(0)
    (name,) = segments()
    whole = read(name)
    parts = frames(whole)
    numbers = [int(r.data) for r in box]
    for i in range(len(whole)):
        for bits in CHANGES:
            write(name, changed(whole, i, bits))
            box = Outbox(FOLDER)
            expected = [n for n, (start, end) in zip(numbers, parts) if not start <= i < end]
            assert box.corrupt == 1 and box.recovered == 3, (i, bits)
            assert there(box) == expected and deliver(box) == expected, (i, bits)
            ends_well(box)


def test_a_segment_of_every_length():
    Flash()
    box = Outbox(FOLDER)
    put(box, 10, 11, 12)
    assert box.sync(0)
    (name,) = segments()
    whole = read(name)
    ends = [end for _, end in frames(whole)]
    for n in range(len(whole)):
        write(name, whole[:n])
        box = Outbox(FOLDER)
        assert box.corrupt == (n not in ends and n > 0), n
        put(box, 13)
        assert box.sync(0)  # not behind what is torn
        expected = [10 + i for i, end in enumerate(ends) if end <= n] + [13]
        again = Outbox(FOLDER)
        assert there(again) == expected, n
        assert deliver(again) == expected
        ends_well(again)


def test_what_looks_like_a_record_within_a_damaged_one_is_none():
    """A message may be a copy of a segment, of the very same name."""
    flash = Flash()
    put(flash.box, 1, 2, 3, 4)
    assert flash.box.sync(0)
    (name,) = segments()
    inner = read(name)
    flash.end()
    flash = Flash()
    put(flash.box, 5, 6)
    flash.box.append(b"k", inner, 0)
    put(flash.box, 8)
    assert flash.box.sync(0) and segments() == [name]
    at = frames(read(name))[2][0]
    write(name, changed(read(name), at, 0xFF))
    box = flash.restart()
    assert there(box) == [5, 6, 8] and deliver(box) == [5, 6, 8] and box.corrupt == 1
    ends_well(box)


def test_a_segment_that_vanished_before_the_start():
    for i in range(3):
        flash = Flash(limit=8192)
        names = three_segments(flash)
        os.remove(FOLDER + "/" + names[i])
        box = flash.restart()
        put(box, 30)
        assert there(box) == deliver(box) == all_but(i) + [30]
        ends_well(box)
        flash.end()


def test_a_copy_under_any_other_number_is_not_delivered():
    for i in range(3):
        for shift in (-9, -5, -2, -1, 1, 2, 5, 9, 10, 1000):
            flash = Flash(limit=8192)
            names = three_segments(flash)
            name = "%08x" % max(0, int(names[i], 16) + shift)
            if name not in segments():
                write(name, read(names[i]))
                box = flash.restart()
                assert box.corrupt == 1
                assert there(box) == list(range(30)) == deliver(box), (i, shift)
                ends_well(box)
            flash.end()


def test_a_copy_whose_first_record_is_damaged():
    """By its first record it would be known as a copy."""
    for i, name in ((1, 0), (2, 0), (0, 4), (1, 14), (2, 24), (0, 64), (2, 9)):
        flash = Flash(limit=8192)
        names = three_segments(flash)
        write("%08x" % name, changed(read(names[i]), 0, 0xFF))
        box = flash.restart()
        assert there(box) == list(range(30)) == deliver(box), (i, name)
        ends_well(box)
        flash.end()


def test_a_length_that_leads_far():
    """Further than the largest frame, and not behind the end of the file: the records behind are found."""
    flash = Flash(limit=65536, ram=20000)
    for n in range(60):
        flash.box.append(b"k" * 30, b"%d" % n, 0)
    assert flash.box.sync(0)
    (name,) = segments()
    whole = read(name)
    for length in (1013, 1500, len(whole) - 100, 65535):
        data = bytearray(whole)
        data[2], data[3] = length & 0xFF, length >> 8
        write(name, data)
        box = flash.restart()
        assert there(box) == list(range(1, 60)) and box.corrupt == 1


def test_garbage_in_the_names_of_segments():
    random = Random(4)
    for size in (0, 1, 11, 12, 100, 1500, 5000):
        for name in ("00000000", "00000005", "00000020", "ffffffff"):
            flash = Flash(limit=8192)
            three_segments(flash)
            write(name, bytes([0xB5 if random(9) == 0 else random(256) for _ in range(size)]))
            box = flash.restart()
            assert box.corrupt == (size > 0)
            put(box, 30)
            assert box.sync(0) and name not in segments()
            assert there(box) == list(range(31)) == deliver(box)
            ends_well(box)
            flash.end()


def test_other_files_are_left_alone():
    flash = Flash()
    names = ("notes.txt", "0000000g", "00000001.bak", "0000001", "ABCDEF01", "state.old")
    for name in names:
        write(name, b"\xb5 not ours")
    os.mkdir(FOLDER + "/folder")
    put(flash.box, 1)
    assert flash.box.sync(0)
    box = flash.restart()
    assert deliver(box) == [1] and box.sync(0) and box.corrupt == box.errors == 0
    for name in names:
        assert read(name) == b"\xb5 not ours"


def test_a_folder_in_the_name_of_a_segment_or_of_the_state():
    for name in ("00000001", "00000002", "state"):
        flash = Flash()
        put(flash.box, 1)
        assert flash.box.sync(0)
        if name == "00000001":
            os.remove(FOLDER + "/00000001")
        os.mkdir(FOLDER + "/" + name)
        os.mkdir(FOLDER + "/" + name + "/full")
        box = flash.restart()
        assert box.corrupt
        put(box, *range(2, 9))
        box.sync(0)
        assert there(box) == deliver(box) == list(range(1 + (name == "00000001"), 9))
        flash.end()


def test_a_sound_frame_without_a_key_is_damage():
    # Its CRC is right: another program wrote it. Its body has no room for a key, and was an IndexError at every start.
    for body in (b"", b"\x05", b"\xff" + b"k" * 99):
        flash = Flash()
        file = io.BytesIO()
        write_frame(file.write, bytearray(HEAD), 0, 1, 2, body)
        write_frame(file.write, bytearray(HEAD), file.tell(), 2, 2, b"\x01k7")
        write("00000001", file.getvalue())
        assert there(flash.restart()) == [7] and flash.box.corrupt
        flash.end()


def test_of_two_exchanges_with_one_packet_id_the_later_begins_anew():
    # Its PUBREL alone would end the other's, and the message be lost.
    name, segment, state = a_state()
    number = 0x4004  # as 4, which is released
    frame = io.BytesIO()
    write_frame(frame.write, bytearray(HEAD), 0, number, 2, b"\x01k50")
    write("%08x" % number, frame.getvalue())
    write(name, segment)
    write("state", state)
    box = Outbox(FOLDER)
    assert box.release([record for record in box if record.number == number], 0)
    box = Outbox(FOLDER)
    released, found = [int(record.data) for record in box.unfinished(0)], there(box)
    assert released == [3] and found == [3, 4, 6, 7, 8, 9, 50, 20], (released, found)
    records = send(box)
    assert 50 in [int(record.data) for record in records if not record.released]
    finish(box, [record for record in records if int(record.data) != 50])
    assert box.sync(0)
    again = [int(record.data) for record in Outbox(FOLDER).unfinished(0)]
    assert again == [3], "the other may not have been sent"
