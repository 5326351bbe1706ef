"""A second broker, of another author: what mosquitto is lenient about shows here."""

import asyncio
import threading

import pytest
from mqtt_board import run

from tools.broker import free_port

amqtt = pytest.importorskip("amqtt.broker")


@pytest.fixture
def amqtt_port():
    port = free_port()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
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


def test_pipelined_and_resumed(amqtt_port):
    said = run(
        """
        c = Client("b", "127.0.0.1", args["port"])
        sent = acked = 0
        up(c)
        begin = ticks_ms()
        while acked < 200 and ticks_diff(ticks_ms(), begin) < 20000:
            while sent < 200 and c.send("t", b"%d" % sent, qos=1 + sent % 2) is not None:
                sent += 1
                if sent in (50, 120):
                    c.close()
                    up(c)
            acked += len(advance(c, 20)[0])
        say([sent, c.pending])
        """,
        port=amqtt_port,
    )
    assert said == [[200, 0]]
