"""firmware/limits/suspects.py: subscriptions are suspects, too, and have their turn among the messages; when caution is over."""

from suspects_stand import INFO, SECOND, Stand, closes_at, comes, subscribed


def test_whose_the_name_is_is_asked_at_once_unless_a_connection_ended_at_that():
    stand = Stand(INFO)
    stand.suspects.up(0)
    assert stand.client.subscriptions.at_once
    stand.lost()
    stand.suspects.up(0)
    assert stand.client.subscriptions.at_once
    stand.client.unanswered.append(INFO)
    stand.lost()
    stand.suspects.up(0)
    assert not stand.client.subscriptions.at_once


def test_subscriptions_come_one_at_a_time_when_nothing_else_is_to_be_sent():
    stand = Stand(b"f1", b"f2")
    allowed = stand.client.subscriptions
    stand.connect()
    assert allowed.allowed == []
    stand.goes_well()
    stand.now += SECOND - 1
    assert stand.step() is False and allowed.allowed == []
    stand.now += 1
    assert stand.step() is False and allowed.allowed == [b"f1"]
    assert stand.send(b"a") is None, "its answer is waited for"
    assert subscribed(stand) is False and stand.let_pass[-1] == b"f1"
    stand.now += SECOND
    stand.step()
    assert allowed.allowed == [b"f1", b"f2"]
    subscribed(stand)
    stand.now += SECOND
    assert stand.step() is True, "all has gone well"


def test_after_four_messages_it_is_a_subscriptions_turn_without_a_pause():
    stand = Stand(b"f1", b"f2")
    stand.connect()
    for n in range(4):
        assert stand.client.subscriptions.allowed == [], n
        stand.goes_well(b"%d" % n)
    assert stand.client.subscriptions.allowed == [b"f1"]
    subscribed(stand)
    for n in range(4):
        assert stand.client.subscriptions.allowed == [b"f1"], "messages first"
        stand.goes_well(b"%d" % n)
    assert stand.client.subscriptions.allowed == [b"f1", b"f2"]


def test_a_pause_counts_from_the_last_message():
    stand = Stand(b"f1")
    stand.connect()
    stand.now += SECOND - 100
    stand.goes_well()
    stand.now += 100
    assert stand.step() is False and stand.client.subscriptions.allowed == []


def test_with_nothing_else_to_ask_for_one_message_that_passed_is_enough():
    stand = Stand()
    stand.connect()
    stand.goes_well()
    stand.now += SECOND
    assert stand.step() is True


def test_a_subscription_at_which_it_closes_is_judged_and_one_that_is_left_out_not_asked():
    stand = Stand(b"f1", b"f2")
    for n in range(3):
        stand.connect(pings=1 + n)
        stand.goes_well()
        stand.now += SECOND
        stand.step()
        assert stand.client.subscriptions.allowed == [b"f1"]
        stand.lost()
    assert stand.judged == [(b"f1", 0, "closes at")]
    stand.filters.append(b"f1")
    stand.connect()
    assert stand.client.subscriptions.withheld == [b"f1"]
    stand.goes_well()
    stand.now += SECOND
    stand.step()
    assert stand.client.subscriptions.allowed == [b"f2"]


def test_it_is_not_over_before_a_message_has_passed_nor_while_one_is_suspected():
    stand = Stand()
    stand.connect()
    stand.now += SECOND
    assert stand.step() is False, "nothing has passed"
    closes_at(stand, b"bad", 1)
    stand.connect(pings=2)
    stand.goes_well()
    stand.now += SECOND
    assert stand.step() is False, "one is suspected"
    stand.goes_well(b"bad")
    stand.now += SECOND
    assert stand.step() is True


def test_what_is_wanted_and_comes_when_a_subscription_would_keeps_its_turn():
    # As `health`, which is tried each second: nothing else may go meanwhile, so that nothing else comes is no sign of rest.
    stand = Stand(b"f1", b"f2")
    stand.last.append(b"health")
    stand.connect()
    pid = stand.send(b"info")
    assert stand.send(b"health", qos=0) is None
    stand.step(pid)
    stand.pong()
    assert stand.send(b"history", qos=2) is None, "it is the turn of `health`"
    stand.now += SECOND
    assert stand.step() is False and stand.client.subscriptions.allowed == []
    stand.goes_well(b"health", qos=0)
    assert stand.send(b"history", qos=2) is not None


def test_what_is_wanted_and_does_not_come_leaves_the_others_a_second():
    stand = Stand()
    stand.last.append(b"health")
    stand.connect()
    pid = stand.send(b"info")
    assert stand.send(b"health", qos=0) is None
    stand.step(pid)
    stand.pong()
    for _ in range(2):
        assert stand.send(b"history", qos=2) is None
        assert stand.step() is False, "it is not over while others have to wait"
        stand.now += SECOND
    assert stand.step() is False, "nor before they had their time"
    assert stand.send(b"history", qos=2) is not None


def test_it_is_not_over_while_nothing_may_be_said():
    stand = Stand(b"f1")
    stand.held = True  # another board has the name, perhaps: subscriptions pass, messages do not
    stand.connect()
    stand.now += SECOND
    stand.step()
    subscribed(stand)
    stand.now += SECOND
    assert stand.step() is False
    stand.held = False
    assert stand.step() is True
