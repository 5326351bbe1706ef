"""What lib/outbox promises, on a real littlefs: order, what costs a write, exchanges of QoS 2."""

from outbox_flash import Flash, deliver, finish, put, segments, send, there

from outbox.log import TAKEN, Record

HEAP = "1m"


def test_first_in_first_out_over_flash_ram_and_restart():
    flash = Flash()
    box = flash.box
    put(box, *range(10))
    assert box.sync(0)
    put(box, *range(10, 15))
    assert len(box) == 15 and there(box) == list(range(15))
    assert deliver(box, 3) == [0, 1, 2]
    assert box.sync(0)
    box = flash.restart()
    assert box.recovered == len(box) == 12 and box.appended == box.corrupt == box.errors == 0
    put(box, 15, 16)
    box.drop(box.peek(0), 0)  # not taken first, as a caller may
    assert deliver(box) == list(range(4, 17))
    assert len(box) == 0 and there(box) == [] and box.peek(0) is None


def test_a_record_is_what_was_appended():
    flash = Flash()
    body = bytes(range(256)) + b"\xb5" * 3
    flash.box.append(b"", body, 0, qos=2)
    flash.box.append(b"a/\xc3\xa9", b"", 0)
    flash.box.append(b"k" * 255, b"x" * 700, 0, latest=True)
    for box in (flash.box, flash.box.sync(0) and flash.box, flash.restart()):
        found = [(r.key, r.data, r.qos, r.latest) for r in box]
        assert found[0] == (b"", body, 2, False)
        assert found[1] == (b"a/\xc3\xa9", b"", 1, False)
        assert found[2] == (b"k" * 255, b"x" * 700, 1, True) and len(found) == 3


def test_what_is_acknowledged_in_time_costs_no_write():
    flash = Flash()
    box = flash.box
    for now in range(0, 1000000, 5000):
        put(box, now, now=now)
        put(box, -now, now=now, latest=True)
        (first, second) = send(box, now=now)
        box.step(now + 4999)
        finish(box, (first, second), now + 4999)
        box.step(now + 4999)
    assert flash.written() == 0
    assert box.appended == 400 and box.bytes == len(box) == 0
    assert len(flash.restart()) == 0


def test_all_is_on_flash_after_sync_ms_in_one_go():
    flash = Flash(sync_ms=3000)
    box = flash.box
    for i in range(10):
        put(box, i, now=i * 200)
        put(box, i, now=i * 200, latest=True)
    for now in (1800, 2500, 2999):
        box.step(now)
    assert flash.written() == 0
    box.step(3000)
    assert flash.written()
    for now in range(3001, 20000, 100):
        box.step(now)
    assert flash.written() == 0 and len(segments()) == 1
    assert there(flash.restart()) == list(range(10)) + [9]


def test_with_sync_ms_0_a_record_is_on_flash_when_it_is_handed_out():
    flash = Flash(sync_ms=0)
    put(flash.box, 1)
    assert flash.box.peek(0).number
    assert there(flash.restart()) == [1]
    put(flash.box, 2)
    assert flash.box.due(0) == 0
    flash.box.step(0)
    assert there(flash.restart()) == [1, 2]
    flash.box.append(b"k", b"3", 0, latest=True)
    assert deliver(flash.box, 2) == [1, 2] and flash.box.peek(0).data == b"3"
    assert 3 in there(flash.restart())


def test_a_record_of_qos_2_is_on_flash_with_its_id_when_it_is_handed_out():
    flash = Flash()
    put(flash.box, 1, 2, 3, qos=2)
    assert flash.written() == 0
    pids = {int(r.data): r.pid for r in send(flash.box, 2)}
    for _ in range(3):
        box = flash.restart()
        records = send(box)
        assert [int(r.data) for r in records] == [1, 2, 3]
        assert all(r.pid == pids.get(int(r.data), r.pid) and r.qos == 2 for r in records)


def test_packet_ids_are_of_the_upper_half_and_distinct():
    flash = Flash()
    box = flash.box
    put(box, *range(150), qos=2)
    for i in range(40):
        box.append(b"%d" % i, b"%d" % i, 0, qos=2, latest=True)
    pids = {record.pid for record in send(box)}
    assert len(pids) == 190 and min(pids) >= 0x8000 and max(pids) <= 0xFFFF
    put(box, 150)
    assert box.peek(0).pid == 0  # not on flash: not an id that is the same after a restart
    assert [Record(b"", 2, n).pid for n in (1, 0x3FFF, 0x4000)] == [0x8001, 0xBFFF, 0x8000]
    assert [Record(b"", 6, n).pid for n in (1, 0x3FFF, 0x4000)] == [0xC001, 0xFFFF, 0xC000]


def test_an_exchange_goes_on_where_it_was():
    flash = Flash()
    box = flash.box
    put(box, 1, 2, 3, 4, qos=2)
    box.append(b"l", b"5", 0, qos=2, latest=True)
    _, two, three, _, five = send(box)
    assert box.release([two, three, five], 0)
    box.drop(three, 0)
    assert box.sync(0)
    pids = {2: two.pid, 5: five.pid}
    for _ in range(2):
        box = flash.restart()
        found = box.unfinished(0)
        assert {int(r.data): r.pid for r in found} == pids
        assert all(r.released and r.flags & TAKEN for r in found)
    assert [int(r.data) for r in send(box)] == [1, 4]
    assert sorted(finish(box, found)) == [2, 5] and len(box) == 2
    assert box.sync(0)
    box = flash.restart()
    assert box.unfinished(0) == [] and there(box) == [1, 4]


def test_when_the_broker_forgot_the_session_exchanges_begin_anew():
    flash = Flash()
    put(flash.box, 1, 2, qos=2)
    flash.box.append(b"l", b"3", 0, qos=2, latest=True)
    assert flash.box.release(send(flash.box), 0)
    box = flash.restart()
    found = box.unfinished(0)
    assert len(found) == 3 and box.unrelease(0)
    assert not any(r.released for r in found)
    flash.written()
    assert box.unrelease(0) and flash.written() == 0
    box = flash.restart()
    assert box.unfinished(0) == [] and deliver(box) == [1, 2, 3]


def test_rewind_hands_out_again_what_is_not_acknowledged():
    flash = Flash()
    box = flash.box
    put(box, 0, 1, 2, 3)
    assert box.sync(0)
    box = flash.restart()
    put(box, 4, 5, 6, 7)
    box.append(b"l", b"8", 0, latest=True)
    records = send(box)
    finish(box, (records[1], records[6]))
    for _ in range(2):
        box.rewind()
        assert box.peek(0).data == b"0"
        assert [int(r.data) for r in send(box)] == [0, 2, 3, 4, 5, 7, 8]
    put(box, 9, 10)
    assert box.sync(0)
    box.rewind()
    assert deliver(box) == [0, 2, 3, 4, 5, 7, 8, 9, 10] and len(box) == 0


def test_what_is_on_its_way_is_not_read_again_when_others_have_no_room_in_ram():
    flash = Flash(ram=1500)
    put(flash.box, 0, 1, 2)
    assert flash.box.sync(0) and len(send(flash.box)) == 3
    put(flash.box, *range(3, 60))
    assert [int(r.data) for r in send(flash.box)] == list(range(3, 60))
    flash.box.rewind()
    assert deliver(flash.box) == list(range(60))


def test_what_is_acknowledged_twice_counts_once():
    flash = Flash()
    put(flash.box, 1, 2, 3)
    assert flash.box.sync(0)
    (one, two, _) = send(flash.box)
    for record in (one, two, one, two, one):
        flash.box.drop(record, 0)
    assert len(flash.box) == 1 and flash.box.sync(0) and there(flash.restart()) == [3]
