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


class Bench:
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


def closes_at(bench, topic, times, payload=b"x", qos=1, before=0, others=1):
    """So many connections in a row end at a message, behind another that passes. before: how many have; others: QoS of that, None: none."""
    for n in range(times):
        bench.connect(pings=1 + min(3, before + n))
        if others is not None:
            bench.goes_well(qos=others)
        comes(bench, topic, payload, qos)
        bench.lost()


def comes(bench, topic, payload=b"x", qos=1):
    """A message goes, now or after the others had their time."""
    if bench.send(topic, payload, qos=qos) is None:
        bench.now += SECOND
        bench.step()
        assert bench.send(topic, payload, qos=qos) is not None


def test_the_third_close_in_a_row_at_one_message_is_no_accident():
    bench = Bench()
    closes_at(bench, b"bad", 2)
    assert not bench.judged
    closes_at(bench, b"bad", 1, before=2)
    assert bench.judged == [((b"bad", 1, False), crc32(b"x"), "closes at")]
    bench.connect(pings=1)  # it begins from the front


def test_different_messages_of_a_topic_are_told_without_a_crc():
    bench = Bench()
    for n in range(3):
        closes_at(bench, b"bad", 1, payload=b"%d" % n, before=n)
    assert bench.judged == [((b"bad", 1, False), 0, "closes at")]


def test_one_that_passes_is_no_longer_under_suspicion():
    bench = Bench()
    closes_at(bench, b"bad", 2)
    bench.connect(pings=3)
    bench.now += SECOND
    bench.step()
    bench.goes_well(b"bad")
    assert bench.let_pass[-1] == (b"bad", 1, False)
    closes_at(bench, b"bad", 2)
    assert not bench.judged


def test_one_that_passes_clears_its_lesser_forms_and_no_others():
    bench = Bench()
    for topic, qos in ((b"bad", 1), (b"bad", 2), (b"worse", 1)):
        bench.connect(pings=2 if bench.suspects._strikes else 1)
        comes(bench, topic, qos=qos)
        bench.lost()
    bench.connect(pings=2)
    bench.now += SECOND
    bench.step()
    bench.goes_well(b"bad", qos=2)
    assert list(bench.suspects._strikes) == [(b"worse", 1, False)]


def test_a_link_that_ends_at_a_ping_is_the_network():
    bench = Bench()
    closes_at(bench, b"bad", 2)
    bench.suspects.up(0)
    bench.step()
    bench.lost()
    closes_at(bench, b"bad", 2)
    assert not bench.judged


def test_two_closes_are_enough_at_a_topic_of_which_none_passed():
    bench = Bench()
    bench.known = (b"bad",)
    closes_at(bench, b"other", 2)
    closes_at(bench, b"bad", 1, before=2)
    assert not bench.judged
    closes_at(bench, b"bad", 1, before=2)
    assert [culprit[0] for culprit, _, _ in bench.judged] == [b"bad"]


def test_others_go_first_on_a_connection_after_one_that_ended():
    bench = Bench()
    closes_at(bench, b"bad", 1)
    bench.connect(pings=2)
    for n in range(6):
        assert bench.send(b"bad") is None, n
        bench.now += SECOND - 200
        bench.goes_well(b"%d" % n)
    bench.now += 200
    bench.step()
    assert bench.send(b"bad") is not None, "others had their five seconds"
    bench.lost()
    bench.connect(pings=3)
    bench.goes_well()
    bench.now += SECOND - 1
    bench.step()
    assert bench.send(b"bad") is None
    bench.now += 1
    bench.step()
    assert bench.send(b"bad") is not None, "no other came for a second"


def test_a_suspect_that_waits_takes_no_turn():
    bench = Bench()
    bench.last.append(b"bad")
    closes_at(bench, b"bad", 1)
    bench.connect(pings=2)
    pid = bench.send(b"a")
    assert bench.send(b"bad") is None
    bench.step(pid)
    bench.pong()
    assert bench.send(b"b") is not None


def test_a_topic_whose_lesser_form_is_tried_waits_for_others_too():
    bench = Bench()
    bench.trial = b"bad"
    bench.connect()
    assert bench.send(b"bad") is None
    bench.now += SECOND
    bench.step()
    assert bench.send(b"bad") is not None


def test_two_messages_are_counted_each_for_itself():
    bench = Bench()
    closes_at(bench, b"one", 1)
    closes_at(bench, b"two", 1, before=1)
    closes_at(bench, b"one", 1, before=1)
    closes_at(bench, b"two", 1, before=2)
    assert not bench.judged
    closes_at(bench, b"two", 1, before=2)
    assert [culprit[0] for culprit, _, _ in bench.judged] == [b"two"]


def test_one_that_is_never_answered_though_pings_are():
    bench = Bench()
    for n in range(3):
        bench.connect(pings=1 + n)
        bench.goes_well()
        comes(bench, b"bad")
        bench.step()
        bench.pong()
        assert bench.send(b"next") is None, "it is waited for"
        bench.lost(closed=False, silent=True)
    assert bench.judged == [((b"bad", 1, False), crc32(b"x"), "never answers")]


def test_silence_to_the_ping_as_well_is_the_network():
    bench = Bench()
    for _ in range(5):
        bench.connect()
        assert bench.send(b"good") is not None, "nothing is under suspicion"
        bench.step()
        bench.lost(closed=False, silent=True)
    assert not bench.judged


def test_a_loss_without_a_reason_is_not_counted():
    bench = Bench()
    for _ in range(5):
        bench.connect()
        assert bench.send(b"good") is not None, "nothing is under suspicion"
        bench.step()
        bench.pong()
        bench.lost(closed=False, silent=False)
    assert not bench.judged


def test_one_message_at_a_time_until_it_is_acknowledged():
    bench = Bench()
    bench.connect()
    pid = bench.send(b"a")
    assert bench.send(b"b") is None
    bench.step(pid + 1)  # another's
    assert bench.step() is False and bench.send(b"b") is None
    bench.step(pid)
    assert bench.send(b"b") is not None
    assert bench.client.sent == [b"a", b"b"]


def test_at_qos_0_the_ping_behind_it_says_that_it_passed():
    bench = Bench()
    bench.connect()
    assert bench.send(b"a", qos=0) == 0
    bench.step()
    assert bench.send(b"b") is None
    bench.pong()
    assert bench.let_pass == [(b"a", 0, False)] and bench.send(b"b") is not None


def test_nothing_is_sent_beside_what_is_in_flight_or_released():
    bench = Bench()
    bench.connect()
    for other in (bench.client.in_flight, bench.client.released):
        other.append(7)
        assert bench.send(b"a") is None
        other.clear()
    bench.client.full = True
    assert bench.send(b"a") is None
    bench.client.full = False
    assert bench.send(b"a") is not None, "what the client had no room for is not waited for"


def subscribed(bench):
    """The subscription whose turn it is is answered."""
    bench.client.subscriptions.asked = True
    passed = len(bench.let_pass)
    bench.step()
    assert len(bench.let_pass) == passed, "not before it is answered"
    bench.client.subscriptions.asked = False
    return bench.pong()


def test_whose_the_name_is_is_asked_at_once_unless_a_connection_ended_at_that():
    bench = Bench(INFO)
    bench.suspects.up(0)
    assert bench.client.subscriptions.at_once
    bench.lost()
    bench.suspects.up(0)
    assert bench.client.subscriptions.at_once
    bench.client.unanswered.append(INFO)
    bench.lost()
    bench.suspects.up(0)
    assert not bench.client.subscriptions.at_once


def test_subscriptions_come_one_at_a_time_when_nothing_else_is_to_be_sent():
    bench = Bench(b"f1", b"f2")
    allowed = bench.client.subscriptions
    bench.connect()
    assert allowed.allowed == []
    bench.goes_well()
    bench.now += SECOND - 1
    assert bench.step() is False and allowed.allowed == []
    bench.now += 1
    assert bench.step() is False and allowed.allowed == [b"f1"]
    assert bench.send(b"a") is None, "its answer is waited for"
    assert subscribed(bench) is False and bench.let_pass[-1] == b"f1"
    bench.now += SECOND
    bench.step()
    assert allowed.allowed == [b"f1", b"f2"]
    subscribed(bench)
    bench.now += SECOND
    assert bench.step() is True, "all has gone well"


def test_after_four_messages_it_is_a_subscriptions_turn_without_a_pause():
    bench = Bench(b"f1", b"f2")
    bench.connect()
    for n in range(4):
        assert bench.client.subscriptions.allowed == [], n
        bench.goes_well(b"%d" % n)
    assert bench.client.subscriptions.allowed == [b"f1"]
    subscribed(bench)
    for n in range(4):
        assert bench.client.subscriptions.allowed == [b"f1"], "messages first"
        bench.goes_well(b"%d" % n)
    assert bench.client.subscriptions.allowed == [b"f1", b"f2"]


def test_a_pause_counts_from_the_last_message():
    bench = Bench(b"f1")
    bench.connect()
    bench.now += SECOND - 100
    bench.goes_well()
    bench.now += 100
    assert bench.step() is False and bench.client.subscriptions.allowed == []


def test_with_nothing_else_to_ask_for_one_message_that_passed_is_enough():
    bench = Bench()
    bench.connect()
    bench.goes_well()
    bench.now += SECOND
    assert bench.step() is True


def test_a_subscription_at_which_it_closes_is_judged_and_one_that_is_left_out_not_asked():
    bench = Bench(b"f1", b"f2")
    for n in range(3):
        bench.connect(pings=1 + n)
        bench.goes_well()
        bench.now += SECOND
        bench.step()
        assert bench.client.subscriptions.allowed == [b"f1"]
        bench.lost()
    assert bench.judged == [(b"f1", 0, "closes at")]
    bench.filters.append(b"f1")
    bench.connect()
    assert bench.client.subscriptions.withheld == [b"f1"]
    bench.goes_well()
    bench.now += SECOND
    bench.step()
    assert bench.client.subscriptions.allowed == [b"f2"]


def test_it_is_not_over_before_a_message_has_passed_nor_while_one_is_suspected():
    bench = Bench()
    bench.connect()
    bench.now += SECOND
    assert bench.step() is False, "nothing has passed"
    closes_at(bench, b"bad", 1)
    bench.connect(pings=2)
    bench.goes_well()
    bench.now += SECOND
    assert bench.step() is False, "one is suspected"
    bench.goes_well(b"bad")
    bench.now += SECOND
    assert bench.step() is True


def test_what_is_wanted_and_comes_when_a_subscription_would_keeps_its_turn():
    # As `health`, which is tried each second: nothing else may go meanwhile, so that nothing else comes is no sign of rest.
    bench = Bench(b"f1", b"f2")
    bench.last.append(b"health")
    bench.connect()
    pid = bench.send(b"info")
    assert bench.send(b"health", qos=0) is None
    bench.step(pid)
    bench.pong()
    assert bench.send(b"history", qos=2) is None, "it is the turn of `health`"
    bench.now += SECOND
    assert bench.step() is False and bench.client.subscriptions.allowed == []
    bench.goes_well(b"health", qos=0)
    assert bench.send(b"history", qos=2) is not None


def test_what_is_wanted_and_does_not_come_leaves_the_others_a_second():
    bench = Bench()
    bench.last.append(b"health")
    bench.connect()
    pid = bench.send(b"info")
    assert bench.send(b"health", qos=0) is None
    bench.step(pid)
    bench.pong()
    for _ in range(2):
        assert bench.send(b"history", qos=2) is None
        assert bench.step() is False, "it is not over while others have to wait"
        bench.now += SECOND
    assert bench.step() is False, "nor before they had their time"
    assert bench.send(b"history", qos=2) is not None


def test_it_is_not_over_while_nothing_may_be_said():
    bench = Bench(b"f1")
    bench.held = True  # another board has the name, perhaps: subscriptions pass, messages do not
    bench.connect()
    bench.now += SECOND
    bench.step()
    subscribed(bench)
    bench.now += SECOND
    assert bench.step() is False
    bench.held = False
    assert bench.step() is True


def ends_at_pubrel(bench, times, closed):
    for _ in range(times):
        bench.connect()
        bench.lost(closed, not closed)


def test_six_closes_at_a_pubrel_begin_exchanges_anew_and_three_more_are_too_many():
    bench = Bench()
    bench.client.released.append(7)
    ends_at_pubrel(bench, 5, True)
    assert bench.anew == 0
    ends_at_pubrel(bench, 1, True)
    assert bench.anew == 1 and bench.again is False
    ends_at_pubrel(bench, 2, True)
    assert bench.anew == 1
    ends_at_pubrel(bench, 1, True)
    assert bench.anew == 2 and bench.again is True


def test_a_pubrel_without_an_answer_is_waited_for_ever_longer_before_exchanges_begin_anew():
    bench = Bench()
    bench.client.released.append(7)
    ends_at_pubrel(bench, 3, False)
    assert bench.anew == 0 and bench.longer == 3
    ends_at_pubrel(bench, 1, False)  # after the longest wait
    assert bench.anew == 1 and bench.again is False
    ends_at_pubrel(bench, 1, False)
    assert bench.anew == 2 and bench.again is True


def test_an_exchange_that_ends_begins_the_count_of_pubrels_anew():
    bench = Bench()
    bench.client.released.append(7)
    ends_at_pubrel(bench, 5, True)
    bench.client.released.clear()
    bench.step(7)
    bench.client.released.append(8)
    ends_at_pubrel(bench, 5, True)
    assert bench.anew == 0
    ends_at_pubrel(bench, 1, True)
    assert bench.anew == 1
    # One ends, after they had begun anew: that there is no QoS 2 is not believed.
    bench.connect()
    bench.step(8)
    bench.client.released[:] = [9]
    ends_at_pubrel(bench, 5, True)
    assert bench.anew == 1
    ends_at_pubrel(bench, 1, True)
    assert bench.anew == 2 and bench.again is False


def freed(*wanted, filters=()):
    """Each kind has passed but for what is wanted."""
    bench = Bench(*filters)
    bench.last += wanted
    bench.connect()
    bench.goes_well()
    for _ in filters:
        bench.now += SECOND
        bench.step()
        subscribed(bench)
    bench.now += SECOND
    assert bench.step() is True and bench.suspects.free
    return bench


def test_what_was_sent_last_goes_alone_when_it_comes_and_all_else_as_ever():
    bench = freed(b"rare")
    bench.now += 100 * SECOND
    assert bench.step() is False, "caution is over once"
    pid = bench.send(b"a")
    assert bench.send(b"b") is not None, "not one at a time"
    bench.client.in_flight.append(pid)
    assert bench.send(b"rare", qos=0) is None
    assert bench.send(b"c") is None, "it is the turn of another"
    bench.client.in_flight.clear()
    assert bench.send(b"c") is None
    assert bench.send(b"rare", qos=0) == 0
    assert bench.send(b"c") is None, "it is alone"
    bench.step()
    bench.pong()
    assert bench.let_pass[-1] == (b"rare", 0, False) and bench.last == []
    assert bench.send(b"c") is not None


def test_a_turn_that_is_not_taken_is_over_after_a_while():
    bench = freed(b"rare")
    bench.client.in_flight.append(bench.send(b"a"))
    assert bench.send(b"rare") is None
    bench.now += 2 * SECOND - 1
    bench.step()
    assert bench.send(b"b") is None
    bench.now += 1
    bench.step()
    assert bench.send(b"b") is not None


def test_closes_at_what_comes_rarely_are_counted_over_connections():
    bench = Bench()
    bench.last.append(b"rare")
    closes_at(bench, b"rare", 2, qos=0)
    for n in range(2):
        assert not bench.judged
        bench.connect(pings=3)
        bench.goes_well()
        bench.now += SECOND
        assert bench.step() is False and not bench.suspects.free, "it is under suspicion"
    assert bench.send(b"rare", qos=0) == 0
    bench.lost()
    assert bench.judged == [((b"rare", 0, False), 0, "closes at")]
    assert bench.last == [], "it has been found out"


def test_a_link_that_ends_between_says_nothing_of_what_comes_rarely():
    bench = freed(b"rare")
    bench.lost()
    assert not bench.suspects.free and bench.last == [b"rare"] and not bench.judged


def test_a_form_that_is_tried_first_is_still_wanted():
    bench = Bench()
    bench.last.append(b"rare")
    bench.trial = b"rare"
    closes_at(bench, b"rare", 3)
    assert bench.judged and bench.last == [b"rare"]


def test_what_does_not_come_for_two_hours_is_no_longer_wanted():
    bench = freed(b"rare")
    bench.now = 7200 * SECOND - 1
    bench.step()
    assert bench.last == [b"rare"]
    bench.now += 1
    bench.step()
    assert bench.last == []


def test_a_subscription_that_comes_later_goes_alone_too():
    bench = freed(b"", filters=(b"f",))
    bench.client.in_flight.append(bench.send(b"a"))
    bench.client.subscriptions.wanted.append(b"")
    bench.step()
    assert bench.client.subscriptions.allowed == [b"f"] and bench.send(b"b") is None
    bench.client.in_flight.clear()
    bench.step()
    assert bench.client.subscriptions.allowed == [b"f", b""] and bench.send(b"b") is None
    subscribed(bench)
    assert bench.last == [] and bench.send(b"b") is not None


def test_only_so_many_are_under_suspicion():
    bench = Bench()
    for n in range(40):
        bench.suspects.up(0)
        for _ in range(3):
            bench.step()
            bench.pong()
        assert bench.send(b"%d" % n) is not None
        bench.lost()
    assert len(bench.suspects._strikes) <= 16 and not bench.judged


def test_where_nothing_else_passes_nothing_is_proven():
    bench = Bench()
    closes_at(bench, b"bad", 6, others=None)
    assert not bench.judged and bench.unproven, "a lesser form may be tried"
    assert bench.none == "closes at"
    # One that passes after the first failure, and it fails once more: it is the message.
    bench.connect(pings=4)
    bench.goes_well()
    comes(bench, b"bad")
    bench.lost()
    assert [culprit[0] for culprit, _, _ in bench.judged] == [b"bad"]


def test_that_qos_0_passes_proves_nothing_of_qos_1():
    bench = Bench()
    closes_at(bench, b"bad", 5, others=0)
    assert not bench.judged
    bench = Bench()
    closes_at(bench, b"bad", 3, qos=0, others=0)
    assert [culprit[0] for culprit, _, _ in bench.judged] == [b"bad"]


def test_a_subscription_that_passes_proves_nothing_of_messages():
    bench = Bench(b"f1")
    for n in range(5):
        bench.connect(pings=1 + min(n, 3))
        bench.now += SECOND
        bench.step()
        subscribed(bench)
        comes(bench, b"bad", qos=0)
        bench.lost()
    assert not bench.judged


def test_where_nothing_is_acknowledged_though_pings_are_answered_it_waits_longer():
    bench = Bench()
    for n in range(4):
        bench.connect(pings=1 + n)
        comes(bench, b"any")
        bench.step()
        bench.pong()
        bench.lost(closed=False, silent=True)
        assert bench.longer == n
    assert not bench.judged and bench.none == "never answers"
    bench.connect(pings=4)
    bench.goes_well()
    comes(bench, b"any")
    bench.step()
    bench.pong()
    bench.lost(closed=False, silent=True)
    assert bench.longer == 3, "something was acknowledged"


def test_where_acknowledgements_come_late_one_that_is_missing_is_no_strike():
    bench = Bench()
    bench.late = True
    for n in range(4):
        bench.connect()
        bench.goes_well()
        comes(bench, b"any")
        bench.step()
        bench.pong()
        bench.lost(closed=False, silent=True)
        assert bench.longer == n + 1
    assert not bench.judged and not bench.unproven


def ends_at_ping(bench):
    bench.client.pinging = False
    bench.suspects.up(bench.now)
    bench.step()
    assert bench.client.pinging
    bench.lost(closed=False, silent=True)


def without_pings(bench):
    """A connection comes up that goes without."""
    bench.client.pinging = False
    bench.suspects.up(bench.now)
    bench.step()
    bench.step()
    assert not bench.client.pinging


def test_pings_that_nobody_answers_while_messages_pass_prove_nothing():
    bench = Bench()
    ends_at_ping(bench)
    ends_at_ping(bench)
    without_pings(bench)
    pid = bench.send(b"any")
    bench.step(pid)
    bench.step()
    assert bench.client.pinging and bench.send(b"next") is None, "is one answered now?"
    assert not bench.learnt
    bench.lost(closed=False, silent=True)
    assert [sure for _, sure in bench.learnt] == [False]
    bench.pings = False
    without_pings(bench)
    assert bench.send(b"any", qos=0) == 0
    bench.step()
    bench.step()
    assert bench.send(b"next") is not None and not bench.client.pinging


def test_a_ping_that_is_answered_after_all_proves_that_pings_are():
    bench = Bench()
    ends_at_ping(bench)
    ends_at_ping(bench)
    without_pings(bench)
    bench.step(bench.send(b"any"))
    bench.step()
    bench.pong()
    assert bench.send(b"next") is not None
    bench.lost()
    ends_at_ping(bench)
    assert not bench.learnt


def test_a_silent_broker_gets_no_two_connections_without_pings():
    bench = Bench()
    for _ in range(4):
        ends_at_ping(bench)
        ends_at_ping(bench)
        without_pings(bench)
        bench.now += 6 * SECOND  # others go before what ended the last one
        for _ in range(4):  # in place of the pings
            bench.step()
        assert bench.send(b"any") is not None
        bench.lost(closed=False, silent=True)
    assert not bench.learnt and not bench.judged and bench.longer == 0


def test_what_is_tried_again_goes_alone_and_one_failure_is_enough():
    bench = freed()
    bench.probed = b"bad"
    bench.client.in_flight.append(bench.send(b"a"))
    assert bench.send(b"bad") is None
    bench.client.in_flight.clear()
    assert bench.send(b"bad") is not None and bench.send(b"b") is None
    bench.lost()
    assert [culprit[0] for culprit, _, _ in bench.judged] == [b"bad"]
