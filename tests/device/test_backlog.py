"""The backlog: oldest first, bounded, and what it gives up is counted."""

from firmware.backlog import Backlog, Reading


def readings(backlog, count, size=30):
    for seq in range(count):
        backlog.append(Reading(None, seq * 1000, None, seq, b"x" * size))


def drain(backlog):
    got = []
    while backlog.peek():
        got.append(backlog.pop().seq)
    return got


def test_first_in_first_out():
    backlog = Backlog(16384)
    readings(backlog, 50)
    assert drain(backlog) == list(range(50))
    assert backlog.bytes == 0 and backlog.dropped == 0


def test_full_drops_the_oldest_and_counts():
    backlog = Backlog(4096)
    readings(backlog, 200)
    kept = len(backlog)
    assert backlog.dropped == 200 - kept and backlog.bytes <= 4096
    assert drain(backlog) == list(range(200 - kept, 200))


def test_memory_stays_within_the_limit():
    import gc

    backlog = Backlog(16384)
    gc.collect()
    before = gc.mem_alloc()
    for seq in range(1000):  # with the largest integers there are
        backlog.append(Reading(None, (1 << 40) + seq, 1763630000000 + seq, seq, b"x" * 50))
    gc.collect()
    kept = gc.mem_alloc() - before
    assert backlog.dropped and kept <= 16384 + 512, kept


def test_one_record_larger_than_the_limit_is_still_kept():
    backlog = Backlog(1024)
    readings(backlog, 3, size=2000)
    assert drain(backlog) == [2]


def test_times_are_filled_in_once():
    class Clock:
        def unix_ms(self, uptime):
            return 1763630000000 + uptime

    backlog = Backlog(4096)
    readings(backlog, 2)
    backlog.append(Reading(None, 5000, 99, 2, b""))
    backlog.fill_times(Clock())
    got = [backlog.pop().ts for _ in range(3)]
    assert got == [1763630000000, 1763630001000, 99], got
