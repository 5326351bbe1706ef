"""What a subscriber with a kept session has received when mosquitto was stopped, killed, or has forgotten everything.

A publisher can promise what the broker promises it. mosquitto acknowledges before it writes: what it acknowledged between
its last save and a SIGKILL is lost, or delivered twice, whatever the QoS. Without persistence every session is gone with
the process: what is published before the subscriber is back has nobody to go to.
"""

import time
from collections import Counter

import pytest
from mqtt_board import SENDER, Board, Listener, run

COUNT = 60
EVERY_MS = 50  # 20 a second


@pytest.fixture
def open_broker(brokers):
    def make(**options):
        return brokers(**({"users": None, "acl": None} | options))

    return make


def numbers(payloads):
    return [int(payload) for payload in payloads]


@pytest.mark.parametrize("qos", [1, 2])
def test_stopped_in_the_middle(open_broker, qos):
    """A stop in order saves everything: none lost, at QoS 2 none doubled."""
    broker = open_broker(persistent=True)
    with (
        Listener(broker.port) as listener,
        Board(SENDER, port=broker.port, count=COUNT, qos=qos, every=25) as board,
    ):
        assert board.hear() == "ten"
        broker.stop()
        time.sleep(0.5)
        broker.start()
        assert board.hear(60)[:2] == [COUNT, 0]
        got = numbers(listener.wait(COUNT))
    assert set(got) == set(range(COUNT))
    if qos == 2:
        assert got == list(range(COUNT))


@pytest.mark.parametrize("qos", [1, 2])
def test_killed_after_it_has_saved(open_broker, qos):
    """What was saved survives SIGKILL, sessions included: none lost, at QoS 2 none doubled."""
    broker = open_broker(persistent=True)
    with (
        Listener(broker.port) as listener,
        Board(SENDER, port=broker.port, count=COUNT, qos=qos, every=25, hold=True) as board,
    ):
        assert board.hear() == "ten"
        listener.wait(10)
        time.sleep(1.5)  # autosave_on_changes: within a second
        broker.kill()
        board.tell()
        time.sleep(0.5)
        broker.start()
        assert board.hear(60)[:2] == [COUNT, 0]
        got = numbers(listener.wait(COUNT))
    assert set(got) == set(range(COUNT))
    if qos == 2:
        assert got == list(range(COUNT))


@pytest.mark.parametrize("qos", [1, 2])
def test_killed_in_the_middle(open_broker, qos):
    """Only what was under way within the second before the kill may be lost or doubled."""
    broker = open_broker(persistent=True)
    with (
        Listener(broker.port) as listener,
        Board(SENDER, port=broker.port, count=COUNT, qos=qos) as board,
    ):
        assert board.hear() == "ten"
        time.sleep(0.7)
        broker.kill()
        at = max(numbers(m.payload for m in list(listener.messages)))
        time.sleep(0.5)
        broker.start()
        assert board.hear(60)[:2] == [COUNT, 0]
        got = Counter(numbers(listener.wait(COUNT)))
    second = 1000 // EVERY_MS
    wrong = {n for n in range(COUNT) if got[n] != 1}
    assert wrong <= set(range(at - second, at + 4)), (at, sorted(wrong))
    assert set(got) <= set(range(COUNT))


@pytest.mark.parametrize("qos", [1, 2])
def test_forgotten_by_the_broker(open_broker, qos):
    """Without persistence: all is acknowledged; lost is at most what went out before the subscriber was back."""
    broker = open_broker(persistent=False)
    with (
        Listener(broker.port) as listener,
        Board(SENDER, port=broker.port, count=80, qos=qos, hold=True) as board,
    ):
        assert board.hear() == "ten"
        listener.wait(10)
        listener.ready.clear()
        broker.restart()
        board.tell()
        listener.back()
        known = len(listener.messages)
        assert board.hear(60)[:2] == [80, 0]
        listener.wait(80, timeout=1)
        got = numbers(m.payload for m in listener.messages)
    assert got[:10] == list(range(10)) and known >= 10
    after = got[10:]
    assert after == list(range(after[0], 80))  # one gap, then all, in order, each once
    assert len(after) >= 20


@pytest.mark.parametrize("qos", [1, 2])
def test_forgotten_with_messages_in_flight(open_broker, qos):
    """A broker that has lost the session while messages were in flight gets them all again, and in order."""
    broker = open_broker(persistent=False)
    with Board(
        """
        c = Client("sender", "127.0.0.1", args["port"])
        bring_up(c)
        say("up")
        sys.stdin.readline()  # the broker is frozen
        for i in range(20):
            c.send(b"t", b"%d" % i, qos=args["qos"])
        advance(c, 200)
        say(c.pending)
        sys.stdin.readline()  # another one in its place, and a subscriber there
        c.start(ticks_ms())
        advance(c, 10000, lambda: c.connected and not c.pending)
        say([c.session_present, c.pending])
        """,
        port=broker.port,
        qos=qos,
    ) as board:
        assert board.hear() == "up"
        broker.freeze()
        board.tell()
        assert board.hear() == 20
        broker.kill()
        broker.start()
        with Listener(broker.port) as listener:
            board.tell()
            assert board.hear() == [False, 0]
            assert numbers(listener.wait(20)) == list(range(20))


def test_retained_and_subscriptions_after_a_restart(open_broker):
    """With persistence both are kept; without, the client subscribes again by itself."""
    for persistent in (True, False):
        broker = open_broker(persistent=persistent)
        with Board(
            """
            c = Client("s%s" % args["port"], "127.0.0.1", args["port"])
            bring_up(c)
            c.want("in/#", 1)
            advance(c, 300)
            c.send("in/kept", b"1", retain=True, qos=1)
            say(len(advance(c, 1000)[1]))
            try:
                advance(c, 20000)
            except OSError:
                say("lost")
            sys.stdin.readline()
            bring_up(c)
            got = advance(c, 500)[1]
            c.send("in/new", b"2", qos=1)
            got += advance(c, 500)[1]
            say([c.session_present, [str(m[0], "utf-8") for m in got]])
            """,
            port=broker.port,
        ) as board:
            assert board.hear() == 1
            time.sleep(0.2)
            broker.stop()
            assert board.hear() == "lost"
            broker.start()
            board.tell()
            assert board.hear() == [persistent, ["in/new"]]
            kept = run(
                """
                c = bring_up(Client("late", "127.0.0.1", args["port"]))
                c.want("in/kept", 1)
                say(len(advance(c, 700)[1]))
                """,
                port=broker.port,
            )
            assert kept == [1 if persistent else 0]
