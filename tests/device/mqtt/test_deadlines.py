"""Nothing waits for ever: every way a peer can fall silent, and the time it is given."""

import errno as errnos

from mqtt_peer import Broker, Net, connect, publish, run

from mqtt import Client, Refused
from mqtt.stream import Stream

BOARDS = ("esp32", "pico_w")

NEARLY = 0x3FFFFF00  # ticks that wrap within the test
POLLED_MS = 20  # a socket that takes nothing yet says nothing by itself: the client asks it


def make(**options):
    net = Net(Broker())
    return net, Client("c", "broker", net=net, **options)


def dies_after(client, net, now, ms):
    """The client gives up at `ms` after now, not before, at the call that it asked for, and closes its sockets."""
    from time import ticks_add

    assert client.step(now) == ([], [])
    assert client.poll_ms(now) <= ms
    nearly = ticks_add(now, ms - 1)
    client.step(nearly)
    left = client.poll_ms(nearly)
    assert left in (1, POLLED_MS), left
    try:
        client.step(ticks_add(nearly, left))
    except OSError as e:
        assert e.errno == errnos.ETIMEDOUT, e
        assert net.open() == 0 and not client.connected
        return e
    raise AssertionError("still waiting")


def test_tcp_that_never_comes():
    net, client = make()
    net.setup = lambda wire: setattr(wire, "connecting", True)
    client.start(NEARLY)
    assert client.poll_ms(NEARLY) <= 20
    said = str(dies_after(client, net, NEARLY, 20000).args[1])
    assert said == "no connection in time; check address and port, and for a firewall"


def test_connack_that_never_comes():
    # The client said that TCP had not come: a web server waits for more of what it takes for a request.
    net, client = make()
    net.broker.mute = True
    client.start(NEARLY)
    said = str(dies_after(client, net, NEARLY, 20000).args[1])
    assert said.startswith("connected, but nothing answers in MQTT; MQTT has a port of its own")


def test_acknowledgement_that_never_comes():
    for qos in (1, 2):
        net, client = make()
        connect(client, NEARLY)
        net.broker.mute = True
        client.send(b"t", b"", qos=qos)
        dies_after(client, net, NEARLY, 10000)
        assert client.pending == 1


def test_the_acknowledgement_of_what_is_sent_between_two_steps_has_its_deadline():
    for qos in (1, 2):
        net, client = make()
        connect(client, 0)
        client.step(5000)
        net.broker.mute = True
        client.send(b"t", b"", qos=qos)
        # as a loop that sleeps for as long as it may
        assert client.poll_ms(7000) == 10000
        try:
            client.step(17000)
        except OSError as e:
            assert e.errno == errnos.ETIMEDOUT and client.pending == 1
        else:
            raise AssertionError("still waiting: the deadline began at the second look")


def test_a_program_that_sent_after_a_sleep_waits_all_the_same():
    net, client = make()
    connect(client, 0)
    net.broker.mute = True
    client.send(b"t", b"", qos=1)  # long after the last step
    assert client.step(300000) == ([], [])
    dies_after(client, net, 300000, 10000)


def test_pings_do_not_put_an_acknowledgement_off():
    net, client = make(keepalive=4)
    connect(client)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x32 else answer
    client.send(b"t", b"", qos=1)
    now = 0
    try:
        while now < 30000:
            client.step(now)
            now += 500
    except OSError as e:
        assert e.errno == errnos.ETIMEDOUT and 10000 <= now <= 10500
        assert (0xC0, None) in net.broker.log
        return
    raise AssertionError("still waiting")


def test_messages_do_not_put_an_acknowledgement_off():
    net, client = make()
    connect(client)
    net.broker.mute = True
    client.send(b"t", b"", qos=1)
    now = 0
    try:
        while now < 30000:
            net.broker.say(publish(b"t", b"chatter"))
            client.step(now)
            now += 500
    except OSError as e:
        assert e.errno == errnos.ETIMEDOUT and 10000 <= now <= 11000
        return
    raise AssertionError("still waiting")


def test_slow_acknowledgements_are_enough():
    net, client = make()
    connect(client)
    net.broker.mute = True
    for _ in range(5):
        client.send(b"t", b"", qos=1)
    client.step(0)
    for pid in range(1, 6):
        net.broker.say(b"\x40\x02\x00" + bytes((pid,)))
        assert client.step(pid * 9000)[0] == [pid]
    assert client.connected


def test_socket_that_takes_nothing():
    net, client = make()
    connect(client, NEARLY)
    net.wire.takes = 0
    client.send(b"t", b"qos 0")
    dies_after(client, net, NEARLY, 10000)


def test_half_a_packet():
    net, client = make()
    connect(client, NEARLY)
    net.broker.say(b"\x30\x20\x00")
    dies_after(client, net, NEARLY, 10000)


def test_a_packet_that_came_in_halves_is_over():
    net, client = make()
    connect(client)
    data = publish(b"t", b"in halves")
    net.broker.say(data[:5])
    client.step(0)
    net.broker.say(data[5:])
    assert len(client.step(9000)[1]) == 1
    for now in (10000, 19000, 30000):
        assert client.step(now) == ([], [])


def test_the_acknowledgement_of_a_stream_has_its_deadline_when_all_of_it_is_written():
    for qos in (1, 2):
        net, client = make()
        connect(client, NEARLY)
        net.broker.mute = True
        client.send(b"t", Stream([b"x" * 100] * 30, 3000), qos=qos)
        run(client, NEARLY)
        dies_after(client, net, NEARLY, 10000)
        assert client.pending == 1


def test_half_of_a_large_message():
    net, client = make()
    connect(client, NEARLY)
    net.broker.say(publish(b"t", b"x" * 3000)[:1500])
    run(client, NEARLY)
    dies_after(client, net, NEARLY, 10000)


def test_a_large_message_that_goes_on_coming_is_waited_for():
    net, client = make()
    connect(client)
    data = publish(b"t", b"x" * 3000)
    now = 0
    got = []
    for i in range(0, len(data), 100):
        net.broker.say(data[i : i + 100])
        got += client.step(now)[1]
        now += 5000
    assert len(got) == 1 and len(got[0][1]) == 3000


def test_ping_when_idle_and_dead_when_it_is_not_answered():
    net, client = make(keepalive=60)
    connect(client, NEARLY)
    from time import ticks_add

    net.broker.log = []
    assert 44000 < client.poll_ms(NEARLY) <= 45000
    client.step(ticks_add(NEARLY, 44999))
    assert net.broker.log == []
    for n in range(1, 4):  # well within the broker's 90 s
        client.step(ticks_add(NEARLY, n * 45000))
        client.step(ticks_add(NEARLY, n * 45000))
        assert net.broker.log == [(0xC0, None)] * n
    net.broker.mute = True
    begin = ticks_add(NEARLY, 180000)
    client.step(begin)
    dies_after(client, net, begin, 10000)


def test_ping_though_something_is_sent_all_the_time():
    # QoS 0 is never answered: without PINGREQ a dead link would go unseen.
    net, client = make(keepalive=20)
    connect(client)
    net.broker.mute = True
    net.broker.log = []
    now = 0
    try:
        while now < 60000:
            client.send(b"t", b"")
            client.step(now)
            now += 1000
    except OSError as e:
        assert e.errno == errnos.ETIMEDOUT and 25000 <= now <= 27000, now
        return
    raise AssertionError("still alive")


def test_what_came_leaves_less_time_until_the_next_ping():
    net, client = make(keepalive=20)
    connect(client)
    net.broker.say(publish(b"t", b"heard, but nothing was sent"))
    client.step(6000)
    client.step(6000)
    assert client.poll_ms(6000) == 9000


def test_no_keepalive_no_ping():
    net, client = make()
    connect(client)
    net.broker.log = []
    for now in range(0, 10**7, 10**6):
        assert client.step(now) == ([], [])
        assert 1000 < client.poll_ms(now) <= 60000
    assert net.broker.log == []


def test_pings_that_are_switched_off_are_of_one_connection():
    net, client = make(keepalive=60)
    connects = []
    greet = net.broker.greet
    net.broker.greet = lambda body: connects.append(body[8] << 8 | body[9]) or greet(body)
    for begin in 0, 500000:
        connect(client, begin)
        net.broker.log = []
        client.deadlines.keepalive = 0
        for now in range(begin, begin + 200000, 10000):
            client.step(now)
        assert net.broker.log == []
        client.deadlines.keepalive = 60
        client.step(begin + 250000)  # it is seen within a minute
        assert net.broker.log == [(0xC0, None)] and client.pinging
        client.step(begin + 250000)
        assert not client.pinging
        client.close()
    assert connects == [60, 60]
    connect(client, 900000)
    net.broker.log = []
    client.step(945000)
    assert net.broker.log == [(0xC0, None)]


def test_nothing_of_a_connection_is_waited_for_on_the_next():
    net, client = make(keepalive=60)
    connect(client)
    net.broker.mute = True
    client.step(45000)
    assert client.pinging and client.sock
    client.close()
    net.broker.mute = False
    connect(client, 50000)
    net.broker.log = []
    assert not client.pinging
    client.step(95000)
    assert net.broker.log == [(0xC0, None)], "the ping of the one before is still waited for"
    client.step(95000)
    for now in (100000, 200000):  # half a packet, as far on in both connections
        client.close()
        connect(client, now)
        net.broker.say(b"\x30\x20\x00")
        dies_after(client, net, now, 10000)


def test_a_program_that_slept_reads_before_it_judges():
    _, client = make(keepalive=60)
    connect(client)
    client.send(b"t", b"", qos=1)  # answered at once, but the program sleeps
    assert client.step(300000)[0] == [1]
    assert client.connected


def test_refused_and_reset_close_the_socket():
    for e in (errnos.ECONNRESET, errnos.ECONNABORTED):
        net, client = make()
        net.setup = lambda wire, e=e: setattr(wire, "error", e)
        try:
            client.start(0)
            client.step(0)
        except OSError as got:
            assert got.errno == e
        else:
            raise AssertionError
        assert net.open() == 0
        net, client = make()
        connect(client)
        net.wire.error = e
        assert client.send(b"t", b"", qos=1) == 1  # the next step says it
        try:
            client.step(0)
        except OSError as got:
            assert got.errno == e
        else:
            raise AssertionError
        assert net.open() == 0 and client.pending == 1


def test_name_is_looked_up_seldom_and_its_last_address_kept():
    net, client = make()
    for _ in range(5):
        connect(client)
    assert net.lookups == 1
    net.broker.mute = True
    net.unknown = True
    for _ in range(6):  # the third attempt looks up again, in vain, and goes to the last address
        try:
            connect(client)
            client.step(30000)
        except OSError as e:
            assert e.errno == errnos.ETIMEDOUT
        else:
            raise AssertionError("a silent broker was enough")
    assert net.lookups > 1
    net.broker.mute = False
    connect(client)
    assert client.connected
    client.server = "another"
    try:
        connect(client)
    except OSError:
        assert net.open() == 0
        return
    raise AssertionError("another broker's address was used")


def test_forty_failures_leave_no_socket():
    net, client = make()
    for i in range(40):
        net.setup = lambda wire, i=i: setattr(wire, "ended", i % 2)
        net.broker.code = 5
        try:
            connect(client)
        except (OSError, Refused):
            assert net.open() == 0
        else:
            raise AssertionError("connected")
