"""lib/outbox: only the newest of a key, and who may overtake a backlog."""

from outbox_flash import Flash, deliver, finish, put, read, send, there

HEAP = "1m"


def test_latest_only_the_newest_of_a_key():
    flash = Flash()
    box = flash.box
    for i in range(6):
        box.append(b"ab"[i & 1 : (i & 1) + 1], b"%d" % i, 0, latest=True)
        put(box, 10 + i)
    assert there(box) == [10, 11, 12, 13, 4, 14, 5, 15] and box.superseded == 4
    assert box.sync(0)
    box.append(b"a", b"6", 0, latest=True)
    assert box.sync(0)
    box = flash.restart()
    assert there(box) == [10, 11, 12, 13, 14, 15, 5, 6]
    box.append(b"b", b"7", 0, latest=True)
    assert len(box) == 8 and box.superseded == 1
    assert deliver(box) == [10, 11, 12, 13, 14, 15, 6, 7]
    assert box.sync(0) and len(flash.restart()) == 0


def test_latest_numbers_are_not_those_of_others():
    flash = Flash()
    put(flash.box, 1, 2)
    flash.box.append(b"l", b"3", 0, latest=True)
    assert flash.box.sync(0)
    finish(flash.box, send(flash.box)[2:])
    assert flash.box.sync(0) and there(flash.restart()) == [1, 2]


def test_latest_what_is_on_its_way_is_kept():
    flash = Flash()
    box = flash.box
    for qos in (1, 2):
        box.append(b"k", b"1", 0, qos=qos, latest=True)
        (one,) = send(box)
        box.append(b"k", b"2", 0, qos=qos, latest=True)
        box.append(b"k", b"3", 0, qos=qos, latest=True)
        assert there(box) == [1, 3]
        assert box.sync(0)
        assert there(flash.restart()) == [
            1,
            3,
        ]  # PUBACK may come yet: to lose it would be to lose a message
        box = flash.box
        (one, three) = send(box)
        assert one.pid != three.pid
        assert finish(box, (one, three)) == [1, 3]
        assert box.sync(0)


def test_latest_is_on_flash_after_sync_ms_however_often_it_is_replaced():
    flash = Flash()
    for now in range(0, 60001, 500):
        flash.box.append(b"k", b"%d" % now, now, latest=True)
        flash.box.step(now)
    (newest,) = there(flash.restart())
    assert newest > 60000 - 5500


def test_latest_the_one_on_flash_stays_until_its_successor_is_there():
    flash = Flash()
    box = flash.box
    box.append(b"k", b"1", 0, latest=True)
    put(box, *range(10, 30))
    assert box.sync(0)
    box.append(b"k", b"2", 0, latest=True)
    assert deliver(box, 20) == list(range(10, 30))  # the state was written in between
    assert there(flash.restart())[-1] in (1, 2)


def test_latest_packet_ids_go_on_over_a_restart():
    flash = Flash()
    flash.box.append(b"a", b"1", 0, qos=2, latest=True)
    (one,) = send(flash.box)
    assert one.pid
    box = flash.restart()
    box.append(b"b", b"2", 0, qos=2, latest=True)
    assert len({record.pid for record in send(box)}) == 2


def test_the_newest_of_many_keys_are_kept_and_those_of_too_many_are_like_any_other():
    flash = Flash()
    box = flash.box
    for i in range(200):
        assert box.append(b"key %d" % i, b"%d" % i + b" " * 180, 0, latest=True)
    assert box.sync(0) and 4096 < len(read("state")) < 8192
    box = flash.restart()
    assert sorted(there(box)) == list(range(200)) and box.corrupt == 0
    kept = [int(record.data) for record in box if record.latest]
    assert len(kept) > 25
    for i in kept:
        assert box.append(b"key %d" % i, b"-%d" % i + b" " * 179, 0, latest=True)
    assert [-int(record.data) for record in box if record.latest] == kept
    # too long now: the one before goes nevertheless
    box.append(b"key 0", b"0" + b" " * 500, 0, latest=True)
    assert box.superseded == len(kept) + 1
    assert sorted(deliver(box)) == sorted(
        [-i for i in kept[1:]] + [i for i in range(200) if i not in kept[1:]]
    )
    assert box.sync(0) and box.errors == 0 and len(read("state")) < 100


def test_the_newest_of_keys_do_not_push_others_out_of_ram():
    flash = Flash(ram=1000)
    box = flash.box
    for i in range(30):
        assert box.append(b"%d" % i, b"0" * 50, 0, latest=True)
    assert box.sync(0) and len(send(box)) == 30
    flash.written()
    for now in range(0, 50000, 100):
        put(box, now, now=now)
        assert deliver(box, 1, now) == [now]
        box.step(now)
    assert flash.written() == 0 and len(box) == 30


def test_fresh_ones_overtake_a_backlog():
    flash = Flash()
    box = flash.box
    put(box, 1, 2)
    assert box.fresh(0) is None  # nothing to overtake
    assert deliver(box) == [1, 2]
    put(box, *range(10, 20))
    assert box.sync(0)
    box = flash.restart()
    put(box, 20, 21, now=1)
    fresh = box.fresh(1)
    assert fresh.data == b"20" and box.peek(1).data == b"10"
    box.take(fresh, 1)
    assert [int(r.data) for r in send(box, 3, 1)] == [10, 11, 12]
    assert box.sync(1)  # those that overtook come to flash while they are on their way
    put(box, 22, now=2)
    second = box.fresh(2)
    assert second.data == b"21"
    finish(box, (second,), 2)  # not taken, as a caller may
    assert [int(r.data) for r in send(box, now=2)] == [13, 14, 15, 16, 17, 18, 19, 22]
    assert box.fresh(2) is None


def test_fresh_never_of_qos_2_and_without_a_write():
    flash = Flash()
    put(flash.box, 1)
    assert flash.box.sync(0)
    box = flash.restart()
    put(box, 2, qos=2)
    put(box, 3)
    assert box.fresh(0) is None and flash.written() == 0
    assert deliver(box) == [1, 2, 3]


def test_fresh_ones_are_not_held_up_by_those_acknowledged():
    for sync_ms in (0, 5000):
        flash = Flash(sync_ms=sync_ms)
        put(flash.box, *range(10))
        assert flash.box.sync(0)
        box = flash.restart()
        for i in range(100, 180):
            put(box, i)
            fresh = box.fresh(0)
            assert fresh and int(fresh.data) == i
            box.take(fresh, 0)
            box.sync(0)
            box.drop(fresh, 0)
        assert deliver(box) == list(range(10))
        flash.end()


def test_fresh_at_most_32_are_ahead():
    flash = Flash()
    put(flash.box, *range(10))
    assert flash.box.sync(0)
    box = flash.restart()
    taken = []
    for i in range(100, 150):
        put(box, i)
        assert box.sync(0)
        fresh = box.fresh(0)
        if fresh:
            box.take(fresh, 0)
            taken.append(int(fresh.data))
    assert taken == list(range(100, 132))
    assert [int(r.data) for r in send(box)] == list(range(10)) + list(range(132, 150))


def test_fresh_ones_are_ahead_only_until_the_rest_has_come_to_them():
    flash = Flash(ram=1500)
    put(flash.box, *range(10))
    assert flash.box.sync(0)
    box = flash.restart()
    for i in range(100, 120):
        put(box, i)
        assert box.sync(0)
        box.take(box.fresh(0), 0)
    put(box, *range(120, 180))
    assert [int(r.data) for r in send(box, 40)] == list(range(10)) + list(range(120, 150))
    for i in range(180, 200):
        put(box, i)
        assert box.sync(0)
        box.take(box.fresh(0), 0)  # not None, because of the twenty before


def test_fresh_ones_that_are_late_wait_for_their_turn():
    """On flash only from then on, in RAM only before, or the newest of a key: whichever, each comes once and in order."""
    for sync_ms, synced in ((0, True), (5000, True), (5000, False)):
        flash = Flash(sync_ms=sync_ms)
        put(flash.box, *range(10))
        flash.box.append(b"l", b"90", 0, latest=True)
        assert flash.box.sync(0)
        box = flash.restart()
        put(box, *range(10, 20))
        assert box.sync(0) or not synced
        late = [90] + list(range(12, 18))
        fresh = []
        for _ in range(5):
            record = box.fresh(0, lambda record: int(record.data) in late)
            if record:
                box.take(record, 0)
                fresh.append(record)
        assert [int(record.data) for record in fresh] == [10, 11, 18, 19]
        assert box.peek(0).data == b"0"  # the others as ever, if nobody asks for what is fresh
        rest = send(box)
        assert [int(record.data) for record in rest] == list(range(10)) + late[1:] + [90]
        finish(box, fresh + rest)
        assert len(box) == 0 and box.sync(0) and there(flash.restart()) == []
        flash.end()


def test_fresh_late_ones_that_no_flash_takes_stay_where_they_are():
    flash = Flash(blocks=16)
    put(flash.box, *range(10))
    assert flash.box.sync(0)
    box = flash.restart()
    flash.fill()
    put(box, *range(10, 13))
    assert box.fresh(0, lambda record: record.data != b"12") is None and box.errors == 1
    assert deliver(box) == list(range(13))


def test_fresh_ones_are_ahead_of_nothing_after_a_rewind():
    flash = Flash()
    put(flash.box, 1, 2)
    assert flash.box.sync(0)
    box = flash.restart()
    put(box, 3)
    assert box.sync(0)
    box.take(box.fresh(0), 0)
    assert [int(r.data) for r in send(box, 1)] == [1]
    box.rewind()
    assert deliver(box) == [1, 2, 3]


def test_latest_an_exchange_that_has_begun_ends():
    # The broker keeps a place for it, and drops what it acknowledges when there is none left.
    flash = Flash()
    box = flash.box
    box.append(b"k", b"1", 0, qos=2, latest=True)
    (one,) = send(box)
    box.rewind()
    box.append(b"k", b"2", 0, qos=2, latest=True)
    box.append(b"k", b"3", 0, qos=2, latest=True)
    assert there(box) == [1, 3] and box.superseded == 1
    # Over power cuts, too; what was not sent makes way. It did not, and a hundred restarts in an outage took all memory for it.
    assert box.sync(0)
    for _ in range(5):
        box = flash.restart()
        box.append(b"k", b"4", 0, qos=2, latest=True)
        box.append(b"k", b"5", 0, qos=2, latest=True)
        assert there(box) == [1, 5]
        assert box.sync(0)
    flash.written()
    (first, _) = records = send(box)
    assert first.pid == one.pid and flash.written() == 1
    box = flash.restart()
    box.append(b"k", b"6", 0, qos=2, latest=True)
    records = send(box)
    assert finish(box, records) == [1, 5, 6] and there(box) == []
    # At QoS 1 there is no exchange.
    box.append(b"k", b"6", 0, latest=True)
    assert box.sync(0)
    box = flash.restart()
    box.append(b"k", b"7", 0, latest=True)
    assert there(box) == [7]
