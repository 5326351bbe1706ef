"""What goes out, and what of it is in flight: sent at QoS 1 or 2, and not acknowledged yet.

    buf   [ PUBLISH 7 | gap | PUBLISH 9 | PUBLISH 10 | PUBACK | PUBLISH 11 .............. ]
            0                            ^ sent               ^ stop      ^ end

A PUBLISH of QoS 1 or 2 stays in the buffer until it is acknowledged, so that it is sent again byte for byte. Of other
packets, and of what was acknowledged, a gap is left, closed when room is needed.
To send again after a connection was lost is to set `sent` to 0.

The state of the exchanges [4.3]: an id in `pids` waits for PUBACK (QoS 1), PUBREC (QoS 2), or PUBCOMP when it is in
`released`, too. A released PUBLISH is never sent again in its session [MQTT-4.3.3-1]. It is kept all the same: should
the broker forget the session it may have forgotten the message with it, which then is sent as new.
"""

from struct import pack_into

from micropython import const

from mqtt.packets import ProtocolError, length_size, put_length

_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)

_DUP = const(8)
_FORMATS = const(32)  # lengths of topics and payloads that are remembered
_RESERVE = const(64)  # room that messages leave to acknowledgements, PINGREQ and SUBSCRIBE


class Outgoing:
    def __init__(self, size, window):
        self.buf = bytearray(size)
        self.sent = self.stop = self.end = 0
        self.first = None  # goes before all that is in buf: CONNECT, PUBREL to be sent again
        self.first_sent = 0
        self.stream = None  # a Stream that is being sent, or not acknowledged yet
        self.gaps = False  # whether close_gaps() would find any
        self.moved = False  # whether the last flush() got anything out
        self.limit = size - _RESERVE  # where messages end
        self.window = window
        self.pids = []  # in flight, in the order of sending
        self.starts = []  # where in buf the PUBLISH of each begins
        self.released = []  # PUBREC came, PUBCOMP has not; in the order of PUBREC [MQTT-4.6.0-4]
        self.reserved = []  # ids that SUBSCRIBE and UNSUBSCRIBE wait with
        self.exactly_once = 0  # how many of them are of QoS 2
        self.lowered = False  # the broker answered one of those as if it were of QoS 1
        self.journal = None  # f(pids), see Client.set_journal()
        self.recorded = None  # with a journal: ids that PUBREC has just come for
        self.pid = 0  # the last one given out
        self.highest = 65535  # of those given out here; above are the caller's own
        self.formats = {}

    def next_pid(self):
        """Return a packet id that is not in use, 1 to 65535 [MQTT-2.3.1-4]."""
        pid = self.pid % self.highest + 1
        while pid in self.pids or pid in self.reserved:
            pid = pid % self.highest + 1
        return pid

    def _format(self, n):
        """Return the format that copies n bytes by pack_into.

        A slice assignment would allocate, and move all of the buffer that is behind the slice onto itself.
        """
        if len(self.formats) >= _FORMATS:
            self.formats.clear()
        self.formats[n] = form = "%ds" % n
        return form

    def publish(self, topic, payload, retain, qos, pid, stream=None):
        """Append a PUBLISH; of a stream all but its payload. Return where it begins, -1: there is no room for it now."""
        topic_size = len(topic)
        payload_size = len(payload)
        n = 2 + topic_size + payload_size
        if qos:
            n += 2
        size = 1 + (1 if n < 128 else length_size(n)) + n
        if stream:
            n += len(stream)
            size += length_size(n) - length_size(n - len(stream))
            stream.rewind(0)  # takes memory: before anything of the message is in the buffer
        i = self.end
        if i + size > self.limit:
            if size > self.limit:
                raise ValueError("message larger than the buffer: use a Stream")
            i = self.room(size, _RESERVE)
            if i < 0:
                return -1
        buf = self.buf
        start = i
        buf[i] = 0x30 | qos << 1 | (1 if retain else 0)
        if n < 128:
            buf[i + 1] = n
            i += 2
        else:
            i = put_length(buf, i + 1, n)
        buf[i] = topic_size >> 8
        buf[i + 1] = topic_size & 0xFF
        i += 2
        formats = self.formats
        pack_into(formats.get(topic_size) or self._format(topic_size), buf, i, topic)
        i += topic_size
        form = formats.get(payload_size) or self._format(payload_size)
        if qos:
            buf[i] = pid >> 8
            buf[i + 1] = pid & 0xFF
            i += 2
            self.pids.append(pid)
            self.starts.append(start)
            self.exactly_once += qos >> 1
            self.pid = pid
        if payload_size:
            pack_into(form, buf, i, payload)
        self.end = i + payload_size
        self.gaps = True
        if stream:
            stream.pid = pid
            stream.head = i - start
            stream.at = i
            self.stream = stream
        return start

    def acknowledged(self, kind, pid):
        """Take an acknowledgement. Return True when it ends an exchange. The caller has asked for room().

        state                  PUBACK     PUBREC                       PUBCOMP
        waits for PUBACK       end        error                        error
        waits for PUBREC       5. end     waits for PUBCOMP, PUBREL    1. ignored
        waits for PUBCOMP      error      2. PUBREL again              end
        unknown or unsent id   3. ignored 4. PUBREL                    3. ignored

        1. The broker answered a PUBREL of an earlier connection while we, restarted from a state saved before PUBREC,
           sent the PUBLISH again; its PUBREC is still to come.
        2. A PUBREC repeated: the broker has not seen our PUBREL.
        3. We ended the exchange, the acknowledgement was repeated.
        4. We have forgotten the exchange, the broker has not: without PUBREL it would never end there.
        5. RabbitMQ: it has no QoS 2, and has taken the message at QoS 1. To send it again would only double it.
        """
        pids = self.pids
        if pid not in pids:
            if kind == _PUBREC:
                self.answer(_PUBREL, pid)
            return False
        i = pids.index(pid)
        start = self.starts[i]
        stream = self.stream
        unsent = start >= self.sent or (stream and stream.pid == pid and stream.at >= 0)
        if unsent and pid not in self.released:
            return False
        if (self.buf[start] & 4 == 0) != (kind == _PUBACK):
            if kind != _PUBACK or pid in self.released:
                raise ProtocolError("acknowledgement of another QoS")
            self.lowered = True
            self.exactly_once -= 1
        if kind == _PUBREC:
            if pid not in self.released:
                self.released.append(pid)
                if self.recorded is not None:
                    self.recorded.append(pid)
            self.answer(_PUBREL, pid)
            return False
        if kind == _PUBCOMP:
            if pid not in self.released:
                return False
            self.released.remove(pid)
            self.exactly_once -= 1
        if stream and stream.pid == pid:
            self.stream = None
        pids.pop(i)
        self.starts.pop(i)
        self.gaps = True
        return True

    def forget(self, pid):
        """Take a message out of flight without its acknowledgement; only while there is no connection."""
        if pid in self.pids:
            i = self.pids.index(pid)
            self.exactly_once -= self.buf[self.starts[i]] >> 2 & 1
            if pid in self.released:
                self.released.remove(pid)
            if self.stream and self.stream.pid == pid:
                self.stream = None
            self.pids.pop(i)
            self.starts.pop(i)
            self.close_gaps()

    def lost(self):
        """The connection is gone: keep what is in flight, and mark what may have arrived [MQTT-3.3.1-1]."""
        for start in self.starts:
            if start < self.sent:
                self.buf[start] |= _DUP
        self.first = None
        self.first_sent = 0
        # a packet half sent is not completed: there is no tail to keep
        self.sent = self.stop = self.end
        if self.stream:
            self.stream.at = (
                -1
            )  # its payload follows CONNECT only when resume() has sent its head again
            if not self.stream.pid or self.stream.broken:
                self.forget(self.stream.pid)
                self.stream = None
        self.close_gaps()

    def resume(self, session_present):
        """CONNACK came: send again what is in flight, PUBREL first [MQTT-4.4.0-1]. As new when the session is gone."""
        if not session_present:
            for start in self.starts:
                self.buf[start] &= ~_DUP
            self.released.clear()
        self.sent = 0
        self.first = bytearray(4 * len(self.released)) if self.released else None
        for i, pid in enumerate(self.released):
            self.first[4 * i : 4 * i + 4] = bytes((_PUBREL, 2, pid >> 8, pid & 0xFF))
            self._step_over(pid, i)
        self.stop = self.sent
        stream = self.stream
        if stream and stream.pid not in self.released:  # of a released one all has been sent
            stream.rewind(self.starts[self.pids.index(stream.pid)] + stream.head)

    def _step_over(self, pid, place):
        """Bring a released PUBLISH to the front, behind `sent`: it is not sent again."""
        i = self.pids.index(pid)
        n = left = self._length(i)
        start = self.starts.pop(i)
        self.pids.pop(i)
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
        self.pids.insert(place, pid)
        self.sent += n

    def _length(self, i):
        """Return the length that message i has in buf."""
        if self.stream and self.stream.pid == self.pids[i]:
            return self.stream.head
        n = shift = 0
        start = i = self.starts[i]
        while True:
            i += 1
            n |= (self.buf[i] & 0x7F) << shift
            if self.buf[i] < 128:
                return i + 1 - start + n
            shift += 7

    def cut(self):
        """Drop what was sent before the oldest message in flight."""
        starts = self.starts
        n = starts[0] if starts and starts[0] < self.sent else self.sent
        if n == self.end:
            self.sent = self.stop = self.end = 0
        elif n and not self.streaming():
            buf = memoryview(self.buf)
            buf[: self.end - n] = buf[n : self.end]
            for i in range(len(starts)):
                starts[i] -= n
            self.sent -= n
            self.stop -= n
            self.end -= n

    def close_gaps(self):
        """Move what is kept, and what is still to be sent, to the front."""
        buf = memoryview(self.buf)
        to = 0  # everything before is in its new place
        tail = self.sent  # from here on all moves in one piece
        delta = -1
        for i, start in enumerate(self.starts):
            if start < self.sent:
                n = self._length(i)
                if start + n <= self.sent:
                    buf[to : to + n] = buf[start : start + n]
                    self.starts[i] = to
                    to += n
                    continue
                tail = start  # half sent
            if delta < 0:
                delta = tail - to
            self.starts[i] = start - delta
        delta = tail - to
        buf[to : self.end - delta] = buf[tail : self.end]
        if self.streaming():
            self.stream.at -= delta
        self.sent -= delta
        self.stop -= delta
        self.end -= delta
        self.gaps = False

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
            self.cut()  # is cheap, and does as long as acknowledgements come in order
            if self.end > limit:
                self.close_gaps()
        return self.end if self.end <= limit else -1

    def waiting(self):
        """Return whether anything is still to be written."""
        return self.sent < self.end or self.first is not None or self.streaming()

    def streaming(self):
        """Return whether the payload of a stream is still to be written."""
        return self.stream is not None and self.stream.at >= 0

    def flush(self, sock):
        """Write what is to be sent, several packets at once. Return False when the socket takes no more now.

        TLS wants a write that it did not take repeated with the same bytes, no more and no less: `stop`.
        """
        self.moved = False
        if self.first is not None:
            while self.first_sent < len(self.first):
                n = sock.write(self.first, self.first_sent, len(self.first) - self.first_sent)
                if n is None:
                    return False
                self.first_sent += n
                self.moved = True
            self.first = None
            self.first_sent = 0
        while self.sent < self.end or (self.stream and self.stream.at >= 0):
            if self.sent == self.stop:
                if self.stream and self.stream.at == self.sent:
                    done, moved = self.stream.flush(sock)
                    self.moved |= moved
                    if not done:
                        return False
                    if not self.stream.pid:
                        self.stream = None
                    continue
                self.stop = self.stream.at if self.streaming() else self.end
            n = sock.write(self.buf, self.sent, self.stop - self.sent)
            if n is None:
                return False
            self.sent += n
            self.moved = True
        self.gaps = True
        return True
