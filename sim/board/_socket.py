"""`socket.socket`: see `socket`."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import io
import struct
from socket import (
    AF_INET,
    IP_ADD_MEMBERSHIP,
    IPPROTO_TCP,
    SO_BROADCAST,
    SO_REUSEADDR,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
)

import uselect
from _dns import numeric, resolve
from micropython import const

import sim
from sim import usocket

# Linux number -> this port's. EPIPE is what a write meets after the peer's RST.
_ERRNO = {111: 104, 32: 104}
if sim.ESP32:
    _ERRNO.update({98: 112, 103: 113, 101: 118, 110: 116, 113: 118, 115: 119, 114: 120})
    _ERRNO.update({106: 127, 107: 128})
else:
    _ERRNO[101] = 113
_ENOBUFS = 105
_EISCONN = 127 if sim.ESP32 else 106

_SEND_BUF = 5760 if sim.ESP32 else 6400
_SOCKETS = 10 if sim.ESP32 else 5
_SYN_MS = 18_000 if sim.ESP32 else 19_000

_UNBOUND = const(0)
_CONNECTING = const(1)
_CONNECTED = const(2)
_LISTENING = const(3)
_CLOSED = const(4)


def _translated(e):
    n = e.args[0]
    return OSError(_ERRNO.get(n, n))


def _sockaddr(ip, port):
    return struct.pack(">BBH", 2, 0, port) + ip + bytes(8)


def _tuple(sockaddr):
    return ".".join(str(b) for b in sockaddr[4:8]), sockaddr[2] << 8 | sockaddr[3]


def _bury_ghosts():
    """Close the connection of a peer that speaks to one the board no longer knows."""
    for s in sim.ghosts[:]:
        poll = uselect.poll()
        poll.register(s, uselect.POLLIN)
        if sim.link == sim.UP and (poll.poll(0) or len(sim.ghosts) > 8):
            sim.ghosts.remove(s)
            s.close()


def _all_in_use():
    # lwIP has a pool for listening sockets of their own; the ESP32's limit is on all of any kind
    return (
        sum(sim.ESP32 or (s._type == SOCK_STREAM and s._state != _LISTENING) for s in sim.sockets)
        >= _SOCKETS
    )


class socket(io.IOBase):
    """IOBase makes it a stream for C code: the host's poll (ioctl gives the descriptor) and `tls`."""

    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, fileno=None, _real=None):
        if _all_in_use():
            raise OSError(23 if sim.ESP32 else errnos.ENOMEM)
        self._ram = sim.idf and sim.idf.take(sim.idf.TCP if type == SOCK_STREAM else sim.idf.UDP)
        if sim.idf and not self._ram:
            raise OSError(_ENOBUFS)
        self._type = type
        self._served = False  # bound to a port, or accepted there
        if sim.ghosts:
            _bury_ghosts()
        self._s = _real or usocket.socket(af, type)
        self._s.setblocking(False)
        if type == SOCK_STREAM:
            # SO_SNDBUF: the host's buffer would hide a dead peer
            self._s.setsockopt(1, 7, _SEND_BUF)
        self._timeout = None  # milliseconds; None waits for ever
        self._state = _CONNECTED if _real else _UNBOUND
        self._peer = None
        self._errors = []  # what the link did to this socket: the next calls' errno
        self._unsent = []  # written while nothing passes: in pieces, a heap in use has no large one free
        self._unsent_bytes = 0
        self._poll = None
        sim.sockets.append(self)

    def _link(self):
        """What passes: while there is an access point, a server is on its side, and the station's troubles are not its own."""
        if self._served and sim.radio and sim.radio.active[1]:
            return sim.UP
        return sim.link

    # -- waiting

    def _wait(self, flags, timeout, expired=None):
        """Until the socket is ready. OSError: the time-out, or what the link did."""
        if timeout == 0:
            raise OSError(errnos.EAGAIN)
        if self._poll is None:
            self._poll = uselect.poll()
            self._poll.register(self._s, flags)
        else:
            self._poll.modify(self._s, flags)
        end = None if timeout is None else sim.now() + timeout
        while True:
            sim.run_due()
            self._check()
            left = 100 if end is None else end - sim.now()
            step = sim.until_event(min(left, 100)) if left > 0 else 0
            if self._link() == sim.UP:
                if self._poll.poll(min(step, 2) if sim.is_virtual else step):
                    return
                if sim.is_virtual:
                    sim.advance(step or 1)
            else:
                sim.sleep(step)
            if left <= 0:
                raise OSError(expired or errnos.ETIMEDOUT)

    def _check(self):
        if self._state == _CLOSED:
            raise OSError(errnos.EBADF)
        if self._errors:
            e = self._errors[0]
            if e != errnos.ENOTCONN:
                self._errors.pop(0)
            raise OSError(e)

    def _fault(self, e):
        """The host's error as the board's; EAGAIN is None."""
        if e.args[0] == errnos.EAGAIN:
            return
        raise _translated(e)

    # -- connections

    def connect(self, address):
        self._check()
        if not isinstance(address, tuple):
            raise TypeError("object 'bytearray' isn't a tuple or list")
        host, port = address
        ip = numeric(host)
        if ip is None:
            if not sim.ESP32:
                raise ValueError("invalid arguments")
            ip = resolve(host)
        if not isinstance(port, int):
            raise TypeError("can't convert str to int")
        if self._state == _CONNECTED and self._type == SOCK_STREAM:
            raise OSError(_EISCONN)
        if self._state == _CONNECTING:
            raise OSError(errnos.EALREADY)
        if self._link() == sim.DOWN:
            raise OSError(errnos.EHOSTUNREACH)
        self._peer = (ip, port)
        if self._type != SOCK_STREAM:
            self._state = _CONNECTED
            if port != 123:
                self._s.connect(_sockaddr(ip, port))
            return
        self._state = _CONNECTING
        self._pump()
        if self._timeout == 0:
            raise OSError(errnos.EINPROGRESS)
        self._finish(self._timeout)

    def _finish(self, timeout):
        if timeout is None:
            self._wait(uselect.POLLOUT, _SYN_MS, errnos.ECONNABORTED)
        else:
            self._wait(uselect.POLLOUT, timeout)
        self._pump()
        if self._errors:
            raise OSError(self._errors.pop(0))

    def _pump(self):
        """What waited for the link goes on: the SYN, or bytes the program has long forgotten."""
        if self._link() != sim.UP or self._errors:
            return
        try:
            if self._state == _CONNECTING:
                if self._peer:
                    peer, self._peer = self._peer, None
                    try:
                        self._s.connect(_sockaddr(*peer))
                    except OSError as e:
                        if e.args[0] != 115:
                            raise
                poll = uselect.poll()
                poll.register(self._s, uselect.POLLOUT)
                ready = poll.poll(0)
                if ready and ready[0][1] & (uselect.POLLERR | uselect.POLLHUP):
                    self._s.read(1)
                if ready:
                    self._state = _CONNECTED
            while self._unsent and self._state == _CONNECTED:
                n = self._s.send(self._unsent[0])
                self._unsent_bytes -= n
                self._unsent[0] = self._unsent[0][n:]
                if not self._unsent[0]:
                    self._unsent.pop(0)
        except OSError as e:
            if e.args[0] != errnos.EAGAIN:
                self._errors = [_ERRNO.get(e.args[0], e.args[0]), errnos.ENOTCONN]

    def _ready(self):
        """Before a read or a write: connected, or in the way the port says that it is not."""
        self._check()
        if self._state == _CONNECTING or self._unsent:
            self._pump()
            self._check()
        if self._state != _CONNECTED:
            if self._state == _CONNECTING and self._timeout != 0:
                self._finish(self._timeout)
                return True
            if self._state == _CONNECTING:
                return False
            raise OSError(errnos.ENOTCONN)
        return True

    def abort(self):
        """The link went, as the ESP32 sees it. The peer is not told: the host's socket stays open."""
        if (
            self._link() != sim.UP
            and self._state in (_CONNECTING, _CONNECTED)
            and self._type == SOCK_STREAM
        ):
            self._errors = [errnos.ECONNABORTED, errnos.ENOTCONN]

    def link_flags(self, flags, asked):
        """What a poll sees of this socket when the host's socket has `flags`."""
        if self._errors:
            return (uselect.POLLIN | uselect.POLLOUT) & asked or uselect.POLLERR
        if self._link() == sim.UP:
            self._pump()
            return flags
        if self._state == _CONNECTED and self._unsent_bytes < _SEND_BUF:
            return flags & uselect.POLLOUT
        return 0

    # -- bytes in

    def _until(self, call, *args):
        """call(*args) until it gives something; None when it would block."""
        if not self._ready():
            return None
        while True:
            if self._link() == sim.UP:
                try:
                    got = call(*args)
                    if got is not None:
                        return got
                except OSError as e:
                    self._fault(e)
            if self._timeout == 0:
                return None
            self._wait(uselect.POLLIN, self._timeout)

    def take(self, n):
        """What is there, at most n bytes; None when it would block. (What a stream's read is in C.)"""
        return self._until(self._s.recv, n)

    def read(self, n=-1):
        if n < 0:
            parts = []
            while True:
                got = self._until(self._s.read, 512)
                if not got:
                    return b"".join(parts) if parts or got is not None else None
                parts.append(got)
        got = self._until(self._s.recv, n)
        if not got or len(got) == n or self._timeout == 0 or self._type != SOCK_STREAM:
            return got
        while len(got) < n:  # a blocking read waits for all
            more = self._until(self._s.recv, n - len(got))
            if not more:
                break
            got += more
        return got

    def readinto(self, buf, n=None):
        if n is None:
            n = len(buf)
        got = self.read(n)
        if got is None:
            return None
        buf[: len(got)] = got
        return len(got)

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            got = self._until(self._s.recv, 1)
            if not got:
                return line or got
            line += got
        return line

    def _received(self, got):
        if got is None:
            raise OSError(errnos.EAGAIN)
        return got

    def recv(self, n, flags=0):
        return self._received(self._until(self._s.recv, n))

    def recvfrom(self, n, flags=0):
        if self._type == SOCK_DGRAM and self._state == _UNBOUND:
            self._state = _CONNECTED  # a datagram socket is ready when it has sent or is bound
        data, address = self._received(self._until(self._s.recvfrom, n))
        address = _tuple(address)
        if sim.time_server is not None and address[1] == sim.time_server.port:
            address = (sim.time_server.asked, 123)
        if sim.name_server is not None and address[1] == sim.name_server.port:
            address = sim.name_server.asked
        return data, address

    # -- bytes out

    def _give(self, buf):
        """Count of bytes taken, or None when it would block."""
        if not self._ready():
            return None
        if self._type != SOCK_STREAM and self._peer[1] == 123:
            return self.sendto(buf, self._peer)
        if self._link() != sim.UP and self._type != SOCK_STREAM:
            return len(buf)  # a datagram that nobody hears
        if self._link() != sim.UP or self._unsent:
            n = min(_SEND_BUF - self._unsent_bytes, len(buf))
            if n <= 0:
                return None
            self._unsent.append(bytes(buf[:n]))
            self._unsent_bytes += n
            return n
        try:
            return self._s.send(buf)
        except OSError as e:
            return self._fault(e)

    def write(self, buf, n=None, offset=None):
        if offset is not None:
            buf = memoryview(buf)[n : n + offset]
        elif n is not None:
            buf = memoryview(buf)[:n]
        done = self._give(buf)
        if self._timeout == 0 or done == len(buf):
            return done
        done = done or 0
        view = memoryview(buf)
        while done < len(view):
            got = self._give(view[done:])
            if got:
                done += got
            else:
                self._room()
        return done

    def _room(self):
        if self._link() == sim.UP and not self._unsent:
            self._wait(uselect.POLLOUT, self._timeout)
            return
        end = None if self._timeout is None else sim.now() + self._timeout
        while self._unsent_bytes >= _SEND_BUF:
            if end is not None and sim.now() >= end:
                raise OSError(errnos.ETIMEDOUT)
            sim.sleep(20)
            self._check()
            self._pump()

    def send(self, buf, flags=0):
        while True:
            n = self._give(buf)
            if n is not None:
                return n
            if self._timeout == 0:
                raise OSError(errnos.EAGAIN)
            self._room()

    def sendall(self, buf, flags=0):
        n = self.write(buf)
        if n != len(buf):
            raise OSError(errnos.ETIMEDOUT if sim.ESP32 else errnos.EAGAIN)

    def sendto(self, data, address):
        self._check()
        ip = address[0] if isinstance(address[0], bytes) else resolve(address[0])
        if self._link() == sim.DOWN:
            raise OSError(errnos.EHOSTUNREACH)
        self._state = _CONNECTED
        if address[1] == 123:
            if sim.time_server is None:
                import servers

                sim.time_server = servers.TimeServer()
            sim.time_server.ask(self._s, data, ".".join(str(b) for b in ip))
        elif address[1] in (53, 5353):
            if sim.name_server is None:
                import servers

                sim.name_server = servers.NameServer()
            sim.name_server.ask(self._s, data, (".".join(str(b) for b in ip), address[1]))
        elif self._link() == sim.UP:
            try:
                self._s.sendto(data, _sockaddr(ip, address[1]))
            except OSError as e:
                self._fault(e)
        return len(data)

    # -- servers

    def bind(self, address):
        # On loopback whatever the program says; the host's own ports below 1024 are not ours.
        port = address[1] if address[1] >= 1024 else 0
        try:
            self._s.bind(_sockaddr(b"\x7f\0\0\1", port))
        except OSError as e:
            raise _translated(e)
        self._served = True
        if not port and address[1]:
            import servers

            print("stand: port %d is 127.0.0.1:%d" % (address[1], servers.bound_port(self._s)))
        if self._type != SOCK_STREAM:
            self._state = _CONNECTED

    def listen(self, backlog=1):
        self._s.listen(backlog)
        self._state = _LISTENING

    def accept(self):
        while True:
            try:
                if _all_in_use():
                    raise OSError(errnos.EAGAIN)
                real, address = self._s.accept()
                accepted = socket(_real=real)
                accepted._served = True
                return accepted, _tuple(address)
            except OSError as e:
                if e.args[0] != errnos.EAGAIN:
                    raise _translated(e)
            self._wait(uselect.POLLIN, self._timeout)

    # -- settings

    def settimeout(self, seconds):
        self._timeout = None if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._timeout = None if flag else 0  # True wipes a time-out: what umqtt's wait_msg does

    def setsockopt(self, level, option, value):
        self._check()
        if level == IPPROTO_TCP and option == TCP_NODELAY:
            self._s.setsockopt(6, 1, value)
        elif level == SOL_SOCKET and option == SO_REUSEADDR:
            self._s.setsockopt(1, 2, value)
        elif level == SOL_SOCKET and option == SO_BROADCAST:
            self._s.setsockopt(1, 6, value)
        elif sim.ESP32 and option not in (11, IP_ADD_MEMBERSHIP):
            raise OSError(109)  # ENOPROTOOPT
        elif not sim.ESP32:
            print("Warning: lwip.setsockopt() option not implemented")

    def makefile(self, *args):
        return self

    def close(self):
        if self._state == _CLOSED:
            return
        self._state = _CLOSED
        sim.sockets.remove(self)
        if sim.idf:
            sim.idf.give(self._ram)
        if self._errors or self._link() != sim.UP:
            sim.ghosts.append(self._s)  # the peer has no way to know
        else:
            self._s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def ioctl(self, request, arg):
        if request == 10:  # MP_STREAM_GET_FILENO
            return -1 if self._state == _CLOSED else self._s.fileno()
        if request == 3:  # only a closed socket is asked: it has no descriptor
            return 32  # POLLNVAL
        if request == 4:
            self.close()
        return 0
