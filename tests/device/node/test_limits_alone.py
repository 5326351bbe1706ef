"""firmware/limits/limits.py by itself: which form of the will goes next, when a lesser one is believed, which messages are barred, how
many at once are too many, and what another broker inherits."""

import sys
from binascii import crc32

from firmware.limits.limits import BARRED, Limits
from mqtt.deadlines import Deadlines

DAY = 86400000
WHOLE, UNRETAINED, NONE = "whole", "unretained", "none"
PROBE, CLEAN, CLEAN_NONE = "probe", "clean", "clean, none"
NO_QOS_2 = "QoS 2: readings go at QoS 1"


class Subscriptions:
    def withhold(self, filters, allowed=None):
        self.withheld, self.allowed = list(filters), allowed


class Client:
    def __init__(self):
        self.lw_topic = b"status"
        self.lw_retain = True
        self.window2 = None
        self.keepalive = 60
        self.deadlines = Deadlines(None, None, 10, 20)
        self.released, self.in_flight = [], []
        self.subscriptions = Subscriptions()

    def send(self, *arguments):
        self.sent = arguments
        return 1


class Brokers:
    last = []


class Uplink:
    broker = "192.0.2.1:1883"
    brokers = Brokers()

    def __init__(self, **settings):
        self.settings = {"qos_max": 2, "retain": True, "window2": 5}
        self.settings.update(settings)
        self.client = Client()
        self.told = []
        self.log = self
        self.connected = self.held = False
        self.documents = []

    def warning(self, text):
        self.told.append(text)

    info = warning

    def hurry(self, failures=0):
        self.hurried = True

    def begin_anew(self):
        self.anew = True


def make(**settings):
    uplink = Uplink(**settings)
    limits = Limits(uplink)
    limits.begin()
    return uplink, limits


def will(limits):
    """The form with which the next connection is opened."""
    limits.begin()
    client = limits.uplink.client
    if limits.connects.probes:
        assert client.lw_topic is None, "nobody is to hear of a probe"
        return PROBE
    if limits.connects.clean:
        return CLEAN if client.lw_topic and client.lw_retain else CLEAN_NONE
    if client.lw_topic is None:
        return NONE
    return WHOLE if client.lw_retain else UNRETAINED


def shut(limits, times=2, uptime=0):
    for _ in range(times):
        limits.connects.shut(uptime)


def test_each_form_is_tried_twice_one_after_the_other():
    _, limits = make()
    for form in (WHOLE, UNRETAINED, NONE, PROBE, WHOLE, UNRETAINED):
        assert will(limits) == form
        shut(limits, 1)
        assert will(limits) == form, "once it may have been the network"
        shut(limits, 1)


def test_a_connection_that_comes_up_between_begins_the_count_anew():
    _, limits = make()
    for _ in range(5):
        shut(limits, 1)
        assert limits.up(0) is True
        assert will(limits) == WHOLE


def test_a_lesser_form_is_a_trial_until_the_whole_one_has_failed_again():
    for forms, told, said in (
        (1, "no retained will", "a retained will"),
        (2, "no will", "a will"),
    ):
        uplink, limits = make()
        shut(limits, 2 * forms)
        form = will(limits)
        assert form == (UNRETAINED, NONE)[forms - 1]
        assert limits.up(10) is False, "it is closed, and the whole one tried"
        assert limits.needed() and limits.text() is None and not uplink.told
        assert will(limits) == WHOLE
        shut(limits, 1)
        assert will(limits) == WHOLE
        shut(limits, 1, uptime=20)
        assert will(limits) == form
        assert uplink.told == ["mqtt: 192.0.2.1:1883 will not have " + said]
        assert limits.up(30) is True
        assert limits.text() == told and limits.needed()
        # a lost connection or two do not change it
        shut(limits, 1)
        assert will(limits) == form and limits.up(40) is True
        # after a day it is tried again
        assert limits.step(20 + DAY - 1, (), False) is False and limits.text() == told
        limits.step(20 + DAY, (), False)
        assert limits.text() is None and will(limits) == WHOLE and not limits.needed()


def test_a_form_that_was_believed_and_no_longer_works_is_left_for_the_next_one():
    _, limits = make()
    shut(limits)
    limits.up(10)
    shut(limits)
    assert will(limits) == UNRETAINED and limits.up(20) is True
    shut(limits)
    assert will(limits) == NONE
    assert limits.up(30) is False, "a trial as the one before"
    assert will(limits) == WHOLE


def test_a_broker_that_was_busy_has_all_again_and_nothing_is_known_against_it():
    _, limits = make()
    shut(limits)
    assert limits.up(0) is False
    assert will(limits) == WHOLE and limits.up(10) is True
    assert not limits.needed() and limits.text() is None
    # the next time it begins from the front
    shut(limits)
    assert limits.up(20) is False, "a trial once more"


def test_a_session_that_lasts_is_given_up_when_a_probe_went_well_and_the_whole_one_failed_again():
    uplink, limits = make()
    shut(limits, 6)
    assert will(limits) == PROBE
    limits.connects.probed()
    assert will(limits) == WHOLE and not uplink.told
    shut(limits, uptime=20)
    assert will(limits) == CLEAN and uplink.anew
    assert "a session that lasts" in uplink.told[0]
    assert limits.up(30) is True and "no session" in limits.text()
    # With a will it closes at that, too: the next form.
    shut(limits)
    assert will(limits) == PROBE
    limits.connects.probed()
    shut(limits)
    assert will(limits) == CLEAN_NONE and limits.up(40) is True
    assert limits.text() == "no session, no will"
    limits.step(20 + 2 * DAY, (), False)
    assert limits.text() is None and will(limits) == WHOLE


def test_a_probe_that_goes_well_by_chance_changes_nothing():
    _, limits = make()
    shut(limits, 6)
    limits.connects.probed()
    assert will(limits) == WHOLE and limits.up(10) is True
    assert not limits.needed() and limits.text() is None


def test_a_client_id_that_is_rejected_may_mean_the_session():
    uplink, limits = make()
    limits.connects.rejected(0)
    assert will(limits) == PROBE
    limits.connects.probed()
    limits.connects.rejected(0)
    assert will(limits) == CLEAN and limits.up(10) is True and "no session" in limits.text()
    # Or it is the id: then nothing helps, and nothing is believed.
    uplink, limits = make()
    for form in (PROBE, WHOLE, PROBE, WHOLE):
        limits.connects.rejected(0)
        assert will(limits) == form
    assert not uplink.told


def test_a_broker_that_says_of_a_clean_session_that_it_was_kept_gets_clean_ones():
    uplink, limits = make()
    limits.connects.lied(5)
    assert will(limits) == CLEAN and limits.up(10) is True
    assert uplink.anew and "no session" in limits.text() and limits.needed()


def test_without_retain_in_the_settings_no_will_is_retained():
    _, limits = make(retain=False)
    assert will(limits) == UNRETAINED


def ends_at(limits, message):
    """A message passes. Does the connection end for it? An exchange of QoS 2 of it may be left at the broker."""
    try:
        limits.passed(message, 0, 0)
    except OSError:
        return True
    return False


def test_what_one_broker_will_not_have_another_one_gets():
    uplink, limits = make()
    limits.judge((b"a", 2, False), 1, "closes at", 5, True)
    assert ends_at(limits, (b"a", 1, False)) and uplink.anew
    limits.judge((b"b", 1, True), 2, "closes at", 7, True)
    limits.passed((b"b", 1, False), 0, 8)
    limits.judge(b"filter/#", 0, "closes at", 9, True)
    limits.judge((b"c", 1, False), 3, "closes at", 10, True)
    limits.judge((b"c", 1, False), 4, "closes at", 11, True)
    limits.judge((b"c", 1, False), 5, "closes at", 12, True)
    limits.begin()
    assert (uplink.qos_max, uplink.retain) == (1, False)
    assert limits.text() == "no QoS 2; nothing retained; not c; not filter/#"
    assert uplink.client.subscriptions.withheld == [b"filter/#"]
    assert uplink.send(b"c", b"", False, 1) == BARRED and uplink.send(b"d", b"", False, 1) == 1
    limits.suspect(3)
    limits.leave()
    assert not limits.bars(), "nor is one message at a time sent to it"
    assert (uplink.qos_max, uplink.retain, uplink.client.window2) == (2, True, 5)
    assert uplink.client.subscriptions.withheld == []
    assert uplink.send(b"c", b"", False, 1) == 1
    assert not limits.needed() and limits.text() is None


def test_what_it_does_at_connect_is_still_known_after_another_one():
    _, limits = make()
    shut(limits)
    limits.up(10)
    shut(limits, uptime=20)
    assert will(limits) == UNRETAINED
    limits.leave()
    assert limits.uplink.client.lw_retain, "the other gets the whole one"
    assert will(limits) == UNRETAINED and limits.up(30) is True
    assert limits.text() == "no retained will"
    limits.step(20 + DAY, (), False)
    assert limits.text() is None, "nor is it for ever"
    assert limits.uplink.client.lw_retain and "trying again" in limits.uplink.told[-1]
    # a count of one is kept, too
    shut(limits, 1)
    limits.leave()
    shut(limits, 1)
    assert will(limits) == UNRETAINED


def test_one_message_is_barred_and_at_the_third_one_all_of_its_topic():
    uplink, limits = make()
    for bad in (b"bad", b"worse"):
        limits.judge((b"c", 1, False), crc32(bad), "closes at", 0, True)
        limits.begin()
        assert uplink.send(b"c", bad, False, 1) == BARRED
        assert uplink.why == "192.0.2.1:1883 closes at c"
        assert uplink.send(b"c", b"good", False, 1) == 1 and uplink.send(b"d", bad, False, 1) == 1
        assert limits.text() is None, "no topic is left out"
    limits.judge((b"c", 1, False), crc32(b"worst"), "never answers", 0, True)
    assert uplink.send(b"c", b"good", False, 1) == BARRED and limits.text() == "not c"
    assert uplink.why == "192.0.2.1:1883 never answers c"
    assert uplink.send(b"d", b"bad", False, 1) == 1


def test_a_topic_of_which_others_pass_is_barred_at_the_twelfth():
    for one_at_a_time in (False, True):
        uplink, limits = make()
        for n in range(11):
            limits.judge((b"c", 1, False), crc32(b"%d" % n), "closes at", 0, True)
            limits.begin()
            assert limits.text() is None, n
            if one_at_a_time:
                limits.passed((b"c", 1, False), 0, 0)
            else:
                pid = uplink.send(b"c", b"good", False, 1)
                limits.step(0, [pid + 1], False)
                limits.step(0, [pid], False)
        limits.judge((b"c", 1, False), 9, "closes at", 0, True)
        assert limits.text() == "not c"


def test_what_another_message_of_that_id_had_is_not_this_topics():
    uplink, limits = make()
    limits.judge((b"c", 1, False), 1, "closes at", 0, True)
    limits.begin()
    uplink.send(b"d", b"good", False, 1)
    limits.step(0, [1], False)
    limits.judge((b"c", 1, False), 2, "closes at", 0, True)
    limits.judge((b"c", 1, False), 3, "closes at", 0, True)
    assert limits.text() == "not c"


def test_another_message_of_a_topic_is_not_tried_in_lesser_forms():
    for passes in (False, True):
        _, limits = make()
        for qos in (2, 1):
            limits.judge((b"a", qos, False), 9, "never answers", 0, True)
        assert limits.qos == 2 and limits.had_none(b"a") and not limits.had_none(b"b")
        if passes:
            limits.passed((b"a", 2, False), 0, 0)
        limits.judge((b"a", 2, False), 8, "never answers", 0, True)
        assert limits.qos == 2


def test_at_qos_0_all_of_a_topic_is_meant():
    uplink, limits = make()
    assert limits.identify(b"log", b"one", 0) == limits.identify(b"log", b"two", 0)
    assert limits.identify(b"log", b"one", 1) != limits.identify(b"log", b"two", 1)
    limits.judge((b"log", 0, False), limits.identify(b"log", b"one", 0)[1], "closes at", 0, True)
    limits.begin()
    assert uplink.send(b"log", b"two") == BARRED and limits.text() == "not log"


def test_a_retained_message_of_qos_2_goes_in_lesser_forms_before_it_is_barred():
    uplink, limits = make()
    for qos, retain, after in (
        (2, True, (1, True)),
        (1, True, (1, False)),
        (1, False, (2, True)),  # it was neither
    ):
        limits.judge((b"a", qos, retain), 9, "closes at", 0, True)
        limits.begin()
        assert (uplink.qos_max, uplink.retain) == after
    assert uplink.told == ["mqtt: 192.0.2.1:1883 will not have a message to a"]


class Suspects:
    """One message at a time; has each gone well?"""

    def __init__(self, well):
        self.well = self.free = well
        self.at_rest = False
        self.wanted = []
        self.ends = []

    def lost(self, closed, silent, uptime):
        self.ends.append((closed, silent, uptime))

    def step(self, uptime, acked):
        return self.well


def one_at_a_time_goes_well(limits, crowd, held=False):
    limits.suspect(crowd)
    limits.suspects = Suspects(True)
    assert limits.step(0, (), held) is True and limits.suspects is None
    assert "firmware.limits.suspects" not in sys.modules, "it is needed no longer"


def test_what_goes_well_one_at_a_time_twice_was_too_much_at_once():
    uplink, limits = make(window2=20)
    one_at_a_time_goes_well(limits, 20)
    assert uplink.client.window2 == 20 and limits.text() is None, "it may have been the network"
    assert limits.needed(), "it is remembered"
    one_at_a_time_goes_well(limits, 19)
    assert uplink.client.window2 == 9 and limits.text() == "9 of QoS 2 at once"
    one_at_a_time_goes_well(limits, 9)
    assert uplink.client.window2 == 9, "the count begins anew"
    one_at_a_time_goes_well(limits, 9)
    assert uplink.client.window2 == 4


def test_a_single_message_at_once_is_not_too_many():
    uplink, limits = make(window2=1)
    for _ in range(4):
        one_at_a_time_goes_well(limits, 1)
    assert uplink.client.window2 == 1 and limits.text() is None


def test_a_connection_that_holds_between_was_no_crowd():
    uplink, limits = make(window2=20)
    one_at_a_time_goes_well(limits, 20)
    assert limits.step(0, (), True) is False
    assert not limits.needed()
    one_at_a_time_goes_well(limits, 20)
    assert uplink.client.window2 == 20
    one_at_a_time_goes_well(limits, 20)
    assert uplink.client.window2 == 10


def test_one_at_a_time_ends_when_the_connection_holds():
    _, limits = make()
    limits.suspect(3)
    limits.suspects = Suspects(False)
    assert limits.step(0, (), False) is False and limits.bars()
    assert limits.step(0, (), True) is True and not limits.bars()


def test_qos_2_that_is_answered_as_qos_1_is_over_at_once():
    uplink, limits = make()
    limits.lowered(0)
    assert uplink.qos_max == 1 and limits.text() == "no QoS 2" and limits.needed()
    assert uplink.told == ["mqtt: 192.0.2.1:1883 will not have " + NO_QOS_2]
    limits.begin()
    assert uplink.qos_max == 1


def test_what_passes_in_a_lesser_form_is_told_once():
    uplink, limits = make()
    limits.judge((b"a", 2, True), 9, "closes at", 0, True)
    assert uplink.hurried and not uplink.told, "not yet: it may be another thing"
    limits.passed((b"other", 1, True), 0, 0)
    assert not uplink.told
    for first in (True, False):
        assert ends_at(limits, (b"a", 1, True)) is first
        assert uplink.told == ["mqtt: 192.0.2.1:1883 will not have " + NO_QOS_2]


def test_exchanges_that_begin_anew_are_told():
    uplink, limits = make()
    limits.begin_anew(False, 0)
    assert uplink.anew and "begin anew" in uplink.told[0]
    assert limits.qos == 2 and not limits.abandoned


def test_exchanges_that_do_not_end_after_they_began_anew_go_at_qos_1():
    uplink, limits = make()
    limits.begin_anew(True, 7)
    limits.begin()
    assert uplink.qos_max == 1 and uplink.anew and limits.abandoned
    assert uplink.told == [
        "mqtt: 192.0.2.1:1883 will not have " + NO_QOS_2 + ", and some come twice"
    ]
    assert limits.text() == "no QoS 2, some readings come twice"


def test_a_message_that_ends_the_connection_at_its_pubrel_is_abandoned_with_qos_2():
    for released in (False, True):
        uplink, limits = make()
        uplink.client.released = [1] if released else []
        limits.judge((b"a", 2, False), 9, "closes at", 0, True)
        assert limits.qos == 1 and limits.abandoned is released


def test_only_so_many_are_remembered_and_the_oldest_goes():
    uplink, limits = make()
    for n in range(20):
        limits.judge(b"f%d" % n, 0, "closes at", 0, True)
    limits.begin()
    assert uplink.client.subscriptions.withheld == [b"f%d" % n for n in range(4, 20)]
    assert uplink.told[0] == "mqtt: 192.0.2.1:1883 will not have a subscription to f0"
    assert len(uplink.told) == 20


def test_the_search_begins_once_and_is_told_how_connections_end():
    uplink, limits = make()
    uplink.hurried = False
    limits.lost(True, False, 5)  # nobody is suspected yet
    limits.suspect(3)
    assert uplink.hurried
    first = limits.suspects
    limits.suspect(2)
    assert limits.suspects is first
    limits.suspects = Suspects(False)
    limits.lost(True, False, 7)
    assert limits.suspects.ends == [(True, False, 7)]


def test_what_is_not_barred_is_sent_as_by_the_client():
    uplink, limits = make()
    limits.judge(b"f", 0, "closes at", 0, True)
    limits.judge((b"c", 0, False), 0, "closes at", 0, True)
    limits.begin()
    uplink.send(b"d", b"x")
    assert uplink.client.sent == (b"d", b"x", False, 0, 0, False)
    uplink.send(b"d", b"x", True, 2, 9, True)
    assert uplink.client.sent == (b"d", b"x", True, 2, 9, True)
