"""What is wrong with which node: each case is what a real store holds, and which faults follow; no other one does."""

import json
import re

import pytest

from station.fleet import judge
from station.messages import Reading, State
from station.store.contract import Batch
from station.store.listening import LISTENING, Listening
from station.store.reader import Reader
from station.store.sqlite import SqliteStore
from tools import ROOT

NOW = 1_796_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Fleet:
    """A store that is filled, and judged at NOW. A node's numbers count by themselves."""

    def __init__(self, path):
        self.store = SqliteStore(path, "outpost")
        self.reader = Reader(path)
        self.seq = {}
        self.listens(NOW - 30 * DAY, NOW)

    def close(self):
        self.reader.close()
        self.store.close()

    def listens(self, since, until, *more):
        self.store.remember(LISTENING, Listening(since, until, *more).text())

    def reads(self, ages, node="attic", channel="air", boot=8, delay=50, skip=0, **quantities):
        """Readings of so many ms ago, taken `delay` before they came."""
        text = json.dumps(quantities or {"temperature": 20.5})
        readings = []
        for age in ages:
            seq = self.seq[node, boot] = self.seq.get((node, boot), 0) + 1 + skip
            skip = 0
            at = NOW - age
            readings.append(Reading(node, boot, seq, channel, text, at - delay, at, False))
        self.store.append(Batch(readings))

    def says(self, kind, text, age=0, node="attic"):
        text = text if isinstance(text, str | None) else json.dumps(text)
        self.store.append(Batch(states=[State(node, kind, text, NOW - age)]))

    def regular(self, last=0, every=MINUTE, count=30, **more):
        self.reads([last + every * n for n in reversed(range(count))], **more)

    def well(self, node="attic", **health):
        """A node of which nothing is wrong, but for what its `health` says."""
        self.says("status", "online", node=node)
        self.says("health", {"uptime_s": 5} | health, node=node)

    def kinds(self, node="attic"):
        (found,) = [each for each in judge.judged(self.reader, NOW) if each.node == node]
        return [fault.kind for fault in found.faults]

    def text(self):
        return judge.judged(self.reader, NOW)[0].faults[0].text


@pytest.fixture
def fleet(tmp_path):
    fleet = Fleet(tmp_path / "r.sqlite")
    yield fleet
    fleet.close()


def silent_soon(fleet):
    fleet.regular(last=3 * MINUTE)


def silent_hourly(fleet):
    fleet.regular(last=3 * HOUR, every=HOUR)


def silent_and_nobody_listened(fleet):
    fleet.regular(last=5 * HOUR)
    fleet.listens(NOW - MINUTE, NOW)


def silent_because_the_collector_is(fleet):
    fleet.regular(last=5 * HOUR)
    fleet.listens(NOW - DAY, NOW - 5 * HOUR)


def an_outage_and_its_readings_came_late(fleet):
    fleet.regular(last=3 * HOUR)
    fleet.reads([0], delay=10)


def it_sends_hourly_what_it_read_each_five_minutes(fleet):
    """A node that wakes to read and more rarely to send: 12 readings come at once, the last 55 minutes ago."""
    for wake in (3, 2, 1):
        for n in range(12):
            fleet.reads([wake * HOUR - 5 * MINUTE], delay=(11 - n) * 5 * MINUTE)


def a_door_that_nobody_opens(fleet):
    fleet.reads([DAY + n * n * MINUTE for n in range(30, 0, -1)], door=True)


def two_readings(fleet):
    fleet.reads([5 * HOUR, 4 * HOUR])


def its_clock_is_an_hour_behind(fleet):
    fleet.regular(delay=HOUR)


def its_clock_went_back(fleet):
    """What was read since has an earlier time: the newest by time came ten minutes ago, of every channel."""
    for channel in ("air", "soil"):
        fleet.regular(last=10 * MINUTE, delay=-2 * HOUR, channel=channel)
        fleet.regular(count=10, channel=channel)


def no_time(fleet):
    fleet.store.append(
        Batch([Reading("attic", 8, 1, "air", '{"temperature":1}', None, NOW - DAY, False)])
    )


# (what happened, what is wrong)
SILENCE = [
    (lambda fleet: fleet.regular(), []),
    (silent_soon, []),
    (lambda fleet: fleet.regular(last=5 * MINUTE), ["silent"]),
    (silent_hourly, []),
    (lambda fleet: fleet.regular(last=4 * HOUR, every=HOUR), ["silent"]),
    (lambda fleet: fleet.regular(last=5 * HOUR, every=10 * MINUTE), ["silent"]),
    (silent_and_nobody_listened, []),
    (silent_because_the_collector_is, []),
    (an_outage_and_its_readings_came_late, []),
    (it_sends_hourly_what_it_read_each_five_minutes, []),
    (a_door_that_nobody_opens, []),
    (two_readings, []),
    (its_clock_is_an_hour_behind, []),
    (its_clock_went_back, []),
    (no_time, []),
]


@pytest.mark.parametrize(
    ("happened", "wrong"), SILENCE, ids=lambda case: getattr(case, "__name__", None)
)
def test_silence_is_judged_by_a_nodes_own_habits(fleet, happened, wrong):
    fleet.well()
    happened(fleet)
    assert fleet.kinds() == wrong


def test_a_clock_that_was_ahead_hides_no_silence(fleet):
    """Readings that came while the station's clock was a year ahead, and none since; or others since."""
    fleet.regular(last=10 * MINUTE)
    fleet.reads([-365 * DAY])
    fleet.store.set_right(NOW - 9 * MINUTE)  # the collector, when its clock was right again
    assert fleet.kinds() == ["silent"]
    assert judge.judged(fleet.reader, NOW)[0].reading_at == NOW - 9 * MINUTE
    fleet.reads([8 * MINUTE])
    assert judge.judged(fleet.reader, NOW)[0].reading_at == NOW - 8 * MINUTE
    fleet.says("health", {"uptime_s": 5}, age=-365 * DAY)
    fleet.says("status", "online", age=-365 * DAY)
    fleet.store.set_right(NOW - 7 * MINUTE)
    known = fleet.reader.known()[0]
    assert (known.health_at, known.status_at) == (NOW - 7 * MINUTE,) * 2


def test_a_channel_of_the_time_ahead_is_not_the_newest_for_ever(fleet):
    fleet.well()
    fleet.reads([-365 * DAY], channel="old", boot=7, error="no answer")
    fleet.regular()
    assert fleet.kinds() == []


def test_a_collector_that_ended_while_its_clock_was_ahead(fleet):
    fleet.listens(NOW - DAY, NOW + 365 * DAY)
    assert "had a clock that was ahead" in judge.station(fleet.reader, NOW)
    fleet.listens(NOW - DAY, NOW + MINUTE)  # another computer's clock
    assert judge.station(fleet.reader, NOW) is None


def test_a_node_that_sleeps_is_silent_when_its_wake_is_overdue(fleet):
    fleet.says("status", "asleep", age=2 * HOUR)
    fleet.regular(last=2 * HOUR, every=HOUR)
    assert fleet.kinds() == []
    assert judge.judged(fleet.reader, NOW)[0].state == "asleep"
    later = NOW + 2 * HOUR
    fleet.listens(0, later)
    (found,) = judge.judged(fleet.reader, later)
    assert found.state == "silent" and "it sleeps, and has not woken up" in found.faults[0].text


def test_offline_is_said_once_and_not_as_silence_too(fleet):
    fleet.regular(last=DAY)
    fleet.says("status", "offline", age=DAY)
    assert fleet.kinds() == ["offline"]
    assert fleet.text().startswith("offline for 24 hours")


_S = 1_000


@pytest.mark.parametrize(
    ("ago", "listened", "kinds"),
    [
        # ms ago: the will; since, until, before, ended of the collector's connection
        (0, (DAY, 0, 0, True), []),  # the broker ends, and says so of all nodes
        (2 * _S, (DAY, 0, 0, True), []),
        (HOUR, (DAY, 0, 0, True), ["offline"]),  # it was so before
        (HOUR + _S, (DAY, HOUR, 0, True), []),
        (90 * _S, (60 * _S, 0, 90 * _S, False), []),  # the broker is back, the node not yet
        (60 * _S, (60 * _S, 0, 90 * _S, False), []),  # heard as the broker kept it
        (200 * _S, (190 * _S, 0, 200 * _S, False), ["offline"]),  # it has not come back
        (30 * _S, (60 * _S, 0, 90 * _S, False), ["offline"]),  # it was back, and went
        (0, (DAY, 0, DAY + _S, False), ["offline"]),
    ],
)
def test_what_a_broker_says_when_it_ends_is_no_fault_of_a_node(fleet, ago, listened, kinds):
    since, until, before, ended = listened
    fleet.regular(last=ago)
    fleet.says("status", "offline", age=ago)
    fleet.listens(NOW - since, NOW - until, NOW - before if before else 0, ended)
    assert fleet.kinds() == kinds
    (found,) = judge.judged(fleet.reader, NOW)
    assert found.state == ("offline" if kinds else "unknown")
    away = judge.station(fleet.reader, NOW)
    assert ("the broker cannot be reached since" in (away or "")) is ended


def test_a_node_whose_status_was_taken_back_is_gone(fleet):
    fleet.regular(last=DAY)
    fleet.says("status", "offline", age=DAY)
    fleet.says("status", None)
    assert judge.judged(fleet.reader, NOW) == []
    assert fleet.reader.nodes() == ["attic"]  # its readings stay


def other_channel(**last):
    def happened(fleet):
        fleet.regular()
        fleet.regular(**{"channel": "soil", "moisture": 30.0} | last)

    return happened


def it_recovered(fleet):
    fleet.regular(last=MINUTE, error="no answer")
    fleet.reads([0])


# (what happened, what is wrong)
SENSORS = [
    (lambda fleet: fleet.regular(error="no answer"), ["failing"]),
    (it_recovered, []),
    (other_channel(last=MINUTE), []),
    (other_channel(last=10 * MINUTE), ["stopped"]),
    # 5. It was taken out of the settings: no reading of this start.
    (other_channel(last=10 * MINUTE, boot=7), []),
    (other_channel(last=10 * MINUTE, boot=7, error="no answer"), []),
    # 7. One that fails, and says so rarely.
    (other_channel(last=10 * MINUTE, error="no answer"), ["failing"]),
    (other_channel(last=HOUR, every=HOUR), []),
]


@pytest.mark.parametrize(("happened", "wrong"), SENSORS)
def test_a_channel_that_fails_or_stops(fleet, happened, wrong):
    fleet.well()
    happened(fleet)
    assert fleet.kinds() == wrong


# (members of health, of info, what is wrong)
SAID = [
    ({"outbox": 12, "outbox_age_s": 20}, {}, []),
    ({"outbox": 900, "outbox_age_s": 5000}, {}, ["waiting"]),
    ({"set_aside": 2, "set_aside_why": "not authorized"}, {}, ["aside"]),
    ({"corrupt": 1}, {}, ["corrupt"]),
    ({"outbox_errors": 1}, {}, ["flash"]),
    ({"access": "publish to outpost/attic/info"}, {}, ["access"]),
    ({"clock": "unset"}, {}, ["clock"]),
    ({"clock": "ntp"}, {}, []),
    ({"rssi": -80}, {}, []),
    ({"rssi": -85}, {}, ["weak"]),
    ({"name_taken": "attic is board 12"}, {}, ["name"]),
    ({}, {"safe_mode": True}, ["safe"]),
    ({}, {"config_faults": ["mqtt: no such"]}, ["settings"]),
    ({}, {"trial_failed": "it did not connect"}, ["trial"]),
    ({}, {"crash": "Traceback:\nOSError: 5"}, ["crash"]),
    ({}, {"reset_cause": "watchdog"}, ["crash"]),
    ({}, {"reset_cause": "power on", "version": "0.1.0"}, []),
    # nonsense of a stranger is no fault, and stops nothing
    (
        {"outbox": "x", "set_aside": -1, "rssi": "-90", "access": 7, "clock": 1},
        {"version": [], "crash": 5, "config_faults": "x", "safe_mode": "yes"},
        [],
    ),
]


@pytest.mark.parametrize(("health", "info", "wrong"), SAID)
def test_what_a_node_says_of_itself(fleet, health, info, wrong):
    fleet.well(**health)
    fleet.says("info", info)
    fleet.regular()
    assert fleet.kinds() == wrong


def test_health_of_yesterday_says_nothing_of_now(fleet):
    fleet.says("health", {"outbox_age_s": 5000, "outbox": 3, "clock": "unset", "rssi": -90}, DAY)
    fleet.regular()
    assert fleet.kinds() == []


def test_a_battery_is_the_newest_reading_of_one(fleet):
    fleet.well()
    fleet.regular(last=MINUTE, battery=5)
    fleet.reads([0], battery=21)
    assert fleet.kinds() == []
    fleet.reads([0], battery=20)
    assert fleet.kinds() == ["battery"]
    assert judge.judged(fleet.reader, NOW)[0].battery == 20


def test_a_gap_is_a_fault_for_a_week_once_the_collector_has_told_it(fleet):
    fleet.well()
    fleet.regular(last=MINUTE)
    fleet.reads([0], skip=5)
    assert fleet.kinds() == []  # they may be on their way
    fleet.store.tell_gap("attic", 5)
    assert fleet.kinds() == ["gap"]
    assert fleet.text().startswith("5 readings are lost")
    later = NOW + 8 * DAY
    fleet.listens(later, later)
    assert judge.judged(fleet.reader, later)[0].faults == []


def test_readings_that_a_full_outbox_gave_up(fleet):
    fleet.well(dropped=3)
    fleet.regular(last=MINUTE)
    fleet.reads([0], skip=5)
    fleet.well(dropped=8)
    fleet.store.tell_gap("attic", 5)
    assert fleet.kinds() == ["full"]
    assert "no room for 5 readings" in fleet.text()


def test_a_node_older_than_the_newest_of_the_fleet(fleet):
    for node, version in (("a", "0.9.1"), ("b", "0.10.0"), ("c", "0.10.0-dev")):
        fleet.well(node)
        fleet.says("info", {"version": version}, node=node)
    assert [fleet.kinds(node) for node in "abc"] == [["version"], [], []]


def test_the_worst_comes_first(fleet):
    fleet.well("a")
    fleet.well("b", rssi=-90)
    fleet.says("status", "offline", node="d")
    fleet.well("c", clock="unset", rssi=-90)
    found = judge.judged(fleet.reader, NOW)
    assert [each.node for each in found] == ["d", "c", "b", "a"]
    assert [fault.kind for fault in found[1].faults] == ["clock", "weak"]
    assert judge.judged(fleet.reader, NOW, node="c") == [found[1]]


def test_a_collector_that_is_away_is_said_once_for_all(fleet):
    assert judge.station(fleet.reader, NOW) is None
    fleet.listens(NOW - DAY, NOW - HOUR)
    assert judge.station(fleet.reader, NOW).startswith("no collector has been connected")


def test_every_fault_names_a_thing_to_do_and_is_in_the_table_once():
    kinds = [kind for kind, _, _ in judge.KINDS]
    assert len(set(kinds)) == len(kinds)
    cases = {kind for *_, wrong in [*SILENCE, *SENSORS, *SAID] for kind in wrong}
    assert set(kinds) - cases == {"offline", "gap", "full", "battery", "version"}  # tested above


def test_the_page_has_every_kind_in_its_order():
    page = (ROOT / "docs" / "fleet.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", page, re.M)
    assert rows == [(kind, "yes" if alarm else "no") for kind, alarm, _ in judge.KINDS]
