"""firmware/limits/suspects.py: what comes rarely and was sent last goes alone when it comes, when all else is no longer cautious."""

from suspects_stand import SECOND, Stand, closes_at, freed, subscribed


def test_what_was_sent_last_goes_alone_when_it_comes_and_all_else_as_ever():
    stand = freed(b"rare")
    stand.now += 100 * SECOND
    assert stand.step() is False, "caution is over once"
    pid = stand.send(b"a")
    assert stand.send(b"b") is not None, "not one at a time"
    stand.client.in_flight.append(pid)
    assert stand.send(b"rare", qos=0) is None
    assert stand.send(b"c") is None, "it is the turn of another"
    stand.client.in_flight.clear()
    assert stand.send(b"c") is None
    assert stand.send(b"rare", qos=0) == 0
    assert stand.send(b"c") is None, "it is alone"
    stand.step()
    stand.pong()
    assert stand.let_pass[-1] == (b"rare", 0, False) and stand.last == []
    assert stand.send(b"c") is not None


def test_a_turn_that_is_not_taken_is_over_after_a_while():
    stand = freed(b"rare")
    stand.client.in_flight.append(stand.send(b"a"))
    assert stand.send(b"rare") is None
    stand.now += 2 * SECOND - 1
    stand.step()
    assert stand.send(b"b") is None
    stand.now += 1
    stand.step()
    assert stand.send(b"b") is not None


def test_closes_at_what_comes_rarely_are_counted_over_connections():
    stand = Stand()
    stand.last.append(b"rare")
    closes_at(stand, b"rare", 2, qos=0)
    for n in range(2):
        assert not stand.judged
        stand.connect(pings=3)
        stand.goes_well()
        stand.now += SECOND
        assert stand.step() is False and not stand.suspects.free, "it is under suspicion"
    assert stand.send(b"rare", qos=0) == 0
    stand.lost()
    assert stand.judged == [((b"rare", 0, False), 0, "closes at")]
    assert stand.last == [], "it has been found out"


def test_a_link_that_ends_between_says_nothing_of_what_comes_rarely():
    stand = freed(b"rare")
    stand.lost()
    assert not stand.suspects.free and stand.last == [b"rare"] and not stand.judged


def test_a_form_that_is_tried_first_is_still_wanted():
    stand = Stand()
    stand.last.append(b"rare")
    stand.trial = b"rare"
    closes_at(stand, b"rare", 3)
    assert stand.judged and stand.last == [b"rare"]


def test_what_does_not_come_for_two_hours_is_no_longer_wanted():
    stand = freed(b"rare")
    stand.now = 7200 * SECOND - 1
    stand.step()
    assert stand.last == [b"rare"]
    stand.now += 1
    stand.step()
    assert stand.last == []


def test_a_subscription_that_comes_later_goes_alone_too():
    stand = freed(b"", filters=(b"f",))
    stand.client.in_flight.append(stand.send(b"a"))
    stand.client.subscriptions.wanted.append(b"")
    stand.step()
    assert stand.client.subscriptions.allowed == [b"f"] and stand.send(b"b") is None
    stand.client.in_flight.clear()
    stand.step()
    assert stand.client.subscriptions.allowed == [b"f", b""] and stand.send(b"b") is None
    subscribed(stand)
    assert stand.last == [] and stand.send(b"b") is not None


def test_what_is_tried_again_goes_alone_and_one_failure_is_enough():
    stand = freed()
    stand.probed = b"bad"
    stand.client.in_flight.append(stand.send(b"a"))
    assert stand.send(b"bad") is None
    stand.client.in_flight.clear()
    assert stand.send(b"bad") is not None and stand.send(b"b") is None
    stand.lost()
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"bad"]
