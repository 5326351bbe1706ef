"""`socket` of the boards, without a host beneath it: TCP to the model brokers, UDP to the time servers. See `wires`.

As in sim/board/socket.py: the ports' errno, few sockets, a small send buffer, the ESP32 that aborts its sockets when the
access point goes.
"""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import io
import sys

import stage
import wires
from micropython import const

import sim

AF_INET = 2
AF_INET6 = 10
SOCK_STREAM = 1
SOCK_DGRAM = 2
IPPROTO_TCP = 6
SOL_SOCKET = 4095 if sim.ESP32 else 1
SO_REUSEADDR = 4
TCP_NODELAY = 1 if sim.ESP32 else 64

_SEND_BUF = const(5760)
_MOST = 10 if sim.ESP32 else 5
_IN, _OUT, _ERR = const(1), const(4), const(8)

dns_ms = 0  # what a slow name server takes


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    from _dns import resolve

    stage.gate()
    stage.tell("dns", host)
    if dns_ms and not host.replace(".", "").isdigit():  # for an address nobody is asked
        sim.sleep(dns_ms)
    ip = ".".join([str(b) for b in resolve(host)])
    stage.gate()
    return [(2, type or 1, 0, host if sim.ESP32 else "", (ip, port))]


class socket(io.IOBase):
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0):
        stage.gate()
        if sum([sim.ESP32 or s._type == SOCK_STREAM for s in sim.sockets]) >= _MOST:
            raise OSError(23 if sim.ESP32 else errnos.ENOMEM)
        self._type = type
        self._wire = None
        self._open = False  # TCP is there
        self._closed = False
        self._inbox = bytearray()
        self._datagrams = []
        self._asked = None
        self._ended = False  # the peer has closed
        self._errors = []
        self._unsent = 0
        self._timeout = None
        sim.sockets.append(self)

    # the network's side

    def opened(self):
        self._open = True

    def hand(self, data):
        self._inbox += data

    def ended(self, how):
        if how == "rst":
            if not self._errors:
                self._errors = [errnos.ECONNRESET, errnos.ENOTCONN]
        else:
            self._ended = True

    def abort(self):
        if self._type == SOCK_STREAM and self._wire:
            self._errors = [errnos.ECONNABORTED, errnos.ENOTCONN]

    def died(self):
        self._closed = True
        if self._wire:
            self._wire.died()

    def _datagram(self, data, peer=None):
        """peer: None for whom was asked."""
        if not self._closed and sim.link == sim.UP:
            self._datagrams.append((data, peer or self._asked))

    def flags(self):
        if self._errors:
            return _IN | _OUT | _ERR
        if self._type == SOCK_DGRAM:
            return _OUT | (_IN if self._datagrams else 0)
        flags = _IN if self._inbox or self._ended else 0
        return flags | (_OUT if self._open else 0)

    # the program's

    def _check(self):
        stage.gate()
        if self._closed:
            raise OSError(errnos.EBADF)
        if self._errors:
            e = self._errors[0]
            if e != errnos.ENOTCONN:
                self._errors.pop(0)
            raise OSError(e)

    def settimeout(self, seconds):
        self._timeout = None if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._timeout = None if flag else 0

    def setsockopt(self, level, option, value):
        self._check()

    def connect(self, address):
        self._check()
        host = address[0]
        if self._type == SOCK_DGRAM:
            self._asked = address
            return
        if sim.link == sim.DOWN:
            raise OSError(errnos.EHOSTUNREACH)
        server = wires.servers.get(host) or wires.nobody
        stage.tell("tcp", "connects to " + host)
        self._wire = wires.Wire(self, server)
        if self._timeout == 0:
            raise OSError(errnos.EINPROGRESS)
        self._wait(lambda: self._open)

    def _wait(self, ready):
        end = None if self._timeout is None else sim.now() + self._timeout
        while not ready():
            self._check()
            if end is not None and sim.now() >= end:
                raise OSError(errnos.ETIMEDOUT)
            sim.sleep(20)

    def write(self, buf, off=None, n=None):
        self._check()
        stage.allocate()
        if n is not None:
            buf = memoryview(buf)[off : off + n]
        elif off is not None:
            buf = memoryview(buf)[:off]
        if not self._open:
            if self._wire is None:
                raise OSError(errnos.ENOTCONN)
            if self._timeout == 0:
                return None
            self._wait(lambda: self._open)
        if sim.link != sim.UP:
            room = _SEND_BUF - self._unsent
            if room <= 0:
                return None
            buf = buf[:room]
            self._unsent += len(buf)
        else:
            self._unsent = 0
        self._wire.up(bytes(buf))
        return len(buf)

    def send(self, buf, flags=0):
        n = self.write(buf)
        if n is None:
            raise OSError(errnos.EAGAIN)
        return n

    def sendall(self, buf, flags=0):
        self.write(buf)

    def readinto(self, buf, n=None):
        self._check()
        there = self._inbox
        if not there:
            if self._ended:
                return 0
            if self._timeout == 0:
                return None
            self._wait(lambda: self._inbox or self._ended)
            return self.readinto(buf, n)
        n = min(len(buf), len(there))
        memoryview(buf)[:n] = memoryview(there)[:n]
        self._inbox = there[n:]
        return n

    def read(self, n=-1):
        buf = bytearray(n if n > 0 else 512)
        got = self.readinto(buf)
        return None if got is None else bytes(buf[:got])

    def recv(self, n, flags=0):
        return self.recvfrom(n)[0]

    def recvfrom(self, n, flags=0):
        self._check()
        if self._type == SOCK_STREAM:
            got = self.read(n)
            if got is None:
                raise OSError(errnos.EAGAIN)
            return got, ("0.0.0.0", 0)
        if not self._datagrams:
            if self._timeout == 0:
                raise OSError(errnos.EAGAIN)
            self._wait(lambda: self._datagrams)
        data, peer = self._datagrams.pop(0)
        return data[:n], peer

    def sendto(self, data, address):
        self._check()
        host, port = address
        if sim.link == sim.DOWN:
            raise OSError(errnos.EHOSTUNREACH)
        self._asked = host, port
        if port in (53, 5353):
            self._ask_for_a_name(bytes(data))
            return len(data)
        server = wires.time_servers.get(host)
        stage.tell("sntp", "asks " + host)
        if server and port == 123 and sim.link == sim.UP:
            server.ask(bytes(data), self._datagram)
        return len(data)

    def _ask_for_a_name(self, query):
        from _dns import reply

        stage.tell("dns", "asks " + self._asked[0])
        data = reply(query, self._asked[1] == 5353) if sim.link == sim.UP else None
        if data:
            sim.after(dns_ms, lambda: self._datagram(data))

    def bind(self, address):
        self._check()

    def close(self):
        if self._closed:
            return
        self._closed = True
        sim.sockets.remove(self)
        if self._wire:
            self._wire.hung_up()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def ioctl(self, request, arg):
        if request == 3:
            return self.flags() & arg
        if request == 4:
            self.close()
        return 0


sys.modules["usocket"] = sys.modules[__name__]
