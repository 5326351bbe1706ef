"""umqtt's own calls: what umqtt.simple and umqtt.robust document, without their hangs."""

import time

from mqtt_peer import Broker, Net
from raising import raises
from umqtt.robust import MQTTClient as Robust
from umqtt.simple import MQTTException

import sim
from mqtt import Client, ProtocolError, Refused
from mqtt.stream import Stream

SLOW = True
BOARDS = ("esp32", "pico_w")


def make(**options):
    sim.virtual()
    net = Net(Broker())
    client = Client("c", "broker", net=net, **options)
    client.got = []
    client.delay = lambda i: sim.sleep(2000)  # umqtt sleeps by `utime`, which is the host's
    client.set_callback(lambda topic, msg: client.got.append((topic, msg)))
    return net, client


def test_a_program_written_for_umqtt():
    net, client = make()
    assert isinstance(client, Robust)
    client.set_last_will("status", "offline", retain=True, qos=1)
    assert client.connect() == 0
    assert client.connect(clean_session=False) == 0
    client.subscribe("a/#")
    client.subscribe(b"b", qos=1)
    client.publish("a/1", "text")
    client.publish(b"a/1", b"bytes", retain=True)
    client.publish(b"a/2", b"acknowledged", qos=1)
    client.publish(b"a/3", b"twice", True, 2)
    client.ping()
    assert client.check_msg() is None and client.got == []
    net.broker.give(b"a/1", b"in", 1, 5)
    assert client.wait_msg() is None and client.got == [(b"a/1", b"in")]
    assert net.broker.out == {}  # acknowledged
    client.unsubscribe("a/#")
    client.disconnect()
    assert net.broker.log[-1] == (0xE0, None) and net.open() == 0 and client.sock is None
    assert net.broker.filters == [b"a/#", b"b"] and len(net.broker.seen) == 4
    assert client.connect(False) == 1
    client.disconnect()
    client.disconnect()  # twice does no harm


def test_default_is_a_clean_session_as_in_umqtt():
    _, client = make()
    assert [client.connect(clean) for clean in (False, False, True, False)] == [0, 1, 0, 0]
    assert client.connect() == 0 and client.connect(False) == 0


def test_callback_with_details():
    net, client = make()
    got = []
    client.set_callback(lambda *message: got.append(message), details=True)
    client.connect()
    net.broker.give(b"a", b"1", 2, 7)
    client.wait_msg()
    assert got == [(b"a", b"1", False, 2)]


def test_callback_that_publishes():
    net, client = make()
    client.set_callback(lambda topic, msg: client.publish(b"echo", msg, qos=1))
    client.connect()
    net.broker.give(b"a", b"1", 1, 7)
    net.broker.give(b"a", b"2", 1, 8)
    client.wait_msg()
    while len(net.broker.seen) < 2:
        client.wait_msg()
    assert net.broker.seen == [(b"echo", b"1"), (b"echo", b"2")] and net.broker.out == {}


def test_wait_msg_waits_and_pings():
    net, client = make(keepalive=10)
    client.connect()
    sim.after(60000, lambda: net.broker.give(b"a", b"late", 0))
    begin = sim.now()
    client.wait_msg()
    assert client.got == [(b"a", b"late")] and sim.now() - begin >= 60000
    assert net.broker.log.count((0xC0, None)) >= 6


def test_refused_is_umqtts_exception():
    net, client = make()
    net.broker.code = 5
    e = raises(MQTTException, client.connect)
    assert (
        isinstance(e, Refused)
        and isinstance(e, MQTTException)
        and e.args[0] == 5
        and net.open() == 0
    )
    net.broker.code = 0
    net.broker.refuse = (b"secret",)
    client.connect()
    e = raises(MQTTException, client.subscribe, b"secret")
    assert e.args[0] == 0x80 and client.connected
    net.broker.refuse = ()
    client.subscribe(b"secret")


def test_connect_has_a_deadline():
    net, client = make()
    net.broker.mute = True
    begin = sim.now()
    raises(OSError, client.connect)
    assert 20000 <= sim.now() - begin <= 21000
    begin = sim.now()
    raises(OSError, client.connect, timeout=2)
    assert 2000 <= sim.now() - begin <= 2100
    begin = sim.now()
    raises(OSError, client.connect)
    assert sim.now() - begin >= 20000 and net.open() == 0


def test_publish_survives_a_lost_connection():
    net, client = make()
    client.connect(False)
    for qos in (0, 1, 2):
        net.broker.seen = []
        net.wire.ended = True
        client.publish(b"t", b"%d" % qos, qos=qos)
        if qos:  # at QoS 0 nobody knows whether the last write arrived
            assert net.broker.seen == [(b"t", b"%d" % qos)]
    assert client.pending == 0


def test_publish_into_a_black_hole_comes_back():
    net, client = make()
    client.reconnect_timeout = 60
    client.connect(False)
    for qos, kept in ((1, 0), (2, 1)):
        net.broker.mute = True
        begin = sim.now()
        raises(OSError, client.publish, b"t", b"", qos=qos)
        assert sim.now() - begin < 100000
        assert client.pending == kept  # QoS 1 is the caller's again; QoS 2 must not be doubled
        net.broker.mute = False
        client.reconnect()
    client.publish(b"t", b"", qos=2)
    assert client.pending == 0


def test_a_broker_that_connects_and_never_acknowledges():
    net, client = make()
    net.broker.hear = lambda first, pid, answer: [] if first & 0xF0 == 0x30 else answer
    client.connect(False)
    begin = sim.now()
    raises(OSError, client.publish, b"t", b"", qos=1)
    assert sim.now() - begin < 60000


def test_reconnect_is_bounded_and_waits_between():
    net, client = make()
    delays = []
    client.delay = lambda i: delays.append(i) or sim.sleep(2000)
    client.reconnect_timeout = 10
    net.setup = lambda wire: setattr(wire, "ended", True)
    begin = sim.now()
    raises(OSError, client.reconnect)
    assert delays == [1, 2, 3, 4] and sim.now() - begin <= 10000 and net.open() == 0


def test_subscriptions_come_back_by_themselves():
    net, client = make()
    client.connect(False)
    client.subscribe(b"a", 1)
    net.broker.filters = []
    net.broker.session = False
    net.wire.ended = True
    client.publish(b"t", b"", qos=1)
    client.check_msg()
    assert net.broker.filters == [b"a"]


def test_calls_without_a_connection():
    net, client = make(timeout=1)
    client.reconnect_timeout = 5
    net.unknown = True
    for call in (lambda: client.publish(b"t", b""), client.wait_msg, client.check_msg):
        raises(OSError, call)
    net.unknown = False
    client.publish(b"t", b"", qos=1)  # robust connects when it has to
    assert client.connected


def test_publish_at_a_silent_broker_takes_one_timeout_for_each_attempt():
    for idle_ms in (0, 3600000):
        net, client = make(timeout=10)
        client.connect()
        net.broker.hear = lambda first, pid, answer: []  # welcomes, and never acknowledges
        time.sleep_ms(idle_ms)
        begin = time.ticks_ms()
        raises(OSError, client.publish, b"t", b"", qos=1)
        took = time.ticks_diff(time.ticks_ms(), begin)
        assert 40000 <= took < 42000, took  # the first, and three reconnections
        assert client.pending == 0


def test_a_socket_that_takes_nothing_has_its_time_after_an_idle_hour():
    net, client = make(timeout=10)
    client.connect()
    time.sleep_ms(3600000)
    net.wire.takes = 0
    begin = time.ticks_ms()
    client.publish(b"t", Stream([b"x" * 600], 600))  # over the next connection
    assert 10000 <= time.ticks_diff(time.ticks_ms(), begin) < 12000
    assert net.broker.seen == [(b"t", b"x" * 600)]


def test_acknowledgements_of_send_are_left_for_step():
    _, client = make()
    client.connect()
    pid = client.send(b"t", b"1", qos=1)
    client.publish(b"t", b"2", qos=1)
    client.publish(b"t", b"3", qos=2)
    assert client.step(0)[0] == [pid]


def test_will_is_checked():
    _, client = make()
    raises(ValueError, client.set_last_will, "", "x")
    raises(ValueError, client.set_last_will, "a/#", "x")
    client.set_last_will(None, None)
    client.connect()


def test_garbage_is_answered_by_reconnecting():
    net, client = make()
    client.connect(False)
    net.wire.inbox += b"\xff\xff\xff\xff\xff"
    client.publish(b"t", b"", qos=1)
    assert client.connected and len(net.wires) == 2
    net.broker.begin = lambda wire: wire.inbox.extend(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    raises((ProtocolError, OSError), client.connect)
    assert net.open() == 0


def test_every_socket_is_closed_but_one():
    net, client = make()
    for _ in range(20):
        client.connect(False)
        net.wire.ended = True
        client.check_msg()
    assert net.open() == 1


def test_a_link_that_ends_with_an_acknowledgement_nobody_waits_for():
    # The error waited for step() to be called, which such a program never does: it stayed without a connection.
    net, client = make()
    client.connect(False)
    assert client.send(b"t", b"1", qos=1) == 1
    net.wire.ended = True
    client.check_msg()
    assert client.sock is None
    client.check_msg()
    assert client.connected and len(net.wires) == 2
    assert client.step(time.ticks_ms())[0] == [1]
