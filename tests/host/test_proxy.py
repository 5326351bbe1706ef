"""The fault proxy does what its commands say: the system tests stand on it."""

import socket
import threading
import time

import pytest

from sim.proxy import WAYS, Proxy, abort


class Server:
    """Accepts, keeps what arrives, sends what a test gives it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.arrived = b""
        self.ended = None  # "closed" or "reset"
        self.connection = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                self.connection, _ = self.listener.accept()
            except OSError:
                return
            self.ended = None
            threading.Thread(target=self.read, args=[self.connection], daemon=True).start()

    def read(self, connection):
        try:
            while data := connection.recv(4096):
                self.arrived += data
            self.ended = "closed"
        except OSError:
            self.ended = "reset"

    def wait(self, test):
        deadline = time.monotonic() + 60
        while not test(self):
            assert time.monotonic() < deadline, (self.arrived[-100:], self.ended)
            time.sleep(0.005)
        return True


@pytest.fixture
def server():
    server = Server()
    yield server
    server.listener.close()
    if server.connection:
        server.connection.close()


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy, server):
    with connect(proxy) as client:
        server.wait(lambda s: s.connection and proxy.open)
        yield client


def connect(proxy):
    client = socket.create_connection(("127.0.0.1", proxy.port), 5)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def silent(client, seconds=0.2):
    client.settimeout(seconds)
    try:
        return client.recv(100) is None
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)


def test_it_passes_both_ways(proxy, server, client):
    client.sendall(b"x" * 200_000)
    server.wait(lambda s: len(s.arrived) == 200_000)
    server.connection.sendall(b"hello")
    assert client.recv(100) == b"hello"
    assert proxy.passed == {"up": 200_000, "down": 5}
    assert (proxy.connections, proxy.open) == (1, 1)


def test_it_passes_the_end_on(proxy, server, client):
    client.shutdown(socket.SHUT_WR)
    server.wait(lambda s: s.ended == "closed")
    server.connection.sendall(b"bye")  # the other way is still open
    assert client.recv(100) == b"bye"
    server.connection.close()
    assert client.recv(100) == b""
    deadline = time.monotonic() + 60
    while proxy.open:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_passes_a_reset_on(server, client):
    abort(client)
    server.wait(lambda s: s.ended == "reset")


def test_delay(proxy, server, client):
    proxy.delay(0.3)
    start = time.monotonic()
    for number in range(10):
        client.sendall(b"%d" % number)
        time.sleep(0.01)
    server.wait(lambda s: s.arrived == b"0123456789")
    assert time.monotonic() - start >= 0.3
    # the link is slow, not narrow: they were under way at once, not one after another
    assert time.monotonic() - start < 10 * 0.3 / 2
    server.connection.sendall(b"x")
    assert silent(client, 0.2)
    assert client.recv(1) == b"x"


def test_pieces(proxy, server, client):
    proxy.pieces()
    server.connection.sendall(b"a" * 50)
    received = []
    while sum(received) < 50:
        received.append(len(client.recv(100)))
    # a scheduler may let two arrive together, not most
    assert len(received) > 25, received


def test_hold_and_heal(proxy, server, client):
    proxy.hold()
    client.sendall(b"up")
    server.connection.sendall(b"down")
    assert silent(client)
    assert server.arrived == b""
    proxy.heal()
    assert client.recv(100) == b"down"
    server.wait(lambda s: s.arrived == b"up")


def test_swallow_is_a_black_hole(proxy, server, client):
    proxy.swallow()
    client.sendall(b"x" * 100_000)
    server.connection.sendall(b"down")
    assert silent(client)
    client.close()
    time.sleep(0.2)
    assert (server.arrived, server.ended) == (b"", None)
    # new connections are accepted and swallowed as well, until it heals
    with connect(proxy) as other:
        other.sendall(b"y")
        assert silent(other)
        assert server.arrived == b""
        proxy.heal()
        other.sendall(b"z")
        assert silent(other)
        assert server.arrived == b""
    with connect(proxy) as other:
        other.sendall(b"w")
        server.wait(lambda s: s.arrived == b"w")


@pytest.mark.parametrize("way", WAYS)
def test_half_open(proxy, server, client, way):
    proxy.swallow(way)
    client.sendall(b"up")
    server.connection.sendall(b"down")
    if way == "up":
        assert client.recv(100) == b"down"
        time.sleep(0.1)
        assert server.arrived == b""
    else:
        server.wait(lambda s: s.arrived == b"up")
        assert silent(client)


def test_lose_is_for_the_connections_there_are(proxy, server, client):
    proxy.lose()
    client.sendall(b"up")
    server.connection.sendall(b"down")
    assert silent(client)
    with connect(proxy) as other:
        other.sendall(b"x")
        server.wait(lambda s: s.arrived == b"x")


def test_close(proxy, server, client):
    proxy.close()
    assert client.recv(100) == b""
    server.wait(lambda s: s.ended == "closed")
    assert proxy.open == 0
    with connect(proxy) as other:  # it goes on accepting
        other.sendall(b"x")
        server.wait(lambda s: s.arrived == b"x")


def test_reset(proxy, server, client):
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    server.wait(lambda s: s.ended == "reset")


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize(("action", "ended"), [("close", "closed"), ("reset", "reset")])
def test_the_end_after_so_many_bytes(proxy, server, client, action, ended, pieces):
    if pieces:
        proxy.pieces()
    client.sendall(b"12345")
    server.wait(lambda s: s.arrived == b"12345")
    proxy.after(3, "up", action)
    client.sendall(b"67")
    client.sendall(b"89")
    server.wait(lambda s: s.ended == ended)
    # after RST, what arrived may not be read any more
    assert server.arrived == b"12345678" or (
        action == "reset" and b"12345678".startswith(server.arrived)
    )
    assert proxy.passed["up"] == 8


def test_swallow_after_so_many_bytes(proxy, server, client):
    proxy.after(4, "down", "swallow")
    server.connection.sendall(b"123456")
    assert client.recv(100) == b"1234"
    assert silent(client)
    client.sendall(b"x")
    assert silent(client)
    assert server.arrived == b""


def test_hold_after_so_many_bytes(proxy, server, client):
    proxy.after(4, "down", "hold")
    server.connection.sendall(b"123456")
    assert client.recv(100) == b"1234"
    assert silent(client)
    proxy.heal()
    assert client.recv(100) == b"56"


def test_refuse(proxy, server, client):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    client.sendall(b"x")
    server.wait(lambda s: s.arrived == b"x")
    proxy.heal()
    with connect(proxy) as other:
        other.sendall(b"y")
        server.wait(lambda s: s.arrived == b"xy")


def test_ignore(proxy, server, client):
    proxy.ignore()
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", proxy.port), 0.5)
    client.sendall(b"x")
    server.wait(lambda s: s.arrived == b"x")
    proxy.heal()
    with connect(proxy) as other:
        other.sendall(b"y")
        server.wait(lambda s: s.arrived == b"xy")


def test_no_server(proxy):
    with socket.socket() as nobody:  # bound, not listening
        nobody.bind(("127.0.0.1", 0))
        proxy.server = nobody.getsockname()[1]
        with pytest.raises(ConnectionResetError), connect(proxy) as client:
            client.recv(1)
