"""Numbers of lib/outbox near their end: nothing is written that is never read, and they begin anew where no record is on flash."""

import io
from binascii import crc32
from struct import pack

from outbox_flash import FOLDER, Flash, deliver, finish, put, segments, send, there, write
from test_reads import fails

from outbox.log import HEAD, HIGH, NO_LIMIT, write_frame

HEAP = "2m"
TIMEOUT = 30
LAST = NO_LIMIT - 1


def state(following, slots=1, done=(), slot=b""):
    """The state's file. done: first and last of each range; slot: frames."""
    rest = b"".join(pack("<I", number) for number in done) + slot
    head = pack("<HHHHIII", 24 + len(rest), 2, len(done) // 2, 0, following, slots, 0)
    return pack("<I", crc32(head + rest)) + head + rest


def segment(*numbers):
    """A segment whose records have their numbers as data."""
    file = io.BytesIO()
    for number in numbers:
        write_frame(file.write, bytearray(HEAD), file.tell(), number, 1, b"\x01k%d" % number)
    write("%08x" % numbers[0], file.getvalue())


def opened(following, *numbers, **others):
    """Return a Flash on which there is a state, and a segment with these numbers, perhaps."""
    flash = Flash(limit=8192, ram=1000)
    write("state", state(following, **others))
    if numbers:
        segment(*numbers)
    flash.restart()
    return flash


def test_what_is_appended_is_there_after_a_restart():
    for following in (HIGH - 5, HIGH, LAST - 5, LAST, NO_LIMIT):
        flash = opened(following)
        for n in range(0, 30, 3):
            assert put(flash.box, n, n + 1, n + 2) and flash.box.sync(0), (following, n)
        assert flash.box.dropped == flash.box.errors == 0
        box = flash.restart()
        assert there(box) == list(range(30)) and box.corrupt == 0, following
        assert deliver(box) == list(range(30)) and box.sync(0) and segments() == []
        put(box, 30, qos=2)
        assert box.sync(0) and there(flash.restart()) == [30]
        flash.end()


def test_numbers_begin_anew_in_a_running_node():
    flash = opened(HIGH - 2)
    numbers = []
    for n in range(6):
        put(flash.box, n)
        assert flash.box.sync(0)
        numbers.append(int(segments()[0], 16))
        assert deliver(flash.box) == [n]
    assert numbers[:3] == [HIGH - 2, HIGH - 1, 1] and numbers[3:] == [2, 3, 4], numbers
    put(flash.box, 6)
    assert flash.box.sync(0)
    assert there(flash.restart()) == [6] and flash.box.corrupt == 0


def test_behind_the_last_number_nothing_is_written_and_what_is_lost_is_counted():
    flash = opened(LAST - 3, LAST - 4)
    assert put(flash.box, 1, 2, 3, 4) and flash.box.sync(0)
    size = flash.box.bytes
    for n in range(5, 105):
        put(flash.box, n)
        assert not flash.box.sync(0)
    kept = there(flash.box)[5:]
    assert kept == list(range(105 - len(kept), 105)) and flash.box.dropped == 100 - len(kept)
    assert there(flash.restart()) == [LAST - 4, 1, 2, 3, 4] and flash.box.bytes < size + 99


def test_it_goes_on_when_what_is_there_was_delivered():
    flash = opened(LAST - 3, LAST - 4)
    box = flash.box
    put(box, *range(1, 6))
    assert not box.sync(0) and segments() == ["%08x" % (LAST - 4)]
    records = send(box, 1)
    assert finish(box, records, 20000) == [LAST - 4]
    box.step(20000)
    assert segments() == ["00000001"]
    box = flash.restart()
    assert there(box) == deliver(box) == list(range(1, 6))
    assert box.dropped == box.corrupt == 0


def test_nothing_new_is_taken_for_done():
    """The state that is there says of all numbers that they are; it is the first to know that they begin anew."""
    for done in ((1, HIGH + 8), (1, 40, 42, HIGH + 8), ()):
        flash = opened(HIGH + 9, done=done)
        assert put(flash.box, 11, 12) and flash.box.sync(0) and segments() == ["00000001"]
        box = flash.restart()
        assert there(box) == [11, 12]
        put(box, 13)
        assert box.sync(0) and deliver(flash.restart()) == [11, 12, 13]
        flash.end()


def test_while_the_state_cannot_be_written_they_do_not_begin_anew():
    flash = opened(HIGH + 9, done=(1, HIGH + 8))
    box = flash.box
    save = box.state.save
    box.state.save = full
    put(box, 11)
    assert not box.sync(0) and segments() == [] and box.errors == 1
    box.state.save = save
    box.step(10000)
    assert segments() == ["00000001"] and there(flash.restart()) == [11]


def full(*args):
    raise OSError(28)


def test_while_a_file_is_there_they_go_on():
    flash = opened(HIGH, 1, 2, 3)
    unread = fails("00000001")
    for box in (flash.restart(), flash.restart()):
        put(box, 11)
        assert box.sync(0) and "00000002" not in segments()
    unread.mend()
    assert there(flash.restart()) == [1, 2, 3, 11, 11]


def test_the_newest_of_keys_outlive_the_last_number_of_theirs():
    frame = io.BytesIO()
    write_frame(frame.write, bytearray(HEAD), 24, LAST, 5, b"\x01a1")
    for slots in (LAST - 1, LAST):
        flash = opened(5, slots=slots, slot=frame.getvalue())
        for n in range(10, 30, 2):
            flash.box.append(b"b", b"%d" % n, 0, latest=True, qos=2)
            flash.box.append(b"c", b"%d" % (n + 1), 0, latest=True, qos=2)
            assert flash.box.sync(0)
            box = flash.restart()
            assert there(box) == [1, n, n + 1] and box.corrupt == 0, n
            assert len({record.pid for record in box if record.qos == 2}) == 2
        flash.end()


def test_a_number_that_was_not_written_is_given_again():
    flash = opened(5, slots=LAST)
    box = flash.box
    box.append(b"b", b"1", 0, latest=True)
    state_file = box.state.path
    box.state.path = FOLDER + "/no/folder"
    assert not box.sync(0) and box.state.next_slot == LAST
    box.state.path = state_file
    assert box.sync(0) and there(flash.restart()) == [1]


def test_a_segment_of_far_numbers_is_given_up_at_once():
    """Its numbers leap: to look at each that may be in it took hours."""
    flash = opened(HIGH - 500, 1, 2, 3)
    put(flash.box, *range(11, 900))
    assert flash.box.dropped and segments()[0] != "00000001"
    left = there(flash.box)
    assert left == list(range(900 - len(left), 900))
    assert flash.box.sync(0) and there(flash.restart()) == left
