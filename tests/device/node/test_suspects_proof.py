"""firmware/limits/suspects.py: what proves nothing of a message: exchanges and pings that end connections, silence, and that nothing else passes."""

from suspects_stand import SECOND, Stand, closes_at, comes, subscribed


def ends_at_pubrel(stand, times, closed):
    for _ in range(times):
        stand.connect()
        stand.lost(closed, not closed)


def test_six_closes_at_a_pubrel_begin_exchanges_anew_and_three_more_are_too_many():
    stand = Stand()
    stand.client.released.append(7)
    ends_at_pubrel(stand, 5, True)
    assert stand.anew == 0
    ends_at_pubrel(stand, 1, True)
    assert stand.anew == 1 and stand.again is False
    ends_at_pubrel(stand, 2, True)
    assert stand.anew == 1
    ends_at_pubrel(stand, 1, True)
    assert stand.anew == 2 and stand.again is True


def test_a_pubrel_without_an_answer_is_waited_for_ever_longer_before_exchanges_begin_anew():
    stand = Stand()
    stand.client.released.append(7)
    ends_at_pubrel(stand, 3, False)
    assert stand.anew == 0 and stand.longer == 3
    ends_at_pubrel(stand, 1, False)  # after the longest wait
    assert stand.anew == 1 and stand.again is False
    ends_at_pubrel(stand, 1, False)
    assert stand.anew == 2 and stand.again is True


def test_an_exchange_that_ends_begins_the_count_of_pubrels_anew():
    stand = Stand()
    stand.client.released.append(7)
    ends_at_pubrel(stand, 5, True)
    stand.client.released.clear()
    stand.step(7)
    stand.client.released.append(8)
    ends_at_pubrel(stand, 5, True)
    assert stand.anew == 0
    ends_at_pubrel(stand, 1, True)
    assert stand.anew == 1
    # One ends, after they had begun anew: that there is no QoS 2 is not believed.
    stand.connect()
    stand.step(8)
    stand.client.released[:] = [9]
    ends_at_pubrel(stand, 5, True)
    assert stand.anew == 1
    ends_at_pubrel(stand, 1, True)
    assert stand.anew == 2 and stand.again is False


def test_where_nothing_else_passes_nothing_is_proven():
    stand = Stand()
    closes_at(stand, b"bad", 6, others=None)
    assert not stand.judged and stand.unproven, "a lesser form may be tried"
    assert stand.none == "closes at"
    # One that passes after the first failure, and it fails once more: it is the message.
    stand.connect(pings=4)
    stand.goes_well()
    comes(stand, b"bad")
    stand.lost()
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"bad"]


def test_that_qos_0_passes_proves_nothing_of_qos_1():
    stand = Stand()
    closes_at(stand, b"bad", 5, others=0)
    assert not stand.judged
    stand = Stand()
    closes_at(stand, b"bad", 3, qos=0, others=0)
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"bad"]


def test_a_subscription_that_passes_proves_nothing_of_messages():
    stand = Stand(b"f1")
    for n in range(5):
        stand.connect(pings=1 + min(n, 3))
        stand.now += SECOND
        stand.step()
        subscribed(stand)
        comes(stand, b"bad", qos=0)
        stand.lost()
    assert not stand.judged


def test_where_nothing_is_acknowledged_though_pings_are_answered_it_waits_longer():
    stand = Stand()
    for n in range(4):
        stand.connect(pings=1 + n)
        comes(stand, b"any")
        stand.step()
        stand.pong()
        stand.lost(closed=False, silent=True)
        assert stand.longer == n
    assert not stand.judged and stand.none == "never answers"
    stand.connect(pings=4)
    stand.goes_well()
    comes(stand, b"any")
    stand.step()
    stand.pong()
    stand.lost(closed=False, silent=True)
    assert stand.longer == 3, "something was acknowledged"


def test_where_acknowledgements_come_late_one_that_is_missing_is_no_strike():
    stand = Stand()
    stand.late = True
    for n in range(4):
        stand.connect()
        stand.goes_well()
        comes(stand, b"any")
        stand.step()
        stand.pong()
        stand.lost(closed=False, silent=True)
        assert stand.longer == n + 1
    assert not stand.judged and not stand.unproven


def ends_at_ping(stand):
    stand.client.pinging = False
    stand.suspects.up(stand.now)
    stand.step()
    assert stand.client.pinging
    stand.lost(closed=False, silent=True)


def without_pings(stand):
    """A connection comes up that goes without."""
    stand.client.pinging = False
    stand.suspects.up(stand.now)
    stand.step()
    stand.step()
    assert not stand.client.pinging


def test_pings_that_nobody_answers_while_messages_pass_prove_nothing():
    stand = Stand()
    ends_at_ping(stand)
    ends_at_ping(stand)
    without_pings(stand)
    pid = stand.send(b"any")
    stand.step(pid)
    stand.step()
    assert stand.client.pinging and stand.send(b"next") is None, "is one answered now?"
    assert not stand.learnt
    stand.lost(closed=False, silent=True)
    assert [sure for _, sure in stand.learnt] == [False]
    stand.pings = False
    without_pings(stand)
    assert stand.send(b"any", qos=0) == 0
    stand.step()
    stand.step()
    assert stand.send(b"next") is not None and not stand.client.pinging


def test_a_ping_that_is_answered_after_all_proves_that_pings_are():
    stand = Stand()
    ends_at_ping(stand)
    ends_at_ping(stand)
    without_pings(stand)
    stand.step(stand.send(b"any"))
    stand.step()
    stand.pong()
    assert stand.send(b"next") is not None
    stand.lost()
    ends_at_ping(stand)
    assert not stand.learnt


def test_a_silent_broker_gets_no_two_connections_without_pings():
    stand = Stand()
    for _ in range(4):
        ends_at_ping(stand)
        ends_at_ping(stand)
        without_pings(stand)
        stand.now += 6 * SECOND  # others go before what ended the last one
        for _ in range(4):  # in place of the pings
            stand.step()
        assert stand.send(b"any") is not None
        stand.lost(closed=False, silent=True)
    assert not stand.learnt and not stand.judged and stand.longer == 0
