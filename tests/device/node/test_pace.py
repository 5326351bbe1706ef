"""mqtt.rate: so many readings a second, and no more, however long nothing was to be sent."""

from firmware.readings.pace import Pace


def sent(pace, begin, ms, step=50):
    """Send whenever it may be, a look each `step`. Return how many went at each look."""
    counts = []
    for elapsed in range(0, ms, step):
        n = 0
        while pace.may_go(begin + elapsed):
            pace.went()
            n += 1
        counts.append(n)
    return counts


def test_so_many_in_a_second_and_all_of_them():
    for rate in (1, 3, 10, 80, 1000):
        at_once = max(1, rate // 10)
        counts = sent(Pace(rate), 5000, 20000)
        assert max(counts) == at_once, (rate, counts)
        # what comes between two looks is lost where one reading is all that may go at once
        assert 18 * rate <= sum(counts) <= 20 * rate + at_once, (rate, sum(counts))
        for i in range(len(counts) - 20):
            assert sum(counts[i : i + 20]) <= rate + at_once, (rate, i, counts)


def test_a_pause_saves_nothing_up():
    for rate, at_once in ((1, 1), (9, 1), (10, 1), (25, 2), (80, 8)):
        pace = Pace(rate)
        sent(pace, 0, 1000)
        for pause in (1000, 3600000, 86400000 * 60):
            assert sent(pace, pause * 2, 1) == [at_once], (rate, pause)


def test_who_was_held_back_is_asked_again_soon_and_nobody_else():
    pace = Pace(1)
    assert pace.due() >= 10000, "nothing is to be sent"
    assert pace.may_go(2000)
    assert pace.due() >= 10000, "it may go on at once"
    pace.went()
    assert not pace.may_go(2999)
    assert 1 <= pace.due() <= 100
    assert pace.due() >= 10000, "it has not asked since"
    assert pace.may_go(3000)
