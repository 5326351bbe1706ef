"""The session at brokers that no package has: one that closes at MQTT 5, one that closes at $SYS, one that says nothing."""

import socket
import threading
import time

import pytest

from sim.broker import HOST, free_port
from station import session as module
from station.session import Got, Lost, Session

CONNECT, SUBSCRIBE, PUBACK = 0x10, 0x80, 0x40
READING = b'{"boot":8,"seq":1,"temperature":20.5}'


class Access:
    """Whom to connect to. told: what asking the broker once more gives."""

    context = None

    def __init__(self, port, told=None):
        self.broker = {"host": HOST, "port": port, "user": "", "password": "", "tls": None}
        self.place, self.told = f"{HOST}:{port}", told

    def fault(self):
        return self.told


class Old:
    """Answers MQTT 3.1.1. answers(level, filters): what to do at CONNECT (filters: None) and SUBSCRIBE: False: close."""

    def __init__(self, answers):
        self.answers = answers
        self.levels, self.acknowledged = [], []
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(10)
                try:
                    self._talk(link)
                except OSError:
                    pass

    def _talk(self, link):
        level = 0
        while True:
            head = _exactly(link, 2)
            length, more, place = head[1] & 127, head[1] >= 128, 7
            while more:
                byte = _exactly(link, 1)[0]
                length, more, place = length | (byte & 127) << place, byte >= 128, place + 7
            body = _exactly(link, length)
            if head[0] == CONNECT:
                level = body[6]
                self.levels.append(level)
                if not self.answers(level, None):
                    return
                link.sendall(b"\x20\x02\0\0")
            elif head[0] & 0xF0 == SUBSCRIBE:
                if not self.answers(level, body):
                    return
                count = 5 if b"outpost" in body else 1
                link.sendall(bytes((0x90, 2 + count)) + body[:2] + b"\1" * count)
                if count == 5:
                    topic = b"outpost/attic/reading/air"
                    packet = len(topic).to_bytes(2, "big") + topic + b"\0\7" + READING
                    link.sendall(bytes((0x32, len(packet))) + packet)
            elif head[0] == PUBACK:
                self.acknowledged.append(int.from_bytes(body[:2], "big"))


def _exactly(link, count):
    data = b""
    while len(data) < count:
        more = link.recv(count - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


@pytest.fixture
def served():
    """served(answers): a server, a session, and the list of what it hears."""
    made = []

    def serve(answers, told=None):
        server = Old(answers)
        session = Session(Access(server.port, told), "outpost", "collector-1")
        heard = []
        session.hear = heard.append
        made.append((server, session))
        return server, session, heard

    yield serve
    for server, session in made:
        session.leave()
        server.listener.close()


def steps(session, until, seconds=5):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        session.step(0.02)
    assert until()


def test_a_broker_that_closes_at_mqtt_5_is_served_at_3_1_1(served):
    server, session, heard = served(lambda level, filters: level == 4)
    for _ in range(2):
        with pytest.raises(Lost, match="it closed the connection before it answered"):
            session.connect()
    session.connect()
    assert server.levels == [5, 5, 4]
    steps(session, lambda: heard)
    assert heard == [Got("outpost/attic/reading/air", READING, False, False, 7)]
    session.acknowledge([7])
    steps(session, lambda: server.acknowledged == [7])
    # It may have been an accident: the next connection asks once more
    session.leave()
    with pytest.raises(Lost):
        session.connect()
    session.connect()
    assert server.levels == [5, 5, 4, 5, 4]


def test_a_broker_that_is_being_restarted_is_not_an_old_one(served):
    server, session, _ = served(lambda level, filters: False, told="Connection refused")
    for _ in range(4):
        with pytest.raises(Lost, match="Connection refused"):
            session.connect()
    assert server.levels == [5] * 4


def test_a_broker_that_closes_at_a_topic_with_a_dollar(served):
    """The count of what it threw away is not worth the readings."""
    _, session, heard = served(
        lambda level, filters: level == 4 and (filters is None or b"$SYS" not in filters)
    )
    ended = 0
    for _ in range(20):
        try:
            session.connect()
            steps(session, lambda: False, 0.3)
        except Lost:
            ended += 1
        except AssertionError:
            break
    assert 2 <= ended < 10
    assert heard and session.connected


def test_a_broker_that_says_nothing(served, monkeypatch):
    monkeypatch.setattr(module, "_CONNECT_S", 0.5)
    silent = threading.Event()
    _, session, _ = served(lambda level, filters: silent.wait(3))
    with pytest.raises(Lost, match="it does not answer in MQTT"):
        session.connect()
    silent.set()


def test_nobody_is_there():
    port = free_port()
    session = Session(Access(port), "outpost", "collector-1")
    with pytest.raises(Lost, match="Connection refused"):
        session.connect()
    with pytest.raises(Lost, match="in words"):
        Session(Access(port, "in words"), "outpost", "collector-1").connect()
    with pytest.raises(Lost, match="Connection refused"):
        session.retire()
