"""The collector without a network: what is acknowledged when, and what it says and does while something fails. Time is simulated."""

import json
import re
from types import SimpleNamespace

import pytest

from station import collector as module
from station import lookout, pending
from station.collector import Collector
from station.metrics import Numbers
from station.session import Got, Lost, Refused, TakenOver
from station.store.contract import Account, Damaged, Outcome, StoreError
from station.store.listening import LISTENING


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time_ns(self):
        return int(self.now * 1e9)

    def sleep(self, seconds):
        self.now += seconds


class Store:
    """Takes batches, or raises what stands in `faults` for so many attempts."""

    client_id = "collector-1"

    def __init__(self, story):
        self.story, self.faults, self.batches, self.notes = story, [], [], []
        self.missing, self.known = 0, {}
        self.due = 0  # hourly means

    def append(self, batch):
        if self.faults:
            self.story.append("fault")
            raise self.faults.pop(0)
        self.story.append(f"stored {len(batch)}")
        self.batches.append(batch)
        return Outcome(stored=len(batch.readings))

    def recall(self, key):
        return self.known.get(key)

    def remember(self, key, value):
        self.known[key] = value

    def set_right(self, now_ms):
        self.set_right_at = now_ms

    def note(self, kind, text):
        self.notes.append((kind, text))

    def account(self, node):
        return Account(self.missing, 0, 0)

    def told_gap(self, node):
        return 0

    def tell_gap(self, node, lost):
        pass

    def sum_up(self, now_ms, most):
        count = min(self.due, most)
        self.due -= count
        if count:
            self.story.append(f"summed up {count}")
        return count

    def starts(self, node):
        return []

    @property
    def seqs(self):
        return [reading.seq for batch in self.batches for reading in batch.readings]


class Session:
    """Plays a script: each step takes an entry. A number: so many readings; an exception: raised; None: nothing comes."""

    place, client_id = "broker:1883", "collector-1"
    key = "session of collector-1 at broker:1883"

    def __init__(self, story, clock, script=(), resumed=(True,)):
        self.story, self.clock, self.script = story, clock, list(script)
        self._resumed = list(resumed)
        self.connected, self.resumed, self.barred, self.broker_dropped = False, True, [], None
        self.acknowledged, self.left, self.connects, self.sent = [], 0, 0, 0
        self.hear = None

    def connect(self):
        if self.script and isinstance(self.script[0], Refused):
            raise self.script.pop(0)
        self.connects += 1
        self.connected = True
        self.resumed = self._resumed.pop(0) if self._resumed else True
        self.story.append("connected")

    def step(self, wait_s):
        do = self.script.pop(0) if self.script else None
        if isinstance(do, Exception):
            self.connected = False
            raise do
        if isinstance(do, Got):
            self.hear(do)
        elif do:
            for _ in range(do):
                self.sent += 1
                self.hear(got(self.sent))
        else:
            self.clock.now += wait_s

    def acknowledge(self, mids):
        self.story.append(f"acknowledged {len(mids)}")
        self.acknowledged += mids

    def leave(self):
        self.left += 1
        self.connected = False


def got(seq, mid=None, topic="outpost/attic/reading/air", payload=None, retained=False):
    text = json.dumps({"boot": 8, "seq": seq, "temperature": 20.5}) if payload is None else payload
    return Got(topic, text.encode(), retained, False, seq if mid is None else mid)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(lookout, "time", clock)
    return clock


@pytest.fixture
def run(clock):
    """run(script): let a collector live through it, and for some seconds after. What there is to look at."""

    def run(script, faults=(), seconds=60, resumed=(True,), prepare=None):
        story, told = [], []
        store, session = Store(story), Session(story, clock, script, resumed)
        store.faults = list(faults)
        numbers = Numbers()
        collector = Collector([session], store, "outpost", told.append, numbers)
        until = clock.now + seconds
        fault = None
        if prepare:
            prepare(session, store)
        try:
            collector.run(lambda: clock.now >= until)
        except Exception as e:
            fault = e
        return SimpleNamespace(
            story=story,
            told=told,
            store=store,
            session=session,
            numbers=numbers,
            fault=fault,
        )

    return run


def test_it_acknowledges_after_the_commit(run):
    seen = run([3])
    assert seen.story == ["connected", "stored 3", "acknowledged 3"]
    assert seen.session.acknowledged == [1, 2, 3]
    assert seen.told == ["connected to broker:1883, its session goes on"]


def test_readings_wait_a_moment_for_others(run):
    """Each of its own would be a write of its own."""
    seen = run([1, 1, 1, None, None, None, None, 2])
    assert seen.story == ["connected", "stored 3", "acknowledged 3", "stored 2", "acknowledged 2"]


def test_a_broker_with_a_small_window_does_not_have_to_wait(run, clock):
    """mosquitto sends 20 before it wants an acknowledgement, RabbitMQ 10: waiting for more would be waiting for nothing."""
    began = clock.now
    seen = run([10, None] * 20, seconds=1.5)
    assert len(seen.store.seqs) == 200
    assert seen.story[1:5] == ["stored 10", "acknowledged 10"] * 2
    assert began + 1 < clock.now


def test_a_batch_has_a_bound(run):
    assert [len(batch) for batch in run([600, 600, 600]).store.batches] == [1200, 600]


def test_what_is_not_stored_is_acknowledged_too(run):
    topics = ("outpost/attic/log", "outpost/attic/reply")
    seen = run([got(7, topic=topic, payload="x") for topic in topics] + [got(9, retained=True)])
    assert seen.session.acknowledged == [7, 7, 9]
    assert seen.store.batches == []
    assert seen.numbers.retained_ignored == 1


def test_qos_0_has_nothing_to_acknowledge(run):
    seen = run([got(1, mid=0), got(2, mid=0)])
    assert seen.store.seqs == [1, 2]
    assert seen.session.acknowledged == []


def test_a_bad_message_is_kept_told_and_acknowledged(run):
    seen = run([got(1, payload="online"), *(got(n, payload="x") for n in range(2, 7))])
    assert seen.session.acknowledged == [1, 2, 3, 4, 5, 6]
    assert seen.numbers.bad_messages == 6
    assert seen.told[1].startswith(
        "warning: outpost/attic/reading/air: it is no JSON: Expecting value"
    )
    assert seen.told[1].endswith("(kept in the table `bad`)")
    assert seen.told[-1] == "warning: and 3 more such messages"


# The store


def test_while_the_store_takes_nothing_nothing_is_acknowledged(run):
    faults = [StoreError("no space is left for r.sqlite: make some")] * 3
    seen = run([3, None, None, None, 2], faults)
    assert seen.story == ["connected", "fault", "fault", "fault", "stored 5", "acknowledged 5"]
    assert " ".join(seen.told[1:]) == (
        "warning: nothing is acknowledged, the broker keeps it: no space is left for r.sqlite:"
        " make some. Tried again until it goes"
        " the store takes readings again: 5 messages that waited are in"
    )
    assert seen.numbers.store_errors == 3


def test_a_store_that_stays_away_is_told_again_each_minute(run):
    seen = run([1], [StoreError("locked")] * 999, seconds=300)
    assert [text for text in seen.told if "minutes nothing has been stored: locked" in text] == [
        f"warning: for {minutes} minutes nothing has been stored: locked"
        for minutes in (1, 2, 3, 4)
    ]
    assert seen.session.acknowledged == []
    assert seen.story.count("fault") < 40  # with back-off
    assert seen.fault is None


def test_memory_has_a_bound_while_the_store_takes_nothing(run):
    """Then the connection is closed: the broker keeps the rest, and the session."""
    faults = [StoreError("locked")] * 4
    seen = run([15_000, None, 15_000], faults)
    left = seen.story.index("connected", 1)
    assert seen.story[left - 1] == "stored 30000"
    assert seen.session.acknowledged == []  # that connection is gone: they come again
    assert "the connection was closed until the store takes readings again" in seen.told[-2]
    assert seen.session.connects == 2


def test_large_messages_count_by_their_bytes(run, monkeypatch):
    monkeypatch.setattr(pending, "_MOST_BYTES", 1000)
    seen = run([20, 20], [StoreError("locked")] * 2)
    assert "the connection was closed" in "".join(seen.told)


def test_a_damaged_store_ends_it(run):
    seen = run([3], [Damaged("r.sqlite is damaged")] * 9)
    assert isinstance(seen.fault, Damaged)
    assert seen.session.acknowledged == []
    assert seen.session.left == 1


def test_what_is_here_at_the_end_is_stored(run, clock):
    seen = run([None] * 19 + [3], seconds=0.96)
    assert seen.story == ["connected", "stored 3", "acknowledged 3"]
    assert seen.session.left == 1


# The broker


def test_a_lost_connection_is_tried_again_with_back_off(run, clock, monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda a, b: 1)
    seen = run([2, None, None, None, Lost("the connection ended"), 3])
    assert seen.store.seqs == [1, 2, 3, 4, 5]
    assert seen.session.acknowledged == [1, 2, 3, 4, 5]
    assert seen.told[1] == "broker:1883: the connection ended; tried again in 1 s"
    waits = run([Lost("gone")] * 30, seconds=200).told
    found = [int(n) for text in waits for n in re.findall(r"tried again in (\d+)", text)]
    assert found[:6] == [1, 2, 4, 8, 16, 30]


def test_what_came_before_the_loss_is_stored_and_not_acknowledged(run):
    """A packet id is of one connection; on the next it is another message's."""
    seen = run([2, Lost("the connection ended"), 3])
    assert sorted(seen.store.seqs) == [1, 2, 3, 4, 5]
    assert seen.session.acknowledged == [3, 4, 5]


def test_a_broker_that_forgot_the_session_while_nobody_collected_is_told(run):
    def prepare(session, store):
        store.known[session.key] = "kept"

    told = run([1], resumed=(False,), prepare=prepare).told
    assert any("has forgotten the session" in text for text in told)
    # a client id of another name has another session
    told = run(
        [1],
        resumed=(False,),
        prepare=lambda session, store: store.known.update(
            {"session of other at broker:1883": "kept"}
        ),
    ).told
    assert not any("has forgotten the session" in text for text in told)


def test_a_broker_that_forgot_the_session_is_told_and_noted(run):
    seen = run([1, None, None, Lost("x")], resumed=(False, False))
    assert "connected to broker:1883, a new session" in seen.told  # the first time: no wonder
    (text,) = [text for text in seen.told if "has forgotten the session" in text]
    assert text.startswith("warning: broker:1883 has forgotten the session: readings that came")
    assert [kind for kind, _ in seen.store.notes] == ["session"]


def test_another_client_with_our_id_ends_it(run):
    """Two with one id threw each other out 4,055 times in 130 s."""
    seen = run([3, None, None, None, TakenOver("another client has connected as collector-1")])
    assert isinstance(seen.fault, TakenOver)
    assert seen.session.connects == 1 and seen.session.acknowledged == [1, 2, 3]


def test_where_the_broker_cannot_say_so_short_connections_raise_the_suspicion(run):
    seen = run([Lost("the connection ended")] * 5, seconds=120)
    suspicions = [text for text in seen.told if "has another client the id collector-1?" in text]
    assert "(connection 3 in a row that was short: " in suspicions[0]
    assert len(suspicions) == 3
    assert seen.session.connects == 6


def test_a_refusal_at_the_beginning_ends_it_and_a_later_one_does_not(run):
    seen = run([Refused("it refuses user or password")])
    assert isinstance(seen.fault, Refused)
    seen = run([1, None, None, Lost("x"), Refused("it serves nobody for now"), 1])
    assert seen.fault is None
    assert seen.store.seqs == [1, 2]
    assert any("it serves nobody for now; tried again" in text for text in seen.told)


def test_brokers_take_turns(clock):
    story = []
    away, there = Session(story, clock), Session(story, clock, [2])
    away.place = "away:1883"

    def connect():
        raise Lost("Connection refused")

    away.connect = connect
    store, told = Store(story), []
    until = clock.now + 20
    collector = Collector([away, there], store, "outpost", told.append, Numbers())
    collector.run(lambda: clock.now >= until)
    assert store.seqs == [1, 2]
    assert told[0].startswith("away:1883: Connection refused; tried again in ")


def test_messages_that_the_broker_throws_away_are_told(run):
    """max_queued_messages is 1000 unless it is set: two thirds of 3,000 were gone, and every node had its acknowledgement."""

    def prepare(session, store):
        counts = iter([None, 5, 5, 7, 7])
        step = session.step

        def count(wait_s):
            session.broker_dropped = next(counts, 3)
            step(wait_s)

        session.step = count

    seen = run([], prepare=prepare)
    texts = [text for text in seen.told if "thrown away" in text]
    # two more; then the broker has restarted, and counts from 0 on
    for text, count in zip(texts, (2, 3), strict=True):
        assert text.startswith(f"warning: broker:1883 has thrown away {count} messages of some")
        assert "max_queued_messages 1000000000 in mosquitto.conf keeps them" in text
    assert [kind for kind, _ in seen.store.notes] == ["broker", "broker"]


def test_silence_is_told_once(run):
    """A broker with access rules grants a subscription and sends nothing."""
    told = run([], seconds=3000).told
    assert [text for text in told if text.startswith("nothing has come for 10 minutes: no node")]
    assert len(told) == 2


def test_what_an_account_may_not_read_of_the_state_is_told(run):
    def prepare(session, store):
        session.barred = ["outpost/+/info"]

    assert "warning: this account may not read outpost/+/info" in run([], prepare=prepare).told


def test_a_gap_is_told_and_noted(run):
    health = got(1, topic="outpost/attic/health", payload='{"outbox":0}')

    def prepare(session, store):
        store.missing = 4

    script = [health, *[None] * 700, health]
    seen = run(script, prepare=prepare)
    (text,) = [text for text in seen.told if "are missing" in text]
    assert text.startswith("warning: attic: 4 readings are missing that the node does not explain")
    assert [kind for kind, _ in seen.store.notes] == ["gap"]


def test_it_notes_each_minute_since_when_it_listens(run, clock):
    """A node is silent only while somebody would have heard it."""
    began = int(clock.now * 1000)
    noted = run([], seconds=200).store.known[LISTENING]
    since, until, before, ended = map(int, noted.split())
    assert since == began and began + 120_000 < until <= began + 200_000
    assert (before, ended) == (0, 0)


def test_it_notes_at_once_that_a_connection_has_ended_and_begun(run, clock):
    """What the broker's own end makes it say of the nodes is known by that."""
    began = int(clock.now * 1000)
    script = [*[None] * 100, Lost("it ended")]
    away = run(script, seconds=5.5).store.known[LISTENING]
    since, lost, before, ended = map(int, away.split())
    assert (since, before, ended) == (began, 0, 1) and abs(lost - began - 5_000) < 100
    clock.now = began / 1000
    back = run(script, seconds=20).store.known[LISTENING]
    since, until, before, ended = map(int, back.split())
    assert (before, ended) == (lost, 0) and lost < since <= until


def test_a_clock_that_was_ahead_is_set_right_with_the_next_note(clock, monkeypatch):
    """Else no node would be called silent before that time, nor before the next connection."""
    store = Store([])
    watching = lookout.Lookout(store, "outpost", lambda text: None)
    now = int(clock.now * 1000)
    with monkeypatch.context() as patch:
        patch.setattr(lookout, "_now_ms", lambda: now + 365 * 86_400_000)
        watching.connected(Session([], clock))
    clock.now += 100
    watching.step(Session([], clock))
    right = int(clock.now * 1000)
    assert store.known[LISTENING] == f"{right} {right} 0 0" and store.set_right_at == right


def test_hourly_means_are_computed_while_nothing_waits(run):
    def prepare(session, store):
        store.due = 250

    assert run([5], prepare=prepare).story == [
        *("connected", "stored 5", "acknowledged 5"),
        *("summed up 100", "summed up 100", "summed up 50"),
    ]
