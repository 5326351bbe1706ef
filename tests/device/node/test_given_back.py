"""What was set aside comes back: under its own name, with its time, once, and soon, whatever else is under way or fails."""

import json

from test_aside import Rig, failing, starved
from test_boots import outage
from test_boots_unread import readings_of

from firmware.readings.aside import put
from outbox import backlog as outbox_backlog

HEAP = "3m"
TIMEOUT = 60


def all_aside(run):
    """A broker will have nothing of what a node took. Return (boot, how many)."""
    delivery = run.node.delivery
    delivery.uplink.why = "closes"
    record = delivery.outbox.peek(run.now)
    while record:
        assert put(record, delivery, run.now)
        record = delivery.outbox.peek(run.now)
    assert delivery.outbox.sync(run.now) and not len(delivery.outbox)
    return delivery.boot, run.node.seq


def back_at_a_slow_broker(name):
    """The next start: all comes back, behind readings of its own that are on their way."""
    run = outage(name=name)
    step = run.client.step

    def slow(now):
        step(now)
        return [], []

    run.client.step = slow
    run.client.reachable = True
    run.run(20000)
    assert run.node.delivery.aside is None, "all came back"
    assert run.node.delivery.outbox.sync(run.now)


def delivered(name, boot):
    """A start that is known by `name`, with a sound broker: what readings_of() says of `boot`."""
    run = outage(name=name)
    run.client.reachable = True
    run.run(60000)
    return readings_of(run, boot)


def test_over_three_starts_with_their_times():
    boot, taken = all_aside(outage(name="attic"))
    back_at_a_slow_broker("attic")
    got = delivered("attic", boot)
    assert got == {("outpost/attic/history/climate", True): set(range(1, taken + 1))}, got


def test_over_three_starts_of_other_names():
    boot, taken = all_aside(outage(name="attic"))
    back_at_a_slow_broker("kitchen")
    got = delivered("cellar", boot)
    assert got == {("outpost/attic/history/climate", True): set(range(1, taken + 1))}, got


class Latest:
    name = "door"
    retain = False
    latest = True
    qos = 1


def beside_one_in_flight(qos, fails):
    """The log takes what comes back, and the state is not written: nothing else is let go of for it."""
    rig = Rig(sync_ms=5000)
    rig.channel.qos = qos
    rig.take(3)
    rig.bar(False)
    rig.broker.hear = lambda first, pid, answer: []  # a slow broker
    rig.seq += 1
    door = Latest()
    rig.delivery._channels[b"door"] = door
    rig.delivery.take(door, rig.uptime, rig.seq, b'"open":true')
    with fails():
        for _ in range(3):
            rig.run()
    rig.client.close()
    assert rig.outbox.sync(0)
    after = Rig(sync_ms=5000)
    after.bar(False)
    for _ in range(6):
        after.run()
    numbers = [json.loads(message)["seq"] for _, message in after.broker.seen]
    assert sorted(numbers) == [1, 2, 3, 4], numbers


class no_flash:
    def __enter__(self):
        self.full = failing("box/state")

    def __exit__(self, *exception):
        self.full.end()


class no_memory:
    def __enter__(self):
        self.save = outbox_backlog.State.save
        outbox_backlog.State.save = starved

    def __exit__(self, *exception):
        outbox_backlog.State.save = self.save


def test_beside_one_in_flight_while_the_state_cannot_be_written():
    beside_one_in_flight(1, no_flash)


def test_beside_one_in_flight_without_memory():
    beside_one_in_flight(1, no_memory)


def test_at_qos_2_beside_one_in_flight_without_memory():
    beside_one_in_flight(2, no_memory)


def test_how_many_were_dropped_is_counted_once_without_memory():
    rig = Rig(sync_ms=5000)
    rig.take(1)
    aside = rig.delivery.aside.outbox
    aside.dropped = 7
    assert aside.sync(0)
    aside.drop(aside.peek(0), 0)
    rig.bar(False)
    sync = rig.outbox.sync
    rig.outbox.sync = starved
    for _ in range(3):
        rig.run()
    rig.outbox.sync = sync
    rig.run()
    assert rig.health()["dropped"] == 7
