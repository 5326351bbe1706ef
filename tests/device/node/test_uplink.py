"""The uplink: which broker when, what introduces the node, and when the link itself is doubted. Against a scripted client."""

import errno
import os
import sys
import time

import firmware
from firmware.link import uplink as module
from firmware.link.uplink import Uplink
from firmware.upkeep.log import Log
from mqtt.client import Refused
from mqtt.deadlines import Deadlines

A = {"host": "a.test", "port": 1883, "user": "node", "password": "secret-a", "tls": None}
B = {"host": "b.test", "port": 1884, "user": "", "password": "", "tls": None}
NOW = time.ticks_ms()
UPTIME = 0


class Subscriptions:
    def filters(self):
        return []

    def withhold(self, filters, allowed=None):
        pass


class Client:
    """Connects at once to the hosts in `up`; elsewhere `error`."""

    def __init__(self, *up):
        self.up = up
        self.error = OSError(errno.ETIMEDOUT)
        self.connected = False
        self.starts = []
        self.sent = []
        self.acked = []
        self.window = 10
        self.client_id = "n"
        self.lowered = False
        self.exactly_once = 0
        self.turned_away = True
        self.last, self.unanswered, self.lied = None, (), False
        self.subscriptions = Subscriptions()
        self.in_flight = ()
        self.lw_topic = b"status"
        self.keepalive = 60
        self.deadlines = Deadlines(None, None, 10, 20)
        self.pending = 0
        self.forgotten = []

    def start(self, now, clean_session=False, anew=False, probe=False):
        self.starts.append((now, self.server, self.port, self.user, self.pswd))

    def step(self, now):
        if self.server not in self.up:
            self.connected = False
            raise self.error
        self.connected = True
        acked, self.acked = self.acked, []
        return acked, []

    def send(self, topic, payload, retain=False, qos=0):
        if len(self.sent) == self.window:
            return None
        self.sent.append((topic, payload, retain, qos))
        return len(self.sent)

    def forget(self, pid):
        assert not self.connected
        self.forgotten.append(pid)

    def poll_ms(self, now):
        return 1000

    def close(self):
        self.connected = False

    def disconnect(self):
        self.connected = False
        self.sent.append("DISCONNECT")


def make(client, *brokers):
    settings = {"brokers": brokers, "clean_session": False}
    settings.update({"qos_max": 2, "retain": True, "window2": 1})
    return Uplink(client, settings, Log("error"))


def run(uplink, ms, online=True, trusted=True, step=100):
    global NOW, UPTIME
    ups = 0
    for _ in range(ms // step):
        NOW = time.ticks_add(NOW, step)
        UPTIME += step
        ups += uplink.step(NOW, UPTIME, online, trusted)
    return ups


def test_connects_once_and_says_so_once():
    client = Client("a.test")
    uplink = make(client, A)
    assert run(uplink, 5000) == 1 and uplink.connected and len(client.starts) == 1
    assert client.starts[0][1:] == ("a.test", 1883, "node", "secret-a")


def test_not_without_wifi():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 60000, online=False)
    assert client.starts == []


def test_wifi_lost_ends_the_session_and_it_comes_back():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 20000)
    run(uplink, 200, online=False)
    assert not uplink.connected and not client.connected
    assert run(uplink, 3000) == 1


def test_documents_first_then_readings():
    client = Client("a.test")
    uplink = make(client, A)
    uplink.introduce(b"status", b"online")
    run(uplink, 200)
    assert uplink.connected and not uplink.ready
    run(uplink, 100)
    assert client.sent == [(b"status", b"online", True, 1)] and uplink.ready


def test_document_again_only_after_the_acknowledgement():
    client = Client("a.test")
    uplink = make(client, A)
    uplink.introduce(b"info", b"1")
    run(uplink, 1000)
    uplink.introduce(b"info", b"2")
    uplink.introduce(b"info", b"3")
    run(uplink, 1000)
    assert [message[1] for message in client.sent] == [b"1"] and not uplink.ready
    client.acked = [1]
    run(uplink, 1000)
    assert [message[1] for message in client.sent] == [b"1", b"3"] and uplink.ready


def test_what_was_true_when_the_link_died_is_not_said_on_the_next_connection():
    """An output that was ON, and is OFF since: who hears ON again acts on it."""
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 2000)
    uplink.introduce(b"lamp", b"ON")
    run(uplink, 200)
    uplink.introduce(b"lamp", b"OFF")  # waits for the acknowledgement
    assert client.sent == [(b"lamp", b"ON", True, 1)]
    client.up = ()
    run(uplink, 200)
    assert client.forgotten == [1]
    client.up = ("a.test",)
    run(uplink, 5000)
    assert uplink.connected and len(client.sent) == 1
    uplink.introduce(b"lamp", b"OFF")  # as the node does at each connection
    run(uplink, 200)
    assert client.sent[1:] == [(b"lamp", b"OFF", True, 1)]


def test_a_document_that_is_too_large_costs_neither_the_connection_nor_the_others():
    class Small(Client):
        def send(self, topic, payload, retain=False, qos=0):
            if len(payload) > 100:
                raise ValueError("message larger than the buffer: use a Stream")
            return super().send(topic, payload, retain, qos)

    client = Small("a.test")
    uplink = make(client, A)
    run(uplink, 2000)
    uplink.introduce(b"info", b"x" * 101)
    uplink.introduce(b"status", b"online")
    run(uplink, 2000)
    assert client.sent == [(b"status", b"online", True, 1)] and uplink.ready
    assert uplink.log.waiting[-1].endswith(
        "mqtt: info is not published: message larger than the buffer: use a Stream"
    )
    assert len(client.starts) == 1


def test_next_broker_when_the_first_fails_and_its_own_credentials():
    client = Client("b.test")
    uplink = make(client, A, B)
    run(uplink, 3000)
    assert uplink.connected and uplink.broker == "b.test:1884"
    assert [start[1:] for start in client.starts][1] == ("b.test", 1884, None, "")


def test_a_restart_of_the_broker_is_met_at_once():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 20000)
    client.up = ()
    run(uplink, 100)
    client.up = ("a.test",)
    assert run(uplink, 300) == 1


class Chance:
    def __init__(self, byte):
        self.byte = byte

    def urandom(self, n):
        return bytes((self.byte,)) * n


def test_back_within_two_seconds_of_a_broker_that_was_away_for_ten():
    # What is added to a pause is drawn: with some draws it came after three.
    kept = os.urandom
    try:
        for byte in (0, 128, 255):
            os.urandom = Chance(byte).urandom  # lost.py is loaded anew each time
            client = Client("a.test")
            uplink = make(client, A)
            run(uplink, 20000)
            client.up = ()
            run(uplink, 10000)
            client.up = ("a.test",)
            assert run(uplink, 3000) == 1, byte
    finally:
        os.urandom = kept


def test_absent_broker_backs_off():
    client = Client()
    client.error = OSError(errno.ECONNRESET)
    uplink = make(client, A)
    run(uplink, 3600000)
    assert 80 <= len(client.starts) <= 140, len(client.starts)  # every 30 s to 45 s in the end
    assert not uplink.link_in_doubt, "a refusal proves that the network works"


def test_connections_that_do_not_hold_back_off():
    """Two nodes of one client id throw each other out."""
    client = Client("a.test")
    uplink = make(client, A)
    for _ in range(600):
        run(uplink, 100)
        client.up = () if uplink.connected else ("a.test",)
    assert len(client.starts) < 40, len(client.starts)


def test_wrong_password_is_not_tried_in_a_hurry():
    client = Client()
    client.error = Refused(4)
    uplink = make(client, A)
    run(uplink, 300000)
    assert 5 <= len(client.starts) <= 11, len(client.starts)
    assert not uplink.link_in_doubt


def test_silence_puts_the_link_in_doubt_ever_more_rarely():
    client = Client()
    uplink = make(client, A, B)
    doubts = []
    for minute in range(600):
        run(uplink, 60000, step=1000)
        client.starts.clear()
        if uplink.link_in_doubt:
            uplink.link_in_doubt = False
            doubts.append(minute)
    assert doubts and doubts[0] <= 3, doubts
    assert 8 <= len(doubts) <= 16, doubts


def test_three_silent_attempts_are_no_doubt():
    client = Client()
    uplink = make(client, A)
    uplink.doubt_since = -3600000
    while not uplink.link_in_doubt and len(client.starts) < 9:
        run(uplink, 100)
    assert len(client.starts) == 4, client.starts


def test_after_any_number_of_failures_the_pause_is_bounded():
    # A second, shifted as often, would be a number of megabytes.
    client = Client()
    uplink = make(client, A)
    uplink.failures = 10**9
    run(uplink, 600000, step=1000)
    assert 10 <= len(client.starts) <= 25, len(client.starts)


def starve(uplink, seconds):
    """Return the uptimes, in s, at which a restart would help: it comes at once then."""
    global UPTIME
    for _ in range(seconds):
        run(uplink, 1000, step=1000)
        if uplink.starved(UPTIME):
            return UPTIME // 1000
    return None


def test_without_memory_for_a_connection_a_restart_helps():
    """A Pico W with twelve sensors: ENOMEM at every attempt after the broker's restart, for ever."""
    global UPTIME
    for text in ((), ("TLS: not enough memory",)):
        UPTIME = 0
        client = Client("a.test")
        uplink = make(client, A)
        run(uplink, 5000)
        client.up, client.error = (), OSError(errno.ENOMEM, *text)
        assert 600 <= starve(uplink, 4000) < 610, "no boot loop: it had been online, but not long"
        UPTIME = 86400000
        uplink = make(Client("a.test"), A)
        run(uplink, 5000)
        uplink.client.up, uplink.client.error = (), client.error
        assert 86400 + 5 < starve(uplink, 4000) < 86400 + 60, "some in a row"


def test_where_a_fresh_start_has_no_memory_for_it_either_it_is_rare():
    global UPTIME
    UPTIME = 0
    client = Client()
    client.error = OSError(errno.ENOMEM)
    assert 3600 <= starve(make(client, A), 9000) < 3610


def test_other_failures_between_are_no_want_of_memory():
    global UPTIME
    UPTIME = 86400000
    client = Client()
    uplink = make(client, A, B)
    client.start = lambda now, clean, anew: setattr(
        client, "error", OSError(errno.ENOMEM if client.server == "a.test" else errno.ETIMEDOUT)
    )
    assert starve(uplink, 4000) is None


def test_tls_waits_for_the_clock():
    client = Client("a.test")
    secure = dict(A)
    secure["port"] = 8883
    secure["tls"] = {"ca": "ca.der", "cert": "", "key": "", "server_name": ""}
    uplink = make(client, secure)
    lines = []
    uplink.log = Log("debug")
    uplink.log._write = lambda level, text: lines.append(text)
    run(uplink, 15000, trusted=False)
    assert client.starts == [] and lines == [], "it waits, and quietly"
    run(uplink, 60000, trusted=False)
    assert client.starts == [] and "no time server" in lines[0]
    run(uplink, 60000)
    assert uplink.connected and client.starts[0][2] == 8883


class Scarce:
    """A module for whose work there is no memory."""

    def __getattr__(self, name):
        raise MemoryError


def test_without_memory_to_connect_it_tries_again():
    client = Client("a.test")
    uplink = make(client, A)
    for _ in range(8):
        sys.modules["firmware.link.connecting"] = firmware.link.connecting = Scarce()
        assert not run(uplink, uplink.due(NOW, UPTIME) + 100)
        assert "firmware.link.connecting" not in sys.modules
    assert client.starts == [] and uplink.starved(3600000)
    assert run(uplink, 60000) == 1 and not uplink.starved(3600000)


def test_without_memory_to_leave_the_connection_is_closed():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 1000)
    sys.modules["firmware.link.leaving"] = firmware.link.leaving = Scarce()
    uplink.stop(b"status", b"offline", 50)
    assert not client.connected and not uplink.connected and client.sent == []


def test_stop_says_offline_waits_and_disconnects():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 1000)
    client.acked = [1]
    uplink.stop(b"status", b"offline", 50)
    assert client.sent == [(b"status", b"offline", True, 1), "DISCONNECT"]


def test_stop_without_an_answer_ends_nevertheless():
    client = Client("a.test")
    uplink = make(client, A)
    run(uplink, 1000)
    uplink.stop(b"status", b"offline", 50)
    assert client.sent[-1] == "DISCONNECT"


def test_passwords_are_not_logged():
    lines = []
    client = Client()
    uplink = make(client, A, B)
    uplink.log = Log("debug")
    uplink.log._write = lambda level, text: lines.append(text)
    run(uplink, 60000)
    assert lines and not any("secret" in line for line in lines)
