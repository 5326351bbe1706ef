"""The network of a day with the real MQTT client: the module `socket`, a name server, and behind a connection a small broker.

The broker keeps one session, and the node's own `status` and `info`. It reads a packet where the client has it, and has its answers and
what it keeps in buffers made once: it hardly takes of the node's heap. While it is not up it refuses connections and ends the one there is;
what was on its way then is lost. It publishes no will, and takes each write as a whole.
"""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import io

from day import NameServer, Peer
from micropython import const

_CONNECT = const(0x10)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_SUBSCRIBE = const(0x80)
_UNSUBSCRIBE = const(0xA0)
_PINGREQ = const(0xC0)
_DISCONNECT = const(0xE0)

_POLL = const(3)
_POLLIN = const(1)

_LATE = b"/history/"
_SEQ = b'"seq":'


class Kept:
    """A topic that the broker keeps a message of."""

    def __init__(self, end):
        self.end = end  # of the topic
        self.packet = bytearray(512)  # PUBLISH at QoS 0, retained
        self.size = 0
        self.wanted = False  # is the node subscribed to it?


class Broker(Peer):
    def __init__(self):
        super().__init__()
        self.wire = None
        self.session = False
        self.connects = self.pings = 0
        self.answers = bytearray(1024)  # for the node,
        self.start = self.end = 0  # and where they are
        self.kept = Kept(b"/status"), Kept(b"/info")

    def waiting(self):
        return self.start < self.end

    def open(self, wire):
        self.wire = wire
        self.start = self.end = 0

    def check(self, wire):
        """OSError: a connection has ended."""
        if not self.up:
            self.wire = None
        if wire is not self.wire:
            raise OSError(errnos.ECONNRESET)

    def say(self, *data):
        for byte in data:
            self.answers[self.end] = byte
            self.end += 1

    def give(self, buf):
        """Hand over what there is. Return the number of bytes."""
        n = min(len(buf), self.end - self.start)
        for i in range(n):
            buf[i] = self.answers[self.start + i]
        self.start += n
        if self.start == self.end:
            self.start = self.end = 0
        return n

    def take(self, buf, i, end):
        """Take the packets that are buf[i:end]."""
        while i < end:
            kind = buf[i]
            n = shift = 0
            at = i
            while True:
                at += 1
                n |= (buf[at] & 127) << shift
                if buf[at] < 128:
                    break
                shift += 7
            at += 1
            if at + n > end:
                raise ValueError("half a packet")
            self._packet(kind, buf, i, at, at + n)
            i = at + n

    def _packet(self, kind, buf, start, at, end):
        what = kind & 0xF0
        if what == _PUBLISH:
            self._publish(kind, buf, start, at, end)
        elif what == _CONNECT:
            clean = buf[at + 7] & 2 > 0
            self.session = self.session and not clean
            self.say(0x20, 2, self.session, 0)
            self.session = not clean
            self.connects += 1
        elif what == _SUBSCRIBE:
            self.say(0x90, 3, buf[at], buf[at + 1], buf[end - 1])
            self._want(buf, at + 4, end - 1, True)
        elif what == _UNSUBSCRIBE:
            self.say(0xB0, 2, buf[at], buf[at + 1])
            self._want(buf, at + 4, end, False)
        elif what == _PINGREQ:
            self.pings += 1
            self.say(0xD0, 0)
        elif what == _DISCONNECT:
            self.wire = None
        elif what != _PUBACK:
            raise ValueError("a packet that no node sends")

    def _find(self, buf, start, end):
        """Return the Kept of the topic that is buf[start:end], or None."""
        for each in self.kept:
            if buf.find(each.end, start, end) == end - len(each.end):
                return each

    def _want(self, buf, start, end, wanted):
        kept = self._find(buf, start, end)
        if kept:
            kept.wanted = wanted
            if wanted:
                self._send(kept, _PUBLISH | 1)

    def _send(self, kept, kind):
        for i in range(kept.size):
            self.say(kept.packet[i] if i else kind)

    def _publish(self, kind, buf, start, at, end):
        body = at + 2 + (buf[at] << 8 | buf[at + 1])  # behind the topic
        seq = buf.find(_SEQ, body, end)
        if kind & 6:
            self.say(0x40, 2, buf[body], buf[body + 1])
        if seq < 0:
            kept = self._find(buf, at, body)
            if kept:
                self._keep(kept, kind, buf, at, body, end)
            return
        seq += len(_SEQ)
        number = 0
        while 48 <= buf[seq] < 58:
            number = 10 * number + buf[seq] - 48
            seq += 1
        self.arrived(number, buf.find(_LATE, at, body) >= 0)

    def _keep(self, kept, kind, buf, at, body, end):
        packet = kept.packet
        payload = body + (2 if kind & 6 else 0)
        n = body - at + end - payload
        packet[1] = n & 127 | (128 if n > 127 else 0)
        packet[2] = n >> 7
        size = 3 if n > 127 else 2
        for i in range(at, end):
            if not body <= i < payload:
                packet[size] = buf[i]
                size += 1
        kept.size = size
        if kept.wanted:
            self._send(kept, _PUBLISH)


class Wire(io.IOBase):
    """The node's end of a connection."""

    def __init__(self, broker):
        self.broker = broker

    def connect(self, address):
        self.broker.open(self)
        raise OSError(errnos.EINPROGRESS)

    def write(self, buf, off, n):
        self.broker.check(self)
        self.broker.take(buf, off, off + n)
        return n

    def readinto(self, buf):
        self.broker.check(self)
        return self.broker.give(buf) or None

    def ioctl(self, request, flags):
        if request != _POLL:
            return -1  # there is no file descriptor
        return _POLLIN & flags if self.broker.waiting() or not self.broker.up else 0

    def _nothing(self, *args):
        pass

    setblocking = setsockopt = close = _nothing


class Socket(NameServer):
    """The module `socket`."""

    AF_INET = 2
    SOCK_STREAM = 1
    SOCK_DGRAM = 2

    def __init__(self, broker):
        self.broker = broker

    def getaddrinfo(self, host, port):
        return [(2, 1, 0, "", (host, port))]

    def socket(self, family, kind):
        return Wire(self.broker) if kind == self.SOCK_STREAM else self
