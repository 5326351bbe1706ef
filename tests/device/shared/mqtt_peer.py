"""The other end of an MQTT connection, scripted, in the test's own process: no network, no time.

    net = Net(Broker())                      # stands for the module `socket`
    client = Client("c", "broker", net=net)
    run(client)                              # step until nothing moves
    net.broker.seen                          # what a subscriber would have got

A Wire behaves as a board's socket: it never waits, takes what it likes, gives None when it has nothing, and
`setblocking(True)` wipes a time-out.
"""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import io

from mqtt.packets import packet


class Wire(io.IOBase):
    """The client's socket."""

    def __init__(self, net):
        self.net = net
        self.inbox = bytearray()  # for the client
        self.outbox = bytearray()  # what the client wrote and nobody has looked at
        self.writes = []  # length of each write that was taken, of the first hundred
        self.connecting = False  # TCP is not there yet
        self.takes = None  # bytes a write takes at most; 0: none
        self.gives = None  # bytes a read gives at most
        self.ended = False  # the peer closed
        self.error = None  # errno that the next call meets
        self.closed = False
        self.blocking = True
        self.timeout = None
        self.options = []
        self.offered = None  # bytes of a write that was not taken: TLS wants the same again

    def setblocking(self, flag):
        self.blocking = flag
        self.timeout = None  # what ports/esp32/modsocket.c and extmod/modlwip.c do

    def settimeout(self, seconds):
        self.blocking = seconds != 0
        self.timeout = seconds

    def setsockopt(self, *option):
        self.options.append(option)

    def connect(self, address):
        self.address = address
        self.net.connected(self)
        if not self.blocking:
            raise OSError(errnos.EINPROGRESS)

    def _check(self):
        if self.closed:
            raise OSError(errnos.EBADF)
        if self.blocking and self.timeout is None:
            raise RuntimeError("this call would wait for ever")
        if self.error:
            e, self.error = self.error, errnos.ENOTCONN
            raise OSError(e)

    def write(self, buf, off, n):
        self._check()
        data = bytes(memoryview(buf)[off : off + n])
        if self.offered is not None and data != self.offered:
            raise RuntimeError("a write that was not taken was not repeated with the same bytes")
        if self.connecting or self.takes == 0:
            self.offered = data
            return None
        self.offered = None
        if self.takes is not None and n > self.takes:
            data = data[: self.takes]
            self.offered = bytes(memoryview(buf)[off + self.takes : off + n])
        if len(self.writes) < 100:
            self.writes.append(len(data))
        self.outbox += data
        self.net.written(self)
        return len(data)

    def readinto(self, buf):
        self._check()
        n = min(len(buf), len(self.inbox))
        if self.gives is not None:
            n = min(n, self.gives)
        if not n:
            return 0 if self.ended else None
        memoryview(buf)[:n] = self.inbox[:n]
        self.inbox = self.inbox[n:]
        return n

    def ioctl(self, request, flags):
        if request == 3:  # poll
            ready = 1 if self.inbox or self.ended or self.error else 0
            if not self.connecting and self.takes != 0:
                ready |= 4
            return ready & flags
        return -1  # there is no file descriptor

    def close(self):
        self.closed = True


class Net:
    """Stands for the module `socket`."""

    AF_INET = 2
    SOCK_STREAM = 1
    IPPROTO_TCP = 6
    TCP_NODELAY = 1

    def __init__(self, broker=None):
        self.broker = broker
        self.wires = []
        self.lookups = 0
        self.unknown = False  # names do not resolve
        self.setup = None  # setup(wire) for each new connection

    def getaddrinfo(self, name, port):
        self.lookups += 1
        if self.unknown:
            raise OSError(-202)
        return [(10, 1, 0, "", ("::1", port)), (2, 1, 0, "", ("192.0.2.1", port))]

    def socket(self, family, kind):
        self.family = family
        wire = Wire(self)
        self.wires.append(wire)
        return wire

    def connected(self, wire):
        if self.setup:
            self.setup(wire)
        if self.broker:
            self.broker.begin(wire)

    def written(self, wire):
        if self.broker:
            self.broker.written(wire)

    @property
    def wire(self):
        return self.wires[-1]

    def open(self):
        """Return how many sockets were made and not closed."""
        return sum(not wire.closed for wire in self.wires)


def split(data):
    """Return (whole packets, the rest) of a stream of bytes; a packet is (first byte, body)."""
    packets = []
    data = bytes(data)
    while len(data) >= 2:
        n = shift = 0
        i = 1
        while i < len(data):
            n |= (data[i] & 127) << shift
            shift += 7
            i += 1
            if data[i - 1] < 128:
                break
        else:
            break
        if len(data) < i + n:
            break
        packets.append((data[0], data[i : i + n]))
        data = data[i + n :]
    return packets, data


def published(first, body):
    """Return (topic, payload, qos, packet id, dup, retain) of a PUBLISH."""
    n = body[0] << 8 | body[1]
    qos = first >> 1 & 3
    i = 2 + n + (2 if qos else 0)
    pid = body[i - 2] << 8 | body[i - 1] if qos else 0
    return body[2 : 2 + n], body[i:], qos, pid, bool(first & 8), bool(first & 1)


def publish(topic, payload, qos=0, pid=0, dup=False, retain=False):
    parts = [len(topic), topic] + ([pid] if qos else []) + [payload]
    return packet(0x30 | dup << 3 | qos << 1 | retain, *parts)


class Broker:
    """Keeps one session, as mosquitto does: hands a QoS 2 message on when PUBREL comes.

    `hear(kind, pid)` may be replaced: return the packets to answer with in place of the usual one; `refuses(kind, body,
    message)`: return whether to close the connection at this packet, unanswered.
    """

    def __init__(self):
        self.wire = None
        self.session = False
        self.code = 0
        self.stored = {}  # QoS 2: packet id -> message, PUBREL not seen
        self.seen = []  # (topic, payload) handed on
        self.log = []  # (first byte, packet id or None) of all that came
        self.filters = []
        self.refuse = ()  # filters to refuse
        self.mute = False  # answers nothing
        self.hear = None
        self.refuses = None
        self.rest = b""
        self.budget = None  # bytes, both ways together, until the connection is cut
        self.out = {}  # messages for the client: pid -> (packet, qos, state)

    def begin(self, wire):
        self.wire = wire
        self.rest = b""

    def cut(self):
        self.wire.inbox = bytearray()
        self.wire.ended = True
        self.mute = True

    def say(self, data):
        if self.budget is not None:
            data = data[: self.budget]
            self.budget -= len(data)
        if not self.wire.ended:
            self.wire.inbox += data
        if self.budget == 0:
            self.wire.ended = True

    def written(self, wire):
        data = wire.outbox
        wire.outbox = bytearray()
        if wire.ended or wire is not self.wire:
            return
        if self.budget is not None:
            data = data[: self.budget]
            self.budget -= len(data)
        packets, self.rest = split(self.rest + data)
        for first, body in packets:
            if not wire.ended:
                self.take(first, body)
        if self.budget == 0:
            wire.ended = True

    def take(self, first, body):
        kind = first & 0xF0
        pid = message = None
        if kind == 0x30:
            message = published(first, body)
            pid = message[3]
        elif kind in (0x40, 0x50, 0x60, 0x70, 0x80, 0xA0):
            pid = body[0] << 8 | body[1]
        self.log.append((first, pid))
        if self.mute:
            return
        if self.refuses and self.refuses(first, body, message):
            self.wire.ended = True
            return
        answer = self.answer(kind, pid, body, message)
        if self.hear and kind != 0x10:
            answer = self.hear(first, pid, answer)
        for data in answer:
            self.say(data)

    def answer(self, kind, pid, body, message):
        """Return the packets a sound broker answers with."""
        if kind == 0x10:
            return self.greet(body)
        if kind == 0x30:
            return self.publish(message)
        if kind == 0x60:
            if pid in self.stored:
                self.seen.append(self.stored.pop(pid))
            return [packet(0x70, pid)]
        if kind == 0x80:
            name = body[4:-1]
            self.filters.append(name)
            return [packet(0x90, pid, bytes((0x80 if name in self.refuse else body[-1],)))]
        if kind == 0xA0:
            return [packet(0xB0, pid)]
        if kind == 0xC0:
            return [b"\xd0\0"]
        return self.outgoing(kind, pid)

    def greet(self, body):
        clean = bool(body[7] & 2)
        if clean:
            self.session = False
            self.stored = {}
            self.out = {}
        present = self.session and not self.code
        if not self.code:
            self.session = not clean
        greeting = packet(0x20, bytes((1 if present else 0, self.code)))
        return [greeting] + ([] if self.code else [self.again(pid) for pid in sorted(self.out)])

    def publish(self, message):
        topic, payload, qos, pid = message[:4]
        if qos < 2:
            self.seen.append((topic, payload))
            return [packet(0x40, pid)] if qos else []
        if pid not in self.stored:
            self.stored[pid] = (topic, payload)
        return [packet(0x50, pid)]

    # messages for the client

    def give(self, topic, payload, qos, pid=0):
        if qos:
            self.out[pid] = [topic, payload, qos, "sent"]
        self.say(publish(topic, payload, qos, pid))

    def again(self, pid):
        topic, payload, qos, state = self.out[pid]
        return (
            packet(0x62, pid) if state == "released" else publish(topic, payload, qos, pid, True)
        )

    def outgoing(self, kind, pid):
        if kind in (0x40, 0x70):
            self.out.pop(pid, None)
        elif kind == 0x50:
            if pid in self.out:
                self.out[pid][3] = "released"
            return [packet(0x62, pid)]
        return []


def connect(client, now=0, **options):
    client.start(now, **options)
    return run(client, now)


def greet(net, client):
    """Connect a client to nobody: CONNACK has come, no session was kept, and what the client wrote is forgotten."""
    client.start(0)
    client.step(0)
    net.wire.inbox += b"\x20\x02\x00\x00"
    client.step(0)
    net.wire.outbox = bytearray()


def run(client, now=0, steps=20):
    """Step, surely until nothing moves. Return (acked, arrived) of all steps."""
    all_acked, all_arrived = [], []
    for _ in range(steps):
        acked, arrived = client.step(now)
        all_acked += acked
        all_arrived += arrived
    return all_acked, all_arrived
