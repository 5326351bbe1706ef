"""`socket` of the emulated board, as far as a client or a server that does not block needs it: TCP and UDP through the line.

Nothing comes to a UDP socket that is bound.
"""

import errno
import io

from modem import line

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
IPPROTO_TCP = 6
SOL_SOCKET = 0xFFF
SO_REUSEADDR = 4
TCP_NODELAY = 1

_POLL, _CLOSE = 3, 4  # requests of ioctl
_IN, _OUT, _ERR, _HUP = 1, 4, 8, 16


def getaddrinfo(host, port, *more):
    """Addresses only: there is no name server."""
    if host == "localhost":
        host = "127.0.0.1"
    if not host.replace(".", "").isdigit():
        raise OSError(-2)
    return [(AF_INET, SOCK_STREAM, 0, "", (host, port))]


class socket(io.IOBase):
    def __init__(self, family=AF_INET, kind=SOCK_STREAM, proto=0):
        line.open()
        self._datagrams = kind == SOCK_DGRAM
        self._channel = 0
        self._open = False
        self._error = None  # 0: the other end has closed
        self._visitors = []  # connections that wait to be accepted

    def setblocking(self, flag):
        pass  # it never does

    settimeout = setblocking

    def setsockopt(self, *option):
        pass

    def told(self, is_open, number):
        if is_open:
            self._open = True
        else:
            self._open = False
            self._error = number

    def bind(self, address):
        self._port = address[1]

    def listen(self, backlog=1):
        self._take_channel()
        line.send("L", self._channel, b"%d" % self._port)

    def visited(self, channel):
        visitor = socket()
        visitor._channel = channel
        visitor._open = True
        line.channels[channel] = visitor
        self._visitors.append(visitor)

    def accept(self):
        line.pump()
        if not self._visitors:
            raise OSError(errno.EAGAIN)
        return self._visitors.pop(0), ("127.0.0.1", 0)

    def _take_channel(self):
        while self._channel in line.channels or not self._channel:
            self._channel = self._channel % 255 + 1
        line.channels[self._channel] = self

    def _reach(self, address):
        self._peer = address
        self._take_channel()
        line.send("U" if self._datagrams else "O", self._channel, b"%s:%d" % address)

    def connect(self, address):
        self._reach(address)
        raise OSError(errno.EINPROGRESS)

    def sendto(self, data, address):
        if not self._channel:
            self._reach(address)
        line.send("D", self._channel, data)
        return len(data)

    def write(self, data, start=0, size=None):
        line.pump()
        if self._error:
            raise OSError(self._error)
        if not self._open:
            return None
        stop = len(data) if size is None else min(len(data), start + size)
        if stop > start:
            line.send("D", self._channel, data, start, stop)
        return stop - start

    send = write

    def readinto(self, buf, size=-1):
        n = line.waits(self._channel)
        if n:
            return line.take(buf)
        if self._error:
            raise OSError(self._error)
        return 0 if self._error == 0 else None

    def read(self, size):
        data = bytearray(size)
        n = self.readinto(data)
        return None if n is None else bytes(data[:n])

    def recv(self, size):
        if self._datagrams and line.waits(self._channel) < line.left:
            raise OSError(errno.EAGAIN)
        data = self.read(size)
        if data is None:
            raise OSError(errno.EAGAIN)
        return data

    def recvfrom(self, size):
        return self.recv(size), self._peer  # the line lets nothing else in

    def ioctl(self, request, flags):
        if request == _POLL:
            ready = _IN if line.waits(self._channel) or self._visitors else 0
            if self._error is not None:
                ready |= _IN | _HUP | (_ERR if self._error else 0)
            if self._open:
                ready |= _OUT
            return ready & (flags | _ERR | _HUP)
        if request == _CLOSE:
            self.close()
        return 0

    def close(self):
        if line.channels.get(self._channel) is self:
            del line.channels[self._channel]
            line.send("C", self._channel)
        self._open = False
