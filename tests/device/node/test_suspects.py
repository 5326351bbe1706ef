"""firmware/limits/suspects.py by itself: one message at a time, with pings before and behind, and which of them is the culprit."""

from binascii import crc32

from suspects_stand import SECOND, Stand, closes_at, comes


def test_the_third_close_in_a_row_at_one_message_is_no_accident():
    stand = Stand()
    closes_at(stand, b"bad", 2)
    assert not stand.judged
    closes_at(stand, b"bad", 1, before=2)
    assert stand.judged == [((b"bad", 1, False), crc32(b"x"), "closes at")]
    stand.connect(pings=1)  # it begins from the front


def test_different_messages_of_a_topic_are_told_without_a_crc():
    stand = Stand()
    for n in range(3):
        closes_at(stand, b"bad", 1, payload=b"%d" % n, before=n)
    assert stand.judged == [((b"bad", 1, False), 0, "closes at")]


def test_one_that_passes_is_no_longer_under_suspicion():
    stand = Stand()
    closes_at(stand, b"bad", 2)
    stand.connect(pings=3)
    stand.now += SECOND
    stand.step()
    stand.goes_well(b"bad")
    assert stand.let_pass[-1] == (b"bad", 1, False)
    closes_at(stand, b"bad", 2)
    assert not stand.judged


def test_one_that_passes_clears_its_lesser_forms_and_no_others():
    stand = Stand()
    for topic, qos in ((b"bad", 1), (b"bad", 2), (b"worse", 1)):
        stand.connect(pings=2 if stand.suspects._strikes else 1)
        comes(stand, topic, qos=qos)
        stand.lost()
    stand.connect(pings=2)
    stand.now += SECOND
    stand.step()
    stand.goes_well(b"bad", qos=2)
    assert list(stand.suspects._strikes) == [(b"worse", 1, False)]


def test_a_link_that_ends_at_a_ping_is_the_network():
    stand = Stand()
    closes_at(stand, b"bad", 2)
    stand.suspects.up(0)
    stand.step()
    stand.lost()
    closes_at(stand, b"bad", 2)
    assert not stand.judged


def test_two_closes_are_enough_at_a_topic_of_which_none_passed():
    stand = Stand()
    stand.known = (b"bad",)
    closes_at(stand, b"other", 2)
    closes_at(stand, b"bad", 1, before=2)
    assert not stand.judged
    closes_at(stand, b"bad", 1, before=2)
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"bad"]


def test_others_go_first_on_a_connection_after_one_that_ended():
    stand = Stand()
    closes_at(stand, b"bad", 1)
    stand.connect(pings=2)
    for n in range(6):
        assert stand.send(b"bad") is None, n
        stand.now += SECOND - 200
        stand.goes_well(b"%d" % n)
    stand.now += 200
    stand.step()
    assert stand.send(b"bad") is not None, "others had their five seconds"
    stand.lost()
    stand.connect(pings=3)
    stand.goes_well()
    stand.now += SECOND - 1
    stand.step()
    assert stand.send(b"bad") is None
    stand.now += 1
    stand.step()
    assert stand.send(b"bad") is not None, "no other came for a second"


def test_a_suspect_that_waits_takes_no_turn():
    stand = Stand()
    stand.last.append(b"bad")
    closes_at(stand, b"bad", 1)
    stand.connect(pings=2)
    pid = stand.send(b"a")
    assert stand.send(b"bad") is None
    stand.step(pid)
    stand.pong()
    assert stand.send(b"b") is not None


def test_a_topic_whose_lesser_form_is_tried_waits_for_others_too():
    stand = Stand()
    stand.trial = b"bad"
    stand.connect()
    assert stand.send(b"bad") is None
    stand.now += SECOND
    stand.step()
    assert stand.send(b"bad") is not None


def test_two_messages_are_counted_each_for_itself():
    stand = Stand()
    closes_at(stand, b"one", 1)
    closes_at(stand, b"two", 1, before=1)
    closes_at(stand, b"one", 1, before=1)
    closes_at(stand, b"two", 1, before=2)
    assert not stand.judged
    closes_at(stand, b"two", 1, before=2)
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"two"]


def test_one_that_is_never_answered_though_pings_are():
    stand = Stand()
    for n in range(3):
        stand.connect(pings=1 + n)
        stand.goes_well()
        comes(stand, b"bad")
        stand.step()
        stand.pong()
        assert stand.send(b"next") is None, "it is waited for"
        stand.lost(closed=False, silent=True)
    assert stand.judged == [((b"bad", 1, False), crc32(b"x"), "never answers")]


def test_silence_to_the_ping_as_well_is_the_network():
    stand = Stand()
    for _ in range(5):
        stand.connect()
        assert stand.send(b"good") is not None, "nothing is under suspicion"
        stand.step()
        stand.lost(closed=False, silent=True)
    assert not stand.judged


def test_a_loss_without_a_reason_is_not_counted():
    stand = Stand()
    for _ in range(5):
        stand.connect()
        assert stand.send(b"good") is not None, "nothing is under suspicion"
        stand.step()
        stand.pong()
        stand.lost(closed=False, silent=False)
    assert not stand.judged


def test_one_message_at_a_time_until_it_is_acknowledged():
    stand = Stand()
    stand.connect()
    pid = stand.send(b"a")
    assert stand.send(b"b") is None
    stand.step(pid + 1)  # another's
    assert stand.step() is False and stand.send(b"b") is None
    stand.step(pid)
    assert stand.send(b"b") is not None
    assert stand.client.sent == [b"a", b"b"]


def test_at_qos_0_the_ping_behind_it_says_that_it_passed():
    stand = Stand()
    stand.connect()
    assert stand.send(b"a", qos=0) == 0
    stand.step()
    assert stand.send(b"b") is None
    stand.pong()
    assert stand.let_pass == [(b"a", 0, False)] and stand.send(b"b") is not None


def test_nothing_is_sent_beside_what_is_in_flight_or_released():
    stand = Stand()
    stand.connect()
    for other in (stand.client.in_flight, stand.client.released):
        other.append(7)
        assert stand.send(b"a") is None
        other.clear()
    stand.client.full = True
    assert stand.send(b"a") is None
    stand.client.full = False
    assert stand.send(b"a") is not None, "what the client had no room for is not waited for"


def test_only_so_many_are_under_suspicion():
    stand = Stand()
    for n in range(40):
        stand.suspects.up(0)
        for _ in range(3):
            stand.step()
            stand.pong()
        assert stand.send(b"%d" % n) is not None
        stand.lost()
    assert len(stand.suspects._strikes) <= 16 and not stand.judged
