"""The torture's verdict finds what it is there to find."""

import json

import pytest

from tools.torture.collecting import Row
from tools.torture.verdict import Message, compare, judge, published

QOS = {"least": 1, "once": 2}
RAM_S = 7
POWER_CUT = 1_000_020.0  # the first life's end: 80 readings, 4 a second, from second 0 on
LIVES = [(1_000_000.0, POWER_CUT), (POWER_CUT + 1, None)]


def reading(boot, seq, volts=3.5, **more):
    at = LIVES[boot - 1][0] + seq / 4
    return {"ts": int(at * 1000), "boot": boot, "seq": seq, "voltage": volts} | more


def message(boot, seq, branch="reading", **more):
    channel = "once" if seq % 2 else "least"
    return Message(f"{branch}/{channel}", json.dumps(reading(boot, seq, **more)), QOS[channel])


def whole():
    return [message(1, seq) for seq in range(1, 81)] + [message(2, seq) for seq in range(1, 41)]


def faults(messages, lives=LIVES):
    return judge(messages, lives, QOS, RAM_S).faults


def only_fault(messages, *words):
    found = faults(messages)
    assert len(found) == 1, found
    assert all(word in found[0] for word in words), found


def without(boot, *seqs):
    gone = {message(boot, seq) for seq in seqs}
    return [each for each in whole() if each not in gone]


def test_nothing_wrong():
    report = judge([*whole(), Message("health", "{}", 0)], LIVES, QOS, RAM_S)
    assert report.faults == []
    assert report.readings == {"least": 60, "once": 60}
    assert report.boots == 2
    assert report.forgiven == 0
    assert report.tails == [0]


def test_repeats_at_qos_1_are_counted_also_as_history():
    report = judge([*whole(), message(1, 4), message(2, 6, "history")], LIVES, QOS, RAM_S)
    assert report.faults == []
    assert report.repeats == {"least": 2, "once": 0}


@pytest.mark.parametrize("branch", ["reading", "history"])
def test_a_qos_2_reading_twice(branch):
    only_fault([*whole(), message(1, 5, branch)], "once boot 1 seq 5: twice")


@pytest.mark.parametrize("seq", [1, 10, 11, 50])
def test_a_gap(seq):
    only_fault(without(1, seq), "boot 1: 1 lost", f"seq {seq} to {seq}")


def test_a_gap_in_the_life_that_goes_on():
    only_fault(without(2, 37, 38), "boot 2: 2 lost, seq 37 to 38")


def test_a_gap_that_reaches_too_far_back():
    only_fault(without(1, *range(20, 70)), "boot 1: 32 lost, seq 20 to 51")


def test_what_was_in_ram_may_be_lost():
    report = judge(without(1, 60, 62, 79, 80), LIVES, QOS, RAM_S)
    assert report.faults == []
    assert report.forgiven == 2
    assert report.tails == [pytest.approx(0.5)]


def test_too_long_a_tail():
    only_fault(without(1, *range(51, 81)), "boot 1: nothing of its last 7.5 s, after seq 50")


def test_a_whole_life_is_missing():
    only_fault(without(1, *range(1, 81)), "life 1, of 20.0 s: no reading")


def test_a_life_too_short_to_leave_anything():
    lives = [(999_990.0, 999_998.0), *LIVES]
    assert faults(whole(), lives) == []


def test_changed_content():
    only_fault([*whole(), message(1, 4, volts=3.6)], "least boot 1 seq 4: was", "3.6")


def test_one_number_on_two_channels():
    twin = Message("reading/least", message(1, 5).text, 1)
    only_fault([*whole(), twin], "least boot 1 seq 5: was once")


def test_wrong_order():
    messages = whole()
    messages[10], messages[12] = messages[12], messages[10]
    only_fault(messages, "once boot 1 seq 11: first came after seq 13")


def test_history_has_an_order_of_its_own():
    late = [message(1, seq, "history") for seq in (11, 13)]
    kept = [each for each in whole() if each.text not in {each.text for each in late}]
    assert faults(kept + late) == []
    only_fault(kept + late[::-1], "seq 11: first came after seq 13")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"boot":1}',
        json.dumps(reading(1, 81, volts=9.5)),
        json.dumps(reading(1, 81, volts=3)),
        json.dumps(reading(1, 81) | {"seq": "81"}),
        json.dumps(reading(1, 81) | {"seq": 0}),
        json.dumps(reading(1, 81, error="no answer")),
    ],
)
def test_what_is_no_reading(text):
    only_fault([*whole(), Message("reading/once", text, 2)], text)


def test_a_reading_of_a_time_when_no_node_ran():
    strange = reading(1, 1) | {"boot": 3, "ts": 900_000_000}
    only_fault(
        [*whole(), Message("reading/once", json.dumps(strange), 2)], "boot 3", "no node ran"
    )


def test_a_boot_number_used_twice():
    again = reading(2, 41) | {"boot": 1, "seq": 81}
    found = faults([*whole(), Message("reading/once", json.dumps(again), 2)])
    assert "boot 1: two lives have that number" in found


def test_the_wrong_qos():
    messages = whole()
    messages[0] = messages[0]._replace(qos=1)
    only_fault(messages, "once boot 1 seq 1: came at QoS 1")


# What is stored


def rows():
    found = []
    for each in whole():
        members = json.loads(each.text)
        key = "n1", members.pop("boot"), members.pop("seq")
        found.append(Row(*key, 1, each.topic.partition("/")[2], members, members.pop("ts")))
    return found


def compared(kept, owed=None):
    known = published([*whole(), message(1, 4)], "n1", QOS)
    return compare(known if owed is None else published(owed, "n1", QOS), kept, known)


def test_a_store_that_has_everything():
    assert compared(rows()) == []


def test_what_the_node_took_meanwhile_may_be_stored_or_not():
    assert compared(rows(), whole()[:-5]) == compared(rows()[:-5], whole()[:-5]) == []
    assert compared(rows()[:-6], whole()[:-5]) != []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda kept: kept[1:], "is stored as nothing"),
        (lambda kept: [*kept, kept[0]], "is stored twice"),
        (lambda kept: [*kept, kept[0]._replace(seq=999)], "was nothing, and is stored as"),
        (lambda kept: [kept[0]._replace(life=2), *kept[1:]], "is stored as (2, "),
        (lambda kept: [kept[0]._replace(ts=None), *kept[1:]], "is stored as (1, 'once', None"),
        (lambda kept: [kept[0]._replace(channel="x"), *kept[1:]], "is stored as (1, 'x'"),
        (lambda kept: [kept[0]._replace(quantities={}), *kept[1:]], "{}"),
    ],
)
def test_a_store_that_differs(change, told):
    (fault,) = compared(change(rows()))
    assert told in fault
