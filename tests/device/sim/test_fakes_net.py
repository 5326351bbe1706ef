"""Sockets and names as the boards' lwIP has them."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import select
import socket
import time

import machine
import stand
from raising import raises

import sim

SLOW = True
BOARDS = ("esp32", "pico_w")


class Peer:
    """The other end, on the host's own sockets."""

    def __init__(self):
        self.s = sim.usocket.socket()
        self.s.setsockopt(1, 8, 4096)  # SO_RCVBUF
        self.s.bind(b"\x02\0\0\0\x7f\0\0\x01" + bytes(8))
        self.s.listen(5)
        address = bytearray(16)
        sim.libc.func("i", "getsockname", "ipp")(
            self.s.fileno(), address, bytearray(b"\x10\0\0\0")
        )
        self.address = ("127.0.0.1", address[2] << 8 | address[3])

    def accept(self):
        self.c, _ = self.s.accept()
        return self.c

    def heard(self):
        """What has come so far."""
        self.c.setblocking(False)
        parts = []
        while True:
            try:
                got = self.c.recv(4096)
            except OSError:
                got = None
            if not got:
                return b"".join(parts)
            parts.append(got)


def connected():
    peer = Peer()
    s = socket.socket()
    s.settimeout(2)
    s.connect(peer.address)
    peer.accept()
    return s, peer


def on_air():
    """A program that uses Wi-Fi, joined."""
    import network

    sim.virtual()
    sim.first_join_fails = False
    wlan = network.WLAN()
    wlan.active(True)
    wlan.connect("home", "secret")
    time.sleep(5)
    assert wlan.isconnected()


def number(call, *args):
    return raises(OSError, call, *args).errno


def test_error_numbers():
    assert getattr(errnos, "ETIMEDOUT") == (116 if sim.ESP32 else 110)
    assert getattr(errnos, "EHOSTUNREACH") == (118 if sim.ESP32 else 113)
    assert getattr(errnos, "ECONNABORTED") == (113 if sim.ESP32 else 103)
    assert errnos.errorcode[113] == ("ECONNABORTED" if sim.ESP32 else "EHOSTUNREACH")
    assert not hasattr(errnos, "ENOSPC")


def test_what_the_port_does_not_have():
    assert not hasattr(socket, "SO_KEEPALIVE")
    assert socket.SOL_SOCKET == (4095 if sim.ESP32 else 1)
    assert socket.TCP_NODELAY == (1 if sim.ESP32 else 64)


def test_umqtt_gets_this_socket_too():
    import usocket
    import utime

    assert usocket is socket
    assert utime is time


def test_a_closed_port_is_a_reset_connection():
    s = socket.socket()
    assert number(s.connect, ("127.0.0.1", 1)) == 104


def test_without_wifi_there_is_no_way_to_the_host():
    import network

    s = socket.socket()
    assert number(s.connect, ("127.0.0.1", 1)) == (118 if sim.ESP32 else 113)


def test_getaddrinfo_gives_tuples():
    assert socket.getaddrinfo("10.1.2.3", 1883)[0][-1] == ("10.1.2.3", 1883)
    sim.hosts["broker.lan"] = "10.1.2.4"
    assert socket.getaddrinfo("broker.lan", 1883)[0][-1] == ("10.1.2.4", 1883)
    if sim.ESP32:
        assert socket.getaddrinfo("10.1.2.3", "1883")[0][-1] == ("10.1.2.3", 1883)
    else:
        raises(TypeError, socket.getaddrinfo, "10.1.2.3", "1883")


def test_names_in_connect():
    peer = Peer()
    sim.hosts["broker.lan"] = "127.0.0.1"
    s = socket.socket()
    s.settimeout(1)
    if sim.ESP32:
        s.connect(("broker.lan", peer.address[1]))
    else:
        assert raises(ValueError, s.connect, ("broker.lan", 1)).args[0] == "invalid arguments"
    raises(TypeError, s.connect, sim.usocket.getaddrinfo("127.0.0.1", 1)[0][-1])


def test_a_silent_name_server_costs_its_time_and_then_a_negative_number():
    sim.virtual()
    stand.dns("silent")
    began = sim.now()
    assert number(socket.getaddrinfo, "broker.lan", 1883) == (-202 if sim.ESP32 else -2)
    assert 14_000 <= sim.now() - began <= 21_000
    assert socket.getaddrinfo("10.1.2.3", 1883)  # a number needs no server


def test_a_silent_name_server_outlasts_the_watchdog():
    sim.virtual()
    sim.catch_resets()
    stand.dns("hang")
    machine.WDT(timeout=8000)
    assert raises(sim.Reset, socket.getaddrinfo, "broker.lan", 1).args[0] == "wdt"


def test_connecting_into_nothing():
    on_air()
    stand.zombie()
    s = socket.socket()
    s.settimeout(3)
    began = sim.now()
    assert number(s.connect, ("127.0.0.1", 1)) == getattr(errnos, "ETIMEDOUT")
    assert 3000 <= sim.now() - began < 3200
    s = socket.socket()
    began = sim.now()
    assert number(s.connect, ("127.0.0.1", 1)) == getattr(errnos, "ECONNABORTED")
    assert 18_000 <= sim.now() - began <= 21_000


def test_connecting_without_blocking():
    peer = Peer()
    s = socket.socket()
    s.setblocking(False)
    assert number(s.connect, peer.address) == getattr(errnos, "EINPROGRESS")
    poller = select.poll()
    poller.register(s, select.POLLOUT)
    assert poller.poll(1000)[0][1] & select.POLLOUT
    assert s.write(b"hello") == 5
    assert number(s.connect, peer.address) == (127 if sim.ESP32 else 106)
    peer.accept()
    assert peer.heard() == b"hello"


def test_connecting_without_blocking_to_a_closed_port():
    s = socket.socket()
    s.setblocking(False)
    assert number(s.connect, ("127.0.0.1", 1)) == getattr(errnos, "EINPROGRESS")
    poller = select.poll()
    poller.register(s, select.POLLOUT)
    assert poller.poll(1000)  # "writable" is no success
    assert number(s.write, b"x") == 104


def test_reading_before_connecting():
    s = socket.socket()
    assert number(s.read, 1) == (128 if sim.ESP32 else 107)


def test_reads():
    s, peer = connected()
    s.setblocking(False)
    assert s.read(4) is None
    assert number(s.recv, 4) == 11
    peer.c.send(b"abc")
    time.sleep_ms(20)
    assert s.read(4) == b"abc"  # what is there
    s.settimeout(0.1)
    assert number(s.read, 4) == getattr(errnos, "ETIMEDOUT")
    peer.c.send(b"defgh")
    assert s.read(4) == b"defg"
    buf = bytearray(1)
    assert s.readinto(buf) == 1 and buf == b"h"
    peer.c.close()
    assert s.read(4) == b""


def test_setblocking_true_wipes_the_timeout():
    sim.virtual()
    sim.catch_resets()
    s, _peer = connected()
    s.settimeout(1)
    s.setblocking(True)
    machine.WDT(timeout=5000)
    raises(sim.Reset, s.read, 1)


def test_umqtt_writes_a_part_of_a_buffer():
    s, peer = connected()
    assert s.write(bytearray(b"\x30\x02abc"), 2) == 2
    time.sleep_ms(20)
    assert peer.heard() == b"\x30\x02"


def test_a_peer_that_does_not_read():
    s, _peer = connected()
    s.setblocking(False)
    quiet = 0
    while quiet < 20:  # what its own buffer takes is acknowledged late
        n = s.write(bytes(1000))
        quiet = quiet + 1 if n is None else 0
        time.sleep_ms(20)
    s.settimeout(0.2)
    assert number(s.write, bytes(1000)) == getattr(errnos, "ETIMEDOUT")


def test_a_zombie_link_swallows_a_buffer_full_and_delivers_it_late():
    on_air()
    s, peer = connected()
    s.setblocking(False)
    stand.zombie()
    peer.c.send(b"unheard")
    sent = 0
    while True:
        n = s.write(bytes(1000))
        if n is None:
            break
        sent += n
    assert sent == (5760 if sim.ESP32 else 6400)
    assert s.read(10) is None
    poller = select.poll()
    poller.register(s, select.POLLIN)
    began = sim.now()
    assert poller.poll(500) == []
    assert sim.now() - began == 500
    assert peer.heard() == b""
    stand.zombie(False)
    assert poller.poll(500)
    assert s.read(10) == b"unheard"
    time.sleep_ms(100)
    s.write(b"")
    assert len(peer.heard()) == sent


def test_the_access_point_goes():
    on_air()
    s, peer = connected()
    s.setblocking(False)
    stand.wifi_off()
    assert s.read(1) is None  # not noticed yet
    time.sleep(10)
    if sim.ESP32:
        poller = select.poll()
        poller.register(s, select.POLLIN)
        assert poller.poll(0)  # the error is there to be read
        assert number(s.read, 1) == 113
        assert number(s.read, 1) == 128
        assert number(s.write, b"x") == 128
    else:
        assert s.read(1) is None  # it lingers
    s.close()
    peer.c.setblocking(False)
    assert number(peer.c.recv, 1) == 11  # nothing told the peer


def test_the_peer_of_a_lost_connection_hears_when_it_speaks():
    on_air()
    s, peer = connected()
    stand.kick()
    s.close()
    import network

    network.WLAN().connect("home", "secret") if not sim.ESP32 else None
    time.sleep(10)
    peer.c.setblocking(False)
    assert number(peer.c.recv, 1) == 11
    peer.c.send(b"still there?")
    socket.socket().close()
    got = None  # FIN, or RST for what it said
    for _ in range(20):
        try:
            got = peer.c.recv(1)
            break
        except OSError as e:
            if e.errno == 104:
                got = b""
                break
        sim.utime.sleep_ms(10)
    assert got == b""


def test_sockets_are_few_until_closed():
    most = 10 if sim.ESP32 else 5
    sockets = [socket.socket() for _ in range(most)]
    assert number(socket.socket) == (23 if sim.ESP32 else 12)
    sockets.pop().close()
    socket.socket()


def test_a_dropped_socket_keeps_its_place():
    import gc

    for _ in range(10 if sim.ESP32 else 5):
        socket.socket()
    gc.collect()
    raises(OSError, socket.socket)


def test_a_closed_socket():
    s, _peer = connected()
    s.close()
    s.close()
    assert number(s.read, 1) == 9
    poller = select.poll()
    poller.register(s)
    assert poller.poll(0)[0][1] & 32


def test_options():
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sim.ESP32:
        raises(OSError, s.setsockopt, socket.SOL_SOCKET, 9, 1)
    else:
        s.setsockopt(socket.SOL_SOCKET, 9, 1)  # a warning on the console


def test_a_poll_waits_in_virtual_time():
    sim.virtual()
    s, _peer = connected()
    poller = select.poll()
    poller.register(s, select.POLLIN)
    began = sim.now()
    assert poller.poll(60_000) == []
    assert sim.now() - began == 60_000


def test_events_happen_during_a_poll():
    sim.virtual()
    s, peer = connected()
    sim.after(5000, lambda: peer.c.send(b"x"))
    poller = select.poll()
    poller.register(s, select.POLLIN)
    began = sim.now()
    assert poller.poll(60_000)
    assert 5000 <= sim.now() - began < 6000


def test_the_time_server():
    import ntptime

    assert time.gmtime()[0] == (2000 if sim.ESP32 else 2021)
    ntptime.settime()
    assert abs(time.time() + (946_684_800 if sim.ESP32 else 0) - sim.true_ms() // 1000) <= 1
    stand.ntp("silent")
    assert number(ntptime.settime) == getattr(errnos, "ETIMEDOUT")
    stand.ntp("short")
    raises(ValueError, ntptime.settime)
    stand.ntp("ok")
    stand.internet(False)
    sim.virtual()
    assert number(ntptime.settime) < 0


def test_a_server():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    server.settimeout(0.05)
    assert number(server.accept) == getattr(errnos, "ETIMEDOUT")
