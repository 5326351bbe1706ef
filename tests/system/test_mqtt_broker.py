"""lib/mqtt under real MicroPython against a real mosquitto."""

import contextlib
import time

import pytest
from mqtt_board import SENDER, Board, Listener, run

from sim.broker import KEEP_ALL
from tools import mpy


@pytest.fixture
def open_broker(brokers):
    def make(**options):
        return brokers(**({"users": None, "acl": None} | options))

    return make


def test_frozen_broker_is_given_up_and_comes_back(open_broker):
    broker = open_broker(persistent=True)
    with (
        Listener(broker.port) as listener,
        Board(SENDER, port=broker.port, count=40, qos=2) as board,
    ):
        assert board.hear() == "ten"
        broker.freeze()
        time.sleep(5)
        broker.thaw()
        assert board.hear(60)[:2] == [40, 0]
        assert sorted(listener.wait(40), key=int) == [b"%d" % i for i in range(40)]


@pytest.mark.parametrize("action", ["reset", "swallow"])
def test_connection_lost_in_the_middle(open_broker, action):
    from sim.proxy import Proxy

    broker = open_broker(persistent=True)
    with (
        Listener(broker.port) as listener,
        Proxy(broker.port) as proxy,
        Board(SENDER, port=proxy.port, count=60, qos=2, every=30) as board,
    ):
        assert board.hear() == "ten"
        for _ in range(2):
            time.sleep(0.4)
            getattr(proxy, action)()
            time.sleep(4 if action == "swallow" else 0.3)
            proxy.heal()
        assert board.hear(60)[:2] == [60, 0]
        assert sorted(listener.wait(60), key=int) == [b"%d" % i for i in range(60)]


def test_one_message_at_a_time_is_all_the_broker_gives(open_broker):
    broker = open_broker(settings=("max_inflight_messages 1",))
    said = run(
        """
        c = bring_up(Client("r", "127.0.0.1", args["port"], window2=1))
        c.want("in/#", 2)
        advance(c, 300)
        got = []
        for i in range(30):
            while c.send(b"in/%d" % i, b"x", qos=1 + i % 2) is None:
                got += advance(c, 10)[1]
        begin = ticks_ms()
        while len(got) < 30 and ticks_diff(ticks_ms(), begin) < 10000:
            got += advance(c, 50)[1]
        advance(c, 300)  # the last PUBREL
        say([len(got), c.pending, c.received])
        """,
        port=broker.port,
    )
    assert said == [[30, 0, []]]


def test_a_message_too_large_for_the_broker(open_broker):
    broker = open_broker(settings=("max_packet_size 1000",))
    said = run(
        """
        c = bring_up(Client("big", "127.0.0.1", args["port"]))
        c.send(b"t", b"x" * 2000, qos=1)
        c.send(b"t", b"small", qos=1)
        for _ in range(3):
            try:
                advance(c, 5000)
                say("survived")
            except OSError as e:
                c.start(ticks_ms())
        say([c.fruitless, c.in_flight])
        c.close()
        c.forget(c.in_flight[0])
        bring_up(c)
        say([advance(c, 3000, lambda: not c.pending)[0], c.pending])
        """,
        port=broker.port,
    )
    assert said == [[3, [1, 2]], [[2], 0]]


def test_wrong_password_and_forbidden_topics(brokers):
    broker = brokers(users={"u": "right"}, acl={"u": ("readwrite mine/#",)})
    said = run(
        """
        c = Client("c", "127.0.0.1", args["port"], user="u", password="wrong")
        try:
            bring_up(c)
        except Refused as e:
            say([e.code, str(e)])
        c.pswd = "right"
        bring_up(c)
        got = []
        c.set_callback(lambda topic, msg: got.append(str(topic)))
        c.subscribe("other/#", 1)             # mosquitto grants it, and delivers nothing
        c.subscribe("mine/#", 1)
        c.publish("other/1", b"x", qos=1)     # acknowledged and dropped, as 3.1.1 has it
        c.publish("mine/1", b"x")
        while not got:
            c.wait_msg()
        say(got)
        """,
        port=broker.port,
    )
    assert said[0][0] in (4, 5) and said[1:] == [["b'mine/1'"]]


def test_many_retained_messages(open_broker):
    broker = open_broker()
    with Listener(broker.port) as listener:
        for i in range(1, 200):
            listener.client.publish(f"kept/{i}", b"x" * (i * 10), qos=1, retain=True)
        listener.wait(199)
        said = run(
            """
            c = bring_up(Client("late", "127.0.0.1", args["port"], max_packet=1500))
            c.want("kept/#", 1)
            n, retained = 0, 0
            begin = ticks_ms()
            while n + c.skipped < 199 and ticks_diff(ticks_ms(), begin) < 10000:
                messages = c.step(ticks_ms())[1]  # a few at a time: they do not all fit
                n += len(messages)
                retained += sum(m[2] for m in messages)
            say([n, c.skipped, retained])
            """,
            port=broker.port,
        )
    assert said == [[150, 49, 150]]  # 10 to 1500 bytes; 1510 to 1990 were skipped


@pytest.mark.slow
def test_seventy_thousand_messages(open_broker):
    broker = open_broker(persistent=False, settings=KEEP_ALL)
    said = run(
        """
        c = bring_up(Client("many", "127.0.0.1", args["port"]))
        sent = acked = 0
        largest = 0
        before = None
        while acked < 70000:
            while sent < 70000:
                pid = c.send(b"t", b"%d" % sent, qos=1)
                if pid is None:
                    break
                largest = max(largest, pid)
                sent += 1
            n = len(c.step(ticks_ms())[0])
            acked += n
            if not n:
                c._poll(100)
            if before is None and acked > 1000:
                gc.collect()
                before = gc.mem_alloc()
        gc.collect()
        say([acked, c.pending, largest, gc.mem_alloc() - before < 500])
        """,
        port=broker.port,
        timeout=110,
    )
    assert said == [[70000, 0, 65535, True]]


def test_taken_over_by_the_same_client_id(open_broker):
    broker = open_broker()
    said = run(
        """
        a = bring_up(Client("same", "127.0.0.1", args["port"]))
        b = bring_up(Client("same", "127.0.0.1", args["port"]))
        try:
            advance(a, 3000)
        except OSError as e:
            say([str(e), a.connected, b.connected])
        say(b.step(ticks_ms()))
        """,
        port=broker.port,
    )
    assert "closed" in said[0][0] or "RESET" in said[0][0]
    assert said[0][1:] == [False, True]


def test_will_and_birth(open_broker):
    broker = open_broker()
    with Listener(broker.port, "status") as listener:
        with Board(
            """
            c = Client("n", "127.0.0.1", args["port"], keepalive=2)
            c.set_last_will("status", "offline", qos=1)
            c.set_birth("status", "online")
            bring_up(c)
            advance(c, 500)
            say("up")
            advance(c, 60000)
            """,
            port=broker.port,
        ) as board:
            assert board.hear() == "up"
            time.sleep(4)  # the client's own pings keep it alive
            assert listener.wait(1) == [b"online"]
        assert listener.wait(2) == [b"online", b"offline"]


def test_first_reading_in_one_round_trip(open_broker):
    broker = open_broker()
    with Listener(broker.port) as listener:
        said = run(
            """
            c = Client("battery", "127.0.0.1", args["port"])
            c.start(ticks_ms(), early=True)
            pid = c.send(b"t", b"reading", qos=1)
            ids, _ = advance(c, 3000, lambda: not c.pending)
            c.disconnect()
            say([pid, ids])
            """,
            port=broker.port,
        )
        assert said == [[1, [1]]] and listener.wait(1) == [b"reading"]


def test_half_a_megabyte_through_a_64_kilobyte_heap(open_broker, tmp_path):
    mpy.compile_tree(tmp_path / "flash")
    broker = open_broker()
    image = bytes(i * 7 % 251 for i in range(500_000))
    (tmp_path / "image").write_bytes(image)
    with Listener(broker.port, "image") as listener:
        said = run(
            """
            class Count:
                n = 0
                def write(self, data):
                    self.n += len(data)
            sinks = []
            def choose(topic, size, retained, qos):
                sinks.append(Count())
                return sinks[-1]
            c = Client("cam", "127.0.0.1", args["port"])
            c.set_sink(choose)
            c.set_callback(lambda topic, msg: None)
            c.connect()
            c.subscribe("image", 1)
            with open(args["image"], "rb") as f:
                c.publish("image", Stream(f, 500000), qos=2)
            while not sinks or sinks[0].n < 500000:
                c.check_msg()
            say(sinks[0].n)
            """,
            port=broker.port,
            image=str(tmp_path / "image"),
            heap="64k",
            lib=tmp_path / "flash" / "lib",
        )
        assert said == [500_000]
        assert listener.wait(1) == [image]


def test_nobody_there_and_a_name_that_is_unknown(open_broker):
    broker = open_broker()
    port = broker.port
    broker.stop()
    said = run(
        """
        for host, port in (("127.0.0.1", args["port"]), ("no.such.host.invalid", 1883)):
            try:
                bring_up(Client("c", host, port))
            except OSError as e:
                say("OSError")
        """,
        port=port,
    )
    assert said == ["OSError", "OSError"]


def test_no_descriptor_is_left(open_broker):
    broker = open_broker()
    with contextlib.closing(
        Board(
            """
        import os
        for i in range(30):
            c = Client("c%d" % (i % 3), "127.0.0.1", args["port"])
            bring_up(c)
            c.close()
            try:
                bring_up(Client("d", "127.0.0.1", 1))
            except OSError:
                pass
        say(len(os.listdir("/proc/self/fd")))
        """,
            port=broker.port,
        ).process.stdout
    ) as out:
        assert int(out.readline()) < 10
