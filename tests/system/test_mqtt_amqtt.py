"""A second broker, of another author: what mosquitto is lenient about shows here."""

import asyncio
import threading

import pytest
from mqtt_board import Board, Listener, run

from sim.broker import free_port

amqtt = pytest.importorskip("amqtt.broker")
from amqtt.mqtt.protocol.handler import ProtocolHandler  # noqa: E402
from amqtt.mqtt.pubcomp import PubcompPacket  # noqa: E402


@pytest.fixture
def amqtt_port(request):
    """A broker's port. It keeps nothing for a client without a name: parameter False, everybody has to have one."""
    anonymous = getattr(request, "param", True)
    port = free_port()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": anonymous}
        },
    }

    async def start():
        broker = amqtt.Broker(config)
        await broker.start()
        return broker

    broker = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    yield port
    asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_every_qos_both_ways(amqtt_port):
    said = run(
        """
        c = Client("a", "127.0.0.1", args["port"], keepalive=30)
        got = []
        c.set_callback(lambda *message: got.append(message), details=True)
        say(c.connect(False))
        c.subscribe("in/#", 2)
        for i in range(30):
            c.publish("in/%d" % (i % 3), b"%d" % i, qos=i % 3)
        begin = ticks_ms()
        while len(got) < 30 and ticks_diff(ticks_ms(), begin) < 10000:
            c.check_msg()
            sleep_ms(5)
        say([len(got), sorted(int(m[1]) for m in got) == list(range(30)), sorted({m[3] for m in got})])
        c.unsubscribe("in/#")
        c.disconnect()
        """,
        port=amqtt_port,
    )
    assert said == [False, [30, True, [2]]]  # amqtt sends at the QoS of the subscription


# As the node does it: after an error it connects again, and where that has not helped it begins a new session.
RESUMED = """
    c = Client("b", "127.0.0.1", args["port"], timeout=3)
    sent = acked = 0
    bring_up(c)
    begin = ticks_ms()
    while acked < 200 and ticks_diff(ticks_ms(), begin) < 60000:
        try:
            if c.sock is None:
                if c.fruitless > 1:
                    say(c.released)
                bring_up(c, anew=c.fruitless > 1)
            while sent < 200 and c.send("t", b"%d" % sent, qos=1 + sent % 2) is not None:
                sent += 1
                if sent in (50, 120):
                    c.close()
                    bring_up(c)
            acked += len(advance(c, 20)[0])
        except OSError as e:
            say(str(e))
    say([sent, acked, c.pending])
"""


def test_pipelined_and_resumed(amqtt_port):
    """What it says before its last line depends on when the connection ended: see the next test."""
    assert run(RESUMED, 90, port=amqtt_port)[-1] == [200, 200, 0]


def test_an_exchange_that_the_broker_has_forgotten(amqtt_port, monkeypatch):
    """amqtt 0.12.1 forgets an exchange before it sends PUBCOMP, and is silent to a PUBREL that it knows nothing of [MQTT-4.3.3-2].

    So a connection that ends in between leaves one that no other connection ends. Here that PUBCOMP is the one of id 40.
    """
    send = ProtocolHandler._send_packet
    lost = []

    async def cut(handler, packet):
        if isinstance(packet, PubcompPacket) and packet.packet_id == 40 and not lost:
            lost.append(packet)
        else:
            await send(handler, packet)

    monkeypatch.setattr(ProtocolHandler, "_send_packet", cut)
    *said, end = run(RESUMED, 90, port=amqtt_port)
    assert end == [200, 200, 0]
    assert lost and any(40 in each for each in said if isinstance(each, list)), said


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_with_another_client(amqtt_port, qos):
    with (
        Listener(amqtt_port, "up/#", qos=qos) as listener,
        Board(
            """
            c = bring_up(Client("d", "127.0.0.1", args["port"]))
            c.want("down/#", args["qos"])
            advance(c, 500)
            for i in range(20):
                c.send("up/%d" % i, b"%d" % i, qos=args["qos"])
            advance(c, 3000, lambda: not c.pending)
            say(c.pending)
            got = []
            begin = ticks_ms()
            while len(got) < 20 and ticks_diff(ticks_ms(), begin) < 10000:
                got += advance(c, 50)[1]
            advance(c, 300)
            say([[int(m[1]) for m in got], sorted({m[3] for m in got}), c.received])
            """,
            port=amqtt_port,
            qos=qos,
        ) as board,
    ):
        assert board.hear() == 0
        assert sorted(int(payload) for payload in listener.wait(20)) == list(range(20))
        for i in range(20):
            listener.client.publish(f"down/{i}", b"%d" % i, qos=qos)
        numbers, levels, unfinished = board.hear()
        assert sorted(numbers) == list(range(20))
        assert (levels, unfinished) == ([qos], [])


def test_retained(amqtt_port):
    said = run(
        """
        c = bring_up(Client("keeper", "127.0.0.1", args["port"]))
        c.send("kept/a", b"1", retain=True, qos=1)
        c.send("kept/b", b"2", retain=True, qos=2)
        c.send("kept/c", b"3", qos=1)
        advance(c, 3000, lambda: not c.pending)
        c.disconnect()
        c = bring_up(Client("late", "127.0.0.1", args["port"]))
        c.want("kept/#", 2)
        got = []
        begin = ticks_ms()
        while ticks_diff(ticks_ms(), begin) < 1000:
            got += advance(c, 100)[1]
        say(sorted([str(m[0], "utf-8"), str(m[1], "utf-8"), m[2]] for m in got))
        """,
        port=amqtt_port,
    )
    assert said == [[["kept/a", "1", True], ["kept/b", "2", True]]]


def test_will(amqtt_port):
    with Listener(amqtt_port, "status") as listener:
        body = """
            c = Client("n", "127.0.0.1", args["port"], keepalive=30)
            c.set_last_will("status", "offline", qos=1)
            c.set_birth("status", "online")
            bring_up(c)
            advance(c, 500)
            if args["leave"]:
                c.disconnect()
        """
        run(body, port=amqtt_port, leave=True)
        assert listener.wait(1) == [b"online"]
        run(body, port=amqtt_port, leave=False)
        assert listener.wait(3) == [b"online", b"online", b"offline"]


@pytest.mark.parametrize("amqtt_port", [False], indirect=True)
def test_session_resumed(amqtt_port):
    """What came for it while it was away is there afterwards, and it need not subscribe again."""
    said = run(
        """
        a = bring_up(Client("sleeper", "127.0.0.1", args["port"], user="u", password="p"))
        say(a.session_present)
        a.want("in/#", 2)
        begin = ticks_ms()
        while ticks_diff(ticks_ms(), begin) < 500:
            a.step(ticks_ms())
            sleep_ms(5)
        a.disconnect()
        b = Client("talker", "127.0.0.1", args["port"], user="u", password="p")
        b.connect()
        for i in range(10):
            b.publish("in/%d" % i, b"%d" % i, qos=1 + i % 2)
        b.disconnect()
        a.start(ticks_ms())
        got = []
        begin = ticks_ms()
        while len(got) < 10 and ticks_diff(ticks_ms(), begin) < 10000:
            got += [int(m[1]) for m in a.step(ticks_ms())[1]]
            sleep_ms(5)
        say([a.session_present, sorted(got)])
        """,
        port=amqtt_port,
    )
    assert said == [False, [True, list(range(10))]]
