"""What goes out: one buffer of packets, and which of them are in flight.

    buf   [ PUBLISH 7 | gap | PUBLISH 9 | PUBLISH 10 | PUBACK | PUBLISH 11 .............. ]
            0                            ^ sent               ^ stop      ^ end

Before `sent` all was handed to the socket, before `end` all is to be sent. A PUBLISH of QoS 1 or 2 stays until it is
acknowledged, so that it is sent again byte for byte; of other packets a gap is left, closed when room is needed.
To send again after a connection was lost is to set `sent` to 0.

The state of the exchanges [4.3]: an id in `pids` waits for PUBACK (QoS 1), PUBREC (QoS 2), or PUBCOMP when it is in
`released`, too. A released PUBLISH is never sent again in its session [MQTT-4.3.3-1]. It is kept all the same: should
the broker forget the session it may have forgotten the message with it, which then is sent as new.
"""

from micropython import const
from mqtt_packets import PUBACK, PUBCOMP, PUBREC, PUBREL, ProtocolError, length_size, put_length

_DUP = const(8)
_RESERVE = const(64)  # room that messages leave to acknowledgements, PINGREQ and SUBSCRIBE


class Outgoing:
    def __init__(self, size, window):
        self.buf = bytearray(size)
        self.window = window
        self.pids = []  # in flight, in the order of sending
        self.starts = []  # where in buf the PUBLISH of each begins
        self.released = []  # PUBREC came, PUBCOMP has not; in the order of PUBREC [MQTT-4.6.0-4]
        self.reserved = []  # ids that SUBSCRIBE and UNSUBSCRIBE wait with
        self.pid = 0
        self.first = None  # CONNECT, and PUBREL to be sent again: before all that is in buf
        self.first_sent = 0
        self.sent = self.stop = self.end = 0
        self.gaps = False
        self.moved = False  # whether the last flush() got anything out
        self.resent = 0

    def next_pid(self):
        """Return a packet id that is not in use, 1 to 65535 [MQTT-2.3.1-4]."""
        pid = self.pid
        while True:
            pid = pid % 65535 + 1
            if pid not in self.pids and pid not in self.reserved:
                return pid

    def publish(self, topic, payload, retain, qos, pid):
        """Append a PUBLISH. Return False when there is no room for it now."""
        n = 2 + len(topic) + len(payload)
        if qos:
            n += 2
        i = self.room(1 + (1 if n < 128 else length_size(n)) + n, _RESERVE)
        if i < 0:
            return False
        buf = self.buf
        start = i
        buf[i] = 0x30 | qos << 1 | (1 if retain else 0)
        if n < 128:
            buf[i + 1] = n
            i += 2
        else:
            i = put_length(buf, i + 1, n)
        n = len(topic)
        buf[i] = n >> 8
        buf[i + 1] = n & 0xFF
        i += 2
        buf[i : i + n] = topic
        i += n
        if qos:
            buf[i] = pid >> 8
            buf[i + 1] = pid & 0xFF
            i += 2
            self.pids.append(pid)
            self.starts.append(start)
        n = len(payload)
        buf[i : i + n] = payload
        self.end = i + n
        return True

    def add(self, packet):
        """Append a packet that is not kept. Return False when there is no room for it now."""
        n = len(packet)
        i = self.room(n, 0)
        if i < 0:
            return False
        self.buf[i : i + n] = packet
        self.end = i + n
        return True

    def answer(self, kind, pid):
        """Append one of the packets that are an id and nothing else. The caller has asked for room()."""
        buf = self.buf
        i = self.end
        buf[i] = kind
        buf[i + 1] = 2
        buf[i + 2] = pid >> 8
        buf[i + 3] = pid & 0xFF
        self.end = i + 4

    def room(self, n, reserve):
        """Return where n bytes can be appended, or -1."""
        limit = len(self.buf) - reserve - n
        if self.end > limit and self.gaps:
            self._close_gaps()
        return self.end if self.end <= limit else -1

    def flush(self, sock):
        """Write what is to be sent, several packets at once. Return False when the socket takes no more now.

        TLS wants a write that it did not take repeated with the same bytes, no more and no less: `stop`.
        """
        self.moved = False
        if self.first:
            while self.first_sent < len(self.first):
                n = sock.write(self.first, self.first_sent, len(self.first) - self.first_sent)
                if n is None:
                    return False
                self.first_sent += n
                self.moved = True
            self.first = None
        while self.sent < self.end:
            if self.sent == self.stop:
                self.stop = self.end
            n = sock.write(self.buf, self.sent, self.stop - self.sent)
            if n is None:
                return False
            self.sent += n
            self.moved = True
        if self.pids:
            self.gaps = True
        else:
            self.sent = self.stop = self.end = 0
            self.gaps = False
        return True

    def acknowledged(self, kind, pid):
        """Take an acknowledgement. Return True when it ends an exchange. The caller has asked for room().

        state                  PUBACK     PUBREC                       PUBCOMP
        waits for PUBACK       end        error                        error
        waits for PUBREC       error      waits for PUBCOMP, PUBREL    1. ignored
        waits for PUBCOMP      error      2. PUBREL again              end
        unknown or unsent id   3. ignored 4. PUBREL                    3. ignored

        1. The broker took a PUBREL of an earlier connection for the end while we, restarted from a state saved before
           PUBREC, sent the PUBLISH again; its PUBREC is still to come.
        2. A PUBREC repeated: the broker has not seen our PUBREL.
        3. We ended the exchange, the acknowledgement was repeated.
        4. We have forgotten the exchange, the broker has not: without PUBREL it would never end there.
        """
        try:
            i = self.pids.index(pid)
        except ValueError:
            i = -1
        if i < 0 or self.starts[i] >= self.sent:
            if kind == PUBREC:
                self.answer(PUBREL, pid)
            return False
        qos = self.buf[self.starts[i]] >> 1 & 3
        if (qos == 1) != (kind == PUBACK):
            raise ProtocolError("acknowledgement of another QoS")
        if kind == PUBREC:
            if pid not in self.released:
                self.released.append(pid)
            self.answer(PUBREL, pid)
            return False
        if kind == PUBCOMP:
            if pid not in self.released:
                return False
            self.released.remove(pid)
        self.pids.pop(i)
        self.starts.pop(i)
        self.gaps = True
        if not self.pids and self.sent == self.end:
            self.sent = self.stop = self.end = 0
            self.gaps = False
        return True

    def forget(self, pid):
        """Take a message of QoS 1 out of flight without its acknowledgement."""
        i = self.pids.index(pid)
        if self.starts[i] < self.sent:
            self.pids.pop(i)
            self.starts.pop(i)
            self.gaps = True

    def lost(self):
        """The connection is gone: keep what is in flight, and mark what may have arrived [MQTT-3.3.1-1]."""
        for start in self.starts:
            if start < self.sent:
                self.buf[start] |= _DUP
        self.first = None
        self.first_sent = 0
        self.sent = self.stop = (
            self.end
        )  # a packet half sent is not completed: there is no tail to keep
        self._close_gaps()

    def resume(self, session_present):
        """CONNACK came: send again what is in flight, PUBREL first [MQTT-4.4.0-1]. As new when the session is gone."""
        self.resent += len(self.pids)
        if not session_present:
            for start in self.starts:
                self.buf[start] &= ~_DUP
            self.released.clear()
        self.sent = 0
        self.first = bytearray(4 * len(self.released))
        for i, pid in enumerate(self.released):
            self.first[4 * i : 4 * i + 4] = bytes((PUBREL, 2, pid >> 8, pid & 0xFF))
            self._step_over(pid, i)
        self.stop = self.sent

    def _step_over(self, pid, place):
        """Bring a released PUBLISH to the front, behind `sent`: it is not sent again."""
        i = self.pids.index(pid)
        start = self.starts.pop(i)
        n = left = self._length(start)
        to = self.sent
        buf = memoryview(self.buf)
        while left:  # in small pieces: the heap may be too crowded for a copy of it all
            piece = min(left, 32)
            moved = bytes(buf[start : start + piece])
            buf[to + piece : start + piece] = buf[to:start]
            buf[to : to + piece] = moved
            start += piece
            to += piece
            left -= piece
        for k in range(place, i):
            self.starts[k] += n
        self.starts.insert(place, self.sent)
        self.pids.insert(place, self.pids.pop(i))
        self.sent += n

    def _length(self, start):
        """Return the length of the packet at start."""
        n = shift = 0
        i = start + 1
        while True:
            n |= (self.buf[i] & 0x7F) << shift
            shift += 7
            i += 1
            if self.buf[i - 1] < 128:
                return i - start + n

    def _close_gaps(self):
        """Move what is kept, and what is still to be sent, to the front."""
        buf = memoryview(self.buf)
        to = 0
        tail = self.sent
        delta = None
        for i, start in enumerate(self.starts):
            if start < self.sent:
                n = self._length(start)
                if start + n <= self.sent:
                    buf[to : to + n] = buf[start : start + n]
                    self.starts[i] = to
                    to += n
                    continue
                tail = start  # half sent: it stays in one piece
            if delta is None:
                delta = tail - to
            self.starts[i] = start - delta
        delta = tail - to
        buf[to : self.end - delta] = buf[tail : self.end]
        self.sent -= delta
        self.stop -= delta
        self.end -= delta
        self.gaps = False
