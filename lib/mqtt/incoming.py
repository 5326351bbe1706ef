"""What comes in: bytes from the socket, one packet at a time, checked against MQTT 3.1.1.

Memory is bounded by this side, never by what the peer announces: packets are read into one buffer made once. A PUBLISH
that does not fit there goes to a sink: a buffer of its own up to `max_packet`, above that what the user's `sink`
returns, or nowhere (skipped and counted). So is one whose topic is none, if it can be acknowledged: a lenient broker keeps
it in the session, and would send it again on each connection.
"""

from errno import ECONNRESET

from micropython import const

from mqtt.packets import ProtocolError

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBACK = const(0x90)
_UNSUBACK = const(0xB0)
_PINGRESP = const(0xD0)

_BUFFER = const(512)
_RECEIVED = const(256)  # QoS 2 messages that the broker may leave unfinished
_REST = const(12)  # of a PUBLISH beside its topic: header, two lengths, packet id

# Packet type with its flags [2.2]: remaining length. All that a client may get but PUBLISH.
_SIZES = {
    _CONNACK: 2,
    _PUBACK: 2,
    _PUBREC: 2,
    _PUBREL: 2,
    _PUBCOMP: 2,
    _SUBACK: 3,
    _UNSUBACK: 2,
    _PINGRESP: 0,
}


class Incoming:
    def __init__(self, max_packet):
        self.max_packet = max_packet
        self.sink = None  # sink(topic, size, retained, qos) returns what has write(), or None
        self.skipped = 0
        self.received = []  # QoS 2 messages handed over whose PUBREL has not come
        self.buf = bytearray(_BUFFER)
        self.view = memoryview(self.buf)
        self.reset()

    def reset(self):
        self.more = False  # whether the socket may have more
        self.start = self.end = 0  # what is in buf and not consumed
        self.left = 0  # payload bytes of a large PUBLISH that are still to come
        self.large = 0  # its first byte
        self.long_topic = 0  # bytes of a topic that is skipped
        self.target = None
        self.progress = 0  # counts packets and pieces of large ones
        self.topic = self.payload = None
        self.pid = 0
        self.flags = 0  # CONNACK's first byte
        self.code = 0  # CONNACK's, SUBACK's return code

    def fill(self, sock):
        """Read what there is room for. Return False when nothing came. OSError: the peer closed."""
        if self.start == self.end:
            self.start = self.end = 0
            n = sock.readinto(self.buf)
        else:
            if self.start:
                n = self.end - self.start
                self.view[:n] = self.view[self.start : self.end]
                self.start, self.end = 0, n
            if self.end == _BUFFER:
                return False
            n = sock.readinto(self.view[self.end :])
        if n is None:
            return False
        if not n:
            raise OSError(ECONNRESET, "closed by the broker")
        self.end += n
        return True

    def next(self):  # noqa: C901, PLR0912 in one piece, for speed
        """Return the first byte of the next whole packet, its content in topic, payload, pid, flags, code; or 0."""
        if self.large:
            return self._more()
        buf = self.buf
        i = self.start
        have = self.end - i
        if have < 2:
            return 0
        kind = buf[i]
        n = buf[i + 1]
        if kind == _PUBACK and n == 2 and have > 3:  # most of what comes
            self.start = i + 4
            self.progress += 1
            self.pid = pid = buf[i + 2] << 8 | buf[i + 3]
            if pid:
                return kind
            raise ProtocolError("packet id 0")
        if n > 127:
            i, n = self._long_length(i, n)
            if n < 0:
                return 0
        i += 2
        if kind & 0xF0 == _PUBLISH:
            return self._publish(kind, i, n)
        if _SIZES.get(kind) != n:
            raise ProtocolError("packet 0x%02x of %d bytes" % (kind, n))
        if i + n > self.end:
            return 0
        self.start = i + n
        self.progress += 1
        if kind == _CONNACK:
            self.flags, self.code = buf[i], buf[i + 1]
        elif n:
            self.pid = buf[i] << 8 | buf[i + 1]
            if not self.pid:
                raise ProtocolError("packet id 0")
            if n == 3:
                self.code = buf[i + 2]
        return kind

    def _long_length(self, i, n):
        """Return (index of its last byte - 1, n) for a remaining length of several bytes; n -1: not all is here."""
        n &= 0x7F
        shift = 7
        while True:
            i += 1
            if i + 1 >= self.end:
                return i, -1
            more = self.buf[i + 1]
            n |= (more & 0x7F) << shift
            if more < 128:
                return i, n
            shift += 7
            if shift > 21:
                raise ProtocolError("remaining length of more than four bytes")  # [2.2.3]

    def _publish(self, kind, i, n):
        """Take a PUBLISH of remaining length n whose variable header begins at i."""
        buf = self.buf
        qos = kind >> 1 & 3
        if qos == 3 or (kind & 0xE) == 8:
            # [MQTT-3.3.1-2], [MQTT-3.3.1-4]
            raise ProtocolError("PUBLISH flags 0x%x" % (kind & 15))
        if self.end - i < 2:
            return 0
        size = buf[i] << 8 | buf[i + 1]
        head = 2 + size + (2 if qos else 0)
        if head > n:
            raise ProtocolError("topic of %d bytes" % size)
        if size > _BUFFER - _REST:
            self.long_topic = size  # does not fit: nothing can be done with it but acknowledge it
            self.pid = 0
            return self._begin(kind, i + 2, n - head)
        if i + head > self.end or (i + n <= self.start + _BUFFER and i + n > self.end):
            return 0
        self.topic = bytes(self.view[i + 2 : i + 2 + size])
        self.pid = 0
        if qos:
            self.pid = buf[i + head - 2] << 8 | buf[i + head - 1]
            if not self.pid:
                raise ProtocolError("packet id 0")
        i += head
        n -= head
        named = self._is_named()
        if i + n > self.end or not named:
            self.target = self._target(kind, n) if named else None
            return self._begin(kind, i, n)
        self.payload = bytes(self.view[i : i + n])
        self.start = i + n
        self.progress += 1
        return kind

    def _is_named(self):
        """A topic name has no wildcard [MQTT-3.3.2-2] and is UTF-8 without NUL [MQTT-1.5.3-1], [MQTT-1.5.3-2]."""
        topic = self.topic
        try:
            topic.decode()
        except UnicodeError:
            return False
        return topic and not (b"+" in topic or b"#" in topic or b"\0" in topic)

    def _target(self, kind, n):
        """Return where a payload of n bytes is to be written, or None."""
        if self.sink:
            target = self.sink(self.topic, n, bool(kind & 1), kind >> 1 & 3)
            if target is not None:
                return target
        try:
            return bytearray(n) if n <= self.max_packet else None
        except MemoryError:
            return None

    def _begin(self, kind, i, n):
        self.start = i
        self.large = kind
        self.left = n
        return self._more()

    def _more(self):
        """Take what there is of a large PUBLISH."""
        if self.long_topic:
            n = min(self.long_topic, self.end - self.start)
            self.start += n
            self.long_topic -= n
            self.progress += 1 if n else 0
            if self.long_topic:
                return 0
        if self.large & 6 and not self.pid:
            if self.end - self.start < 2:
                return 0
            self.pid = self.buf[self.start] << 8 | self.buf[self.start + 1]
            self.start += 2
            if not self.pid:
                raise ProtocolError("packet id 0")
        n = min(self.left, self.end - self.start)
        if n:
            target = self.target
            if target is not None:
                data = self.view[self.start : self.start + n]
                if type(target) is bytearray:
                    at = len(target) - self.left
                    target[at : at + n] = data
                else:
                    try:
                        target.write(data)
                    except OSError:
                        self.target = None  # the rest is skipped
            self.start += n
            self.left -= n
            self.progress += 1
        if self.left:
            return 0
        kind = self.large
        self.large = 0
        self.payload = self.target
        self.target = None
        if self.payload is None:
            self.skipped += 1
        self.progress += 1
        return kind

    def accept(self, kind, out):
        """Take the PUBLISH that next() returned [4.3], answer it. Return (topic, payload, retained, qos); None: not to be handed over.

        state       PUBLISH at QoS 2               PUBREL
        unknown id  handed over, PUBREC            1. PUBCOMP
        received    2. PUBREC, not handed over     PUBCOMP, id forgotten

        1. The broker did not see our PUBCOMP before the connection was lost: without it, it would ask for ever.
        2. The broker did not see our PUBREL: the same message again.

        What was skipped is answered, too: else it would come again for ever.
        """
        qos = kind >> 1 & 3
        payload, self.payload = self.payload, None
        if qos:
            pid = self.pid
            out.answer(_PUBACK if qos == 1 else _PUBREC, pid)
            if qos == 2:
                received = self.received
                if pid in received:
                    return None
                if len(received) >= _RECEIVED:
                    raise ProtocolError("too many unfinished QoS 2 messages")
                received.append(pid)
        return None if payload is None else (self.topic, payload, bool(kind & 1), qos)

    def release(self, out):
        """Take PUBREL."""
        if self.pid in self.received:
            self.received.remove(self.pid)
        out.answer(_PUBCOMP, self.pid)
