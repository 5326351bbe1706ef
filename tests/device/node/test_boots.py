"""What identifies a reading for ever: its node's name, its boot, its seq; and what a later start must know of its own."""

import errno
import json
import os
import time

import flashfile
from test_app import SYNCED, Run, everything

from firmware import payload
from firmware.readings import bootcount, boots
from outbox import Outbox

HEAP = "1m"  # the tests keep and parse every message


class Silent:
    lines = []

    def error(self, text):
        self.lines.append(text)


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def lines():
    with open("state/boots") as f:
        return f.read()


def test_a_count_that_nobody_knows_begins_at_random():
    # It was 1 on every new flash: a replaced board numbered its readings as the one before it had.
    firsts = set()
    for damage in (None, "", "garbage", "0", "-3", "1e999", "9" * 40):
        if damage is None:
            os.mkdir("state")
        else:
            put("state/boot", damage)
        firsts.add(bootcount.count((), Silent()))
        assert bootcount.count((), Silent()) == max(firsts) or bootcount.count((), Silent()) > 1
    assert len(firsts) == 7 and max(firsts) - min(firsts) > 1000, firsts
    assert all(0 < n <= 1 << 24 for n in firsts)


def test_the_count_goes_on_and_is_above_all_that_was_seen():
    os.mkdir("state")
    put("state/boot", "41")
    assert bootcount.count((), Silent()) == 42
    assert bootcount.count((12, 50, 49), Silent()) == 51
    boots.note(60, SYNCED, 60)
    assert bootcount.count((), Silent()) == 61
    os.remove("state/boot")
    assert 61 <= bootcount.count((), Silent()) <= 61 + (1 << 24)
    os.remove("state/boot")
    assert bootcount.count((1 << 23,), Silent()) > 1 << 23
    os.remove("state/boot")
    assert bootcount.count(((1 << 32) - 1,), Silent()) < 1 << 26, "a record of nobody's"


def test_what_no_node_wrote_is_not_believed():
    os.mkdir("state")
    put("state/boot", "41")
    assert bootcount.count(((1 << 32) - 1,), Silent()) == 42
    os.remove("state/boot")
    assert 0 < bootcount.count(((1 << 30) - 2,), Silent()) < 1 << 30, (
        "a small integer on every board"
    )
    put("state/boots", "5 - outpost/attic\n6 - a+b/#\n")
    assert boots.find(6) == (None, "outpost/attic")


def test_a_time_that_no_reading_can_have_is_not_believed():
    # Of 49 bits and more: a payload's, and what is computed with it, would be of years that nobody has seen.
    os.mkdir("state")
    last = (1 << 48) - 1
    lines = "5 1 outpost/attic\n6 0\n7 -1\n8 %d\n9 %d\n10 %s\n11 1e12\n12 x\n"
    put("state/boots", lines % (last, last + 1, "9" * 100))
    found = [boots.find(boot)[0] for boot in range(5, 13)]
    assert found == [1, None, None, last, None, None, None, None], found
    os.remove("state/boots")
    times = '{"5":1,"6":0,"7":-1,"8":%d,"9":%d,"10":1e999,"11":[],"12":null,"13":"x","x":5}'
    put("state/times", times % (last, last + 1))
    boots.begin(20, 5, "outpost/attic")
    found = [boots.find(boot)[0] for boot in range(5, 14)]
    assert found == [1, None, None, last, None, None, None, None, None], found


def test_a_count_that_cannot_be_written_is_not_given_twice():
    os.mkdir("state")
    put("state/boot", "41")

    def full(path, text):
        raise OSError(28)

    write, bootcount.write = bootcount.write, full
    got = {bootcount.count((), Silent()) for _ in range(3)}
    bootcount.write = write
    assert len(got) == 3 and min(got) > 42 and "cannot be written" in Silent.lines[-1], got


def failing(times, path, errors=(errno.EIO,)):
    """Let the next so many open() of a path fail, with these errors in turn."""
    left = [times]

    def fail(name, *mode):
        if name == path and left[0]:
            left[0] -= 1
            raise OSError(errors[(times - left[0] - 1) % len(errors)])
        return open(name, *mode)

    flashfile.open = fail


def test_a_read_error_is_no_missing_file():
    # One EIO, and the boots began at 1 again; the times of another boot 1 dated the readings weeks back.
    os.mkdir("state")
    put("state/boot", "41")
    failing(1, "state/boot")
    assert bootcount.count((), Silent()) == 42
    failing(9, "state/boot")
    n = bootcount.count((45,), Silent())
    assert n > 45 and "cannot be read" in Silent.lines[-1], Silent.lines
    boots.note(n, SYNCED, n)
    before = lines()
    failing(1, "state/boots")
    assert boots.find(n)[0] == SYNCED
    failing(9, "state/boots")
    # littlefs may say after an error that there is no such file.
    failing(2, "state/boots", (errno.EIO, errno.ENOENT))
    assert boots.find(n)[0] == SYNCED
    put("state/boot", "41")
    failing(2, "state/boot", (errno.EIO, errno.ENOENT))
    assert bootcount.count((), Silent()) == n + 1, "no random number"
    failing(9, "state/boots")
    for f in (lambda: boots.begin(n + 1, n, "outpost/x"), lambda: boots.note(n + 1, SYNCED, n)):
        try:
            f()
        except OSError:
            assert lines() == before, "what it says may be there the next time"
        else:
            raise AssertionError


def test_what_is_no_longer_needed_goes():
    os.mkdir("state")
    boots.begin(5, 5, "outpost/a")
    boots.note(5, SYNCED, 5)
    boots.begin(6, 5, "outpost/a")
    boots.begin(7, 5, "outpost/b")
    boots.note(7, SYNCED + 7, 5)
    boots.note(9, SYNCED + 9, 5)
    assert boots.find(5) == (SYNCED, "outpost/a") and boots.find(6) == (None, "outpost/a")
    assert boots.find(7) == (SYNCED + 7, "outpost/b") and boots.find(8) == (None, "outpost/b")
    boots.note(10, SYNCED + 10, 6)
    assert boots.find(6) == (None, "outpost/a")
    boots.note(11, SYNCED + 11, 8)
    assert boots.find(8) == (None, "outpost/b") and boots.find(9)[0] == SYNCED + 9
    boots.note(12, SYNCED + 12, 12)
    assert lines() == "12 %d outpost/b\n" % (SYNCED + 12)
    for n in range(13, 400):
        boots.note(n, SYNCED + n, 12)
    assert os.stat("state/boots")[6] < 4096 and boots.find(399) == (SYNCED + 399, "outpost/b")
    assert boots.find(300) == (SYNCED + 300, "outpost/b")


def outage(seconds=12, **options):
    """A start without a broker; the time comes after five seconds."""
    r = Run(trusted=False, **options)
    r.client.reachable = False
    r.run(5000)
    r.sync = True
    r.run(seconds * 1000 - 5000)
    return r


def test_forty_restarts_in_an_outage_lose_no_time():
    # state/times kept four boots: the readings before came without `ts`.
    starts = []
    for _ in range(40):
        r = outage(outbox_bytes=65536)
        starts.append((r.node.delivery.boot, r.node.delivery.starts.origin))
    last = Run(outbox_bytes=65536)
    last.run(10000)
    got = everything(last)
    early = [(boot, seq) for boot, seq in got if boot != last.node.delivery.boot and seq <= 5]
    assert len(early) >= 190, len(early)
    untimed = [key for key in got if "ts" not in got[key]]
    assert not untimed, untimed
    origins = dict(starts)
    for boot, seq in early:
        assert 0 <= got[boot, seq]["ts"] - origins[boot] < 20000


def set_clock(r, origin):
    """As sntp.py does: the clock is set with the next pass."""
    clock = r.node.clock

    def step(uptime, online):
        clock.step = lambda uptime, online: False
        clock.offset = origin
        return True

    clock.step = step


def believed_a_wrong_time():
    """An outage: readings without a time, then with one that is wrong, then with the right one, SYNCED at uptime 0."""
    r = Run(trusted=False, outbox_bytes=65536)
    r.client.reachable = False
    r.run(5000)
    set_clock(r, SYNCED - 200 * 86400000)
    r.run(5000)
    assert "%d" % (SYNCED - 200 * 86400000) in lines()
    set_clock(r, SYNCED)
    r.run(5000)
    return r


def test_a_time_that_the_clock_has_given_up_is_no_readings():
    # Readings without a time got the first one that the clock believed, and those taken under it kept it.
    r = believed_a_wrong_time()
    r.client.reachable = True
    r.run(10000)
    got = everything(r)
    assert len(got) >= 20
    for boot, seq in got:
        assert 0 <= got[boot, seq]["ts"] - SYNCED - 1000 * (seq - 1) < 1000, (seq, got[boot, seq])


def test_a_time_that_the_clock_has_given_up_is_not_kept_for_the_next_start():
    r = believed_a_wrong_time()
    boot = r.node.delivery.boot
    assert boots.find(boot)[0] == SYNCED
    r.node.reset("told to")
    now = Run(outbox_bytes=65536)
    now.run(20000)
    got = everything(now)
    for seq in range(1, 5):
        assert 0 <= got[boot, seq]["ts"] - SYNCED - 1000 * (seq - 1) < 1000, seq


def test_drift_of_the_crystal_changes_no_time():
    r = Run(outbox_bytes=65536)
    r.client.reachable = False
    r.run(5000)
    set_clock(r, r.node.clock.offset + 1500)
    r.run(5000)
    r.client.reachable = True
    r.run(10000)
    got = everything(r)
    boot = r.node.delivery.boot
    assert got[boot, 12]["ts"] - got[boot, 1]["ts"] == 11000 + 1500
    assert got[boot, 4]["ts"] - got[boot, 1]["ts"] == 3000


def test_readings_keep_the_name_they_were_taken_under():
    first = outage(name="attic")
    second = outage(name="attic")
    third = outage(name="cellar")
    now = Run(name="kitchen")
    now.run(20000)
    old = sorted({message[0] for message in now.client.sent if "/history/" in message[0]})
    assert old == ["outpost/attic/history/climate", "outpost/cellar/history/climate"], old
    for r, name in ((first, "attic"), (second, "attic"), (third, "cellar")):
        seqs = [
            reading["seq"]
            for reading in now.readings("outpost/%s/history/climate" % name)
            if reading["boot"] == r.node.delivery.boot
        ]
        assert sorted(seqs) == list(range(1, len(seqs) + 1)) and len(seqs) >= 7, seqs
    taken = {reading["boot"] for reading in now.readings("outpost/kitchen/reading/climate")}
    assert taken == {now.node.delivery.boot}


def set_aside(r):
    """As if the broker would not have any of the readings that wait."""
    from firmware.readings.aside import put

    delivery = r.node.delivery
    delivery.uplink.why = "it closes"
    while len(delivery.outbox):
        assert put(delivery.outbox.peek(r.now), delivery, r.now)
    assert delivery.outbox.sync(r.now)


def late_of(now, boot, name):
    """The seq and ts of readings of a boot that went to the history of a name, in order of their seq."""
    got = now.readings("outpost/%s/history/climate" % name)
    return sorted([(each["seq"], each.get("ts")) for each in got if each["boot"] == boot])


def test_what_is_set_aside_keeps_its_time_and_its_name():
    # Only the outbox was looked at: the reading went out under another name, and without `ts`.
    first = outage(name="attic")
    boot, origin = first.node.delivery.boot, first.node.delivery.starts.origin
    set_aside(first)
    outage(name="cellar")
    now = Run(name="kitchen")
    now.run(60000)
    late = late_of(now, boot, "attic")
    assert [seq for seq, _ in late] == list(range(1, first.node.seq + 1)), late
    assert all(0 < ts - origin < 13000 for _, ts in late), late
    assert not now.node.delivery.aside


def test_the_newest_of_a_key_keeps_its_name_behind_newer_readings():
    first = Run(name="attic")
    first.channel.latest = True
    first.client.reachable = False
    first.run(3000)
    first.node.delivery.outbox.sync(first.now)
    outage(name="cellar")
    now = Run(name="kitchen")
    now.run(20000)
    late = late_of(now, first.node.delivery.boot, "attic")
    assert [seq for seq, _ in late] == [first.node.seq], late


def test_the_count_is_above_all_that_is_set_aside():
    os.mkdir("state")
    put("state/boot", str(1 << 28))
    first = outage()
    set_aside(first)
    for name in os.listdir("state"):
        if name.startswith("boot"):
            os.remove("state/" + name)
    for name in os.listdir("state/outbox"):
        os.remove("state/outbox/" + name)
    assert Run().node.delivery.boot > first.node.delivery.boot > 1 << 28


def test_the_count_is_above_all_that_the_outbox_has():
    # The newest record of the log, delivered or not, and the newest of a key: whatever else is lost.
    for latest in (False, True):
        os.mkdir("state")
        put("state/boot", str((1 << 28) + latest))
        first = outage() if not latest else Run()
        if latest:
            first.channel.latest = True
            first.client.reachable = False
            first.run(3000)
        outbox = first.node.delivery.outbox
        assert outbox.sync(first.now)
        while len(outbox) > 1:
            outbox.drop(outbox.peek(first.now), first.now)
        for name in os.listdir("state"):
            if name.startswith("boot"):
                os.remove("state/" + name)
        again = Run()
        assert again.node.delivery.boot > first.node.delivery.boot > 1 << 28
        remove("state")


def remove(folder):
    for name, kind, *_ in list(os.ilistdir(folder)):
        path = folder + "/" + name
        (remove if kind & 0x4000 else os.remove)(path)
    os.rmdir(folder)


def test_what_an_earlier_version_left_is_read_on():
    r = outage(name="attic")
    boot, origin = r.node.delivery.boot, r.node.delivery.starts.origin
    os.remove("state/boots")
    put("state/times", json.dumps({str(boot): origin, "3": [], "x": 7, "4": 1e9}))
    now = Run(name="attic")
    assert now.node.delivery.boot == boot + 1
    now.run(20000)
    late = [json.loads(message[1]) for message in sent_of(now, boot)]
    assert [reading["seq"] for reading in late] == list(range(1, len(late) + 1))
    assert len(late) >= 7 and late[0]["boot"] == boot
    assert 0 <= late[0]["ts"] - origin < 2000
    assert "times" not in os.listdir("state")
    for damage in ('{"1":[]}', "[]", "7", '{"1":1e999}', "[" * 500, "\xff"):
        os.remove("state/boots")
        put("state/times", damage)
        boots.begin(9, 9, "outpost/attic")
        assert boots.find(9) == (None, "outpost/attic")


def sent_of(r, boot):
    """The messages of readings of a boot, now or late."""
    readings = [message for message in r.client.sent if "/climate" in message[0]]
    return [message for message in readings if json.loads(message[1])["boot"] == boot]


def qos_of_late(taken, change):
    """At which QoS do the readings of an outage go that were taken at `taken`, after a change of the node?"""
    r = Run()
    r.channel.qos = taken
    r.client.reachable = False
    r.run(12000)
    now = Run()
    change(now)
    now.run(8000)
    late = sent_of(now, r.node.delivery.boot)
    assert len(late) >= 7, "it was kept, and is not lost"
    return {message[3] for message in late}


def test_the_settings_of_today_say_at_which_qos():
    # Readings of a time when the channel had QoS 2 went at QoS 2 for ever, to a broker that has none.
    assert qos_of_late(2, lambda now: setattr(now.channel, "qos", 1)) == {1}
    assert qos_of_late(1, lambda now: setattr(now.channel, "qos", 0)) == {1}


def test_readings_of_a_channel_that_is_gone_go_as_they_were_taken():
    assert qos_of_late(2, lambda now: now.node.delivery._channels.clear()) == {2}


def test_a_record_that_is_no_reading_stops_nothing():
    # Its CRC is right: another program's, or a topic that no broker takes.
    r = Run()
    outbox = r.node.delivery.outbox
    for key, data in ((b"a", b""), (b"\xff\xff", b"x" * 40), (b"a#", b"x" * 40), (b"b", b"short")):
        outbox.append(key, data, r.now)
    r.client.reachable = False
    r.run(8000)
    now = Run()
    checked = now.client.send

    def send(topic, *rest):
        if b"#" in topic:
            raise ValueError("topic: no + or #")
        return checked(topic, *rest)

    now.node.uplink.send = send
    now.run(12000)
    assert now.node.delivery.outbox.corrupt >= 4 and len(now.node.delivery.outbox) <= 1
    got = [seq for boot, seq in everything(now) if boot == r.node.delivery.boot]
    assert sorted(got) == list(range(1, len(got) + 1)) and len(got) >= 7


def test_a_number_near_the_end_of_the_range_is_not_counted_on():
    # The count went one above it, was damaged at the next start, and went one above it again.
    os.mkdir("state")
    end = boots.ABOVE_ALL
    for line, seen in ((end - 1, ()), (end - 2, ()), (6, (end - 2,)), (end - (1 << 26) - 1, ())):
        for count in ("77", "garbage", str(end - 2), str(end - 3)):
            put("state/boots", "%d - outpost/attic\n" % line)
            put("state/boot", count)
            got = [bootcount.count(seen, Silent()) for _ in range(6)]
            assert len(set(got)) == 6 and max(got) < end, (line, seen, count, got)


def test_a_record_of_boot_0_that_lacks_its_time_is_late():
    # No node numbers a start so. It ended every start in a TypeError.
    os.mkdir("state")
    outbox = Outbox("state/outbox")
    outbox.append(b"climate", payload.record(0, 0, 1, 1000, 0, b'"temperature":20.0'), 0)
    assert outbox.sync(0)
    now = Run()
    now.run(20000)
    assert 0 in {boot for boot, _ in everything(now)}
    assert not len(now.node.delivery.outbox)
