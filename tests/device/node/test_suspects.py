"""firmware/suspects.py by itself: one message at a time, with pings before and behind, and which of them is the culprit."""

from binascii import crc32

from firmware.suspects import Suspects

SECOND = 1000
INFO = b"outpost/attic/info"


class Subscriptions:
    def __init__(self, wanted):
        self.wanted = wanted
        self.asked = False

    def filters(self):
        return self.wanted

    def withhold(self, filters, allowed=None):
        self.withheld, self.allowed = list(filters), [each for each in allowed if each != INFO]
        self.at_once = INFO in allowed

    def waiting(self):
        return self.asked


class Client:
    def __init__(self, wanted):
        self.subscriptions = Subscriptions(wanted)
        self.released, self.in_flight, self.sent = [], [], []
        self.unanswered = []  # filters, when the connection ended
        self.pinging = False
        self.pings = 0
        self.full = False

    def ping(self):
        self.pinging = True
        self.pings += 1

    def send(self, topic, payload, retain, qos, pid, dup):
        if self.full:
            return None
        self.sent.append(topic)
        return len(self.sent) if qos else 0


class Stand:
    """Stands for the Limits, the uplink and the broker."""

    def __init__(self, *wanted):
        self.uplink = self.brokers = self.connects = self
        self.will = b"outpost/attic/status"
        self.last = []  # what was sent last when connections ended
        self.held = False  # is nothing to be said yet?
        self.trial = None
        self.known = ()
        self.client = Client(list(wanted))
        self.filters = []
        self.judged, self.let_pass = [], []
        self.unproven = []  # what failed while nothing else passed
        self.answers = self
        self.pings = True
        self.probed = None  # the topic that is tried again
        self.none = None
        self.longer = 0
        self.late = False  # acknowledgements come late
        self.learnt = []
        self.anew = 0
        self.again = None
        self.now = 0
        self.suspects = Suspects(self)

    def identify(self, topic, payload, qos):
        return topic, crc32(payload) if qos else 0

    def are_over(self, ms):
        return ms >= 10 * SECOND

    def judge(self, culprit, crc, how, uptime, proven):
        (self.judged if proven else self.unproven).append((culprit, crc, how))

    def probes(self, culprit, crc=None):
        return culprit is not None and culprit[0] == self.probed

    def takes_nothing(self, how):
        self.none = how

    def may_be_late(self, uptime):
        return self.late

    def wait_longer(self, uptime):
        self.longer += 1
        return self.longer <= 3

    def learn(self, uptime, item, sure=False):
        self.learnt.append((item, sure))

    def had_none(self, topic):
        return topic in self.known

    def passed(self, message, crc, uptime):
        self.let_pass.append(message)

    def begin_anew(self, again, uptime):
        self.anew += 1
        self.again = again

    # what happens

    def connect(self, pings=1):
        """A connection comes up, and so many pings are answered before anything may be sent."""
        self.client.pinging = False
        self.client.pings = 0
        self.suspects.up(self.now)
        for n in range(pings):
            assert self.send(b"early") is None, (n, pings)
            self.step()
            assert self.client.pinging and self.client.pings == n + 1
            self.pong()
        self.step()
        assert not self.client.pinging, "one more than there are to be"

    def step(self, *acked):
        return self.suspects.step(self.now, acked)

    def pong(self):
        self.client.pinging = False
        return self.step()

    def send(self, topic, payload=b"x", retain=False, qos=1):
        return self.suspects.send(topic, payload, retain, qos, 0, False)

    def lost(self, closed=True, silent=False):
        self.suspects.lost(closed, silent, self.now)

    def goes_well(self, topic=b"ok", qos=1):
        pid = self.send(topic, qos=qos)
        assert pid is not None
        self.step(*([pid] if qos else ()))
        self.pong()


def closes_at(stand, topic, times, payload=b"x", qos=1, before=0, others=1):
    """So many connections in a row end at a message, behind another that passes. before: how many have; others: QoS of that, None: none."""
    for n in range(times):
        stand.connect(pings=1 + min(3, before + n))
        if others is not None:
            stand.goes_well(qos=others)
        comes(stand, topic, payload, qos)
        stand.lost()


def comes(stand, topic, payload=b"x", qos=1):
    """A message goes, now or after the others had their time."""
    if stand.send(topic, payload, qos=qos) is None:
        stand.now += SECOND
        stand.step()
        assert stand.send(topic, payload, qos=qos) is not None


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


def subscribed(stand):
    """The subscription whose turn it is is answered."""
    stand.client.subscriptions.asked = True
    passed = len(stand.let_pass)
    stand.step()
    assert len(stand.let_pass) == passed, "not before it is answered"
    stand.client.subscriptions.asked = False
    return stand.pong()


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


def freed(*wanted, filters=()):
    """Each kind has passed but for what is wanted."""
    stand = Stand(*filters)
    stand.last += wanted
    stand.connect()
    stand.goes_well()
    for _ in filters:
        stand.now += SECOND
        stand.step()
        subscribed(stand)
    stand.now += SECOND
    assert stand.step() is True and stand.suspects.free
    return stand


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


def test_what_is_tried_again_goes_alone_and_one_failure_is_enough():
    stand = freed()
    stand.probed = b"bad"
    stand.client.in_flight.append(stand.send(b"a"))
    assert stand.send(b"bad") is None
    stand.client.in_flight.clear()
    assert stand.send(b"bad") is not None and stand.send(b"b") is None
    stand.lost()
    assert [culprit[0] for culprit, _, _ in stand.judged] == [b"bad"]
