"""The half of the client that never blocks: connect, send, acknowledge, resume; see mqtt.py, which adds umqtt's calls.

Time is an argument, the socket is asked only for what it has or takes at once. Paragraphs in brackets are of OASIS MQTT
Version 3.1.1.
"""

import errno
from time import ticks_diff

import mqtt_packets
from micropython import const
from mqtt_incoming import Incoming
from mqtt_link import ETIMEDOUT, Link, explain, would_block
from mqtt_outgoing import Outgoing
from mqtt_packets import (
    CONNACK,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    ProtocolError,
    Refused,
    check_filter,
    check_topic,
)
from umqtt.robust import MQTTClient

_IDLE = const(0)
OPENING = const(1)
_GREETING = const(2)
_UP = const(3)
_ARRIVED = const(8)  # messages handed over by one step(): a burst must not fill the heap
_PACKETS = const(64)  # packets taken by one step(): a flood must not hold up the caller
_RECEIVED = const(256)  # QoS 2 messages that the broker may leave unfinished
_POLL_MS = const(20)  # how often to look at a socket that is opening, or takes nothing
_LONGEST_MS = const(60000)


class Session(MQTTClient):
    def __init__(
        self,
        client_id,
        server,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params={},
        *,
        window=32,
        buffer=5120,
        max_packet=4096,
        timeout=10,
        connect_timeout=20,
        net=None,
    ):
        """As umqtt's. window, buffer: messages in flight, and the bytes they may take; max_packet: largest payload
        taken into memory; timeout: s until a silent broker is given up; net: what stands for `socket`.
        """
        super().__init__(client_id, server, port, user, password, keepalive, ssl, ssl_params)
        self.timeout_ms = timeout * 1000
        self.connect_timeout_ms = connect_timeout * 1000
        self.session_present = False
        self.refused = []  # topic filters that the broker refused
        self._link = Link(net)
        self._out = Outgoing(buffer, window)
        self._in = Incoming(max_packet)
        self._topic = None  # the last one checked
        self._state = _IDLE
        self._early = False
        self._clean = False
        self._received = []  # QoS 2: PUBREC sent, PUBREL not seen
        self._filters = []  # [filter, qos or None to unsubscribe, 0 to be sent | packet id | -1 granted]
        self._acked = []
        self._arrived = []
        self._result = (self._acked, self._arrived)
        self._reported = False
        self._error = None
        self._now = 0
        self._sent_at = self._heard_at = 0
        self._pinging = False
        # Deadlines that run: an answer is due, the socket takes nothing, half a packet came. None: nothing to wait for.
        self._answer_since = self._stalled_since = self._half_since = None
        self._progress = 0
        self._busy = False  # more may be waiting to be read
        self._filters_due = False

    connected = property(lambda self: self._state == _UP)
    pending = property(lambda self: len(self._out.pids))
    resent = property(lambda self: self._out.resent)
    skipped = property(lambda self: self._in.skipped)

    # without blocking

    def start(self, now, clean_session=False, early=False):
        """Begin to connect; only the name look-up blocks. early: send() does not wait for the broker's welcome."""
        self.close()
        self._now = now
        self._clean = clean_session
        will = self.lw_topic and (self.lw_topic, self.lw_msg, self.lw_retain, self.lw_qos)
        packet = mqtt_packets.connect(
            self.client_id, self.keepalive, clean_session, self.user, self.pswd, will
        )
        try:
            self.sock = self._link.open(self.server, self.port, self.ssl, self.ssl_params)
        except MemoryError:
            raise OSError(errno.ENOMEM, "not enough memory to connect")
        self._out.first = packet
        self._state = OPENING
        self._early = early and not self._out.pids
        self._answer_since = self._sent_at = self._heard_at = now

    def close(self):
        """Drop the connection, without DISCONNECT: the broker publishes the will. What is in flight stays."""
        if self.sock is not None:
            self._link.close(self.sock)
            self.sock = None
        self._error = None
        if self._state != _IDLE:
            self._state = _IDLE
            self._out.lost()
            self._out.reserved.clear()
            self._in.reset()
            for entry in self._filters:
                entry[2] = min(entry[2], 0)  # the answer was lost
            self._early = self._pinging = False
            self._answer_since = self._stalled_since = self._half_since = None

    def send(self, topic, payload, retain=False, qos=0, pid=0):
        """Send without waiting. Return the packet id (0 at QoS 0), or None: not connected, or no room in the window.

        pid: the caller's choice of packet id, not one in flight. ValueError: a message that can never be sent. An error
        of the socket is left to the next step().
        """
        out = self._out
        if self._state != _UP and not self._early:
            return None
        if topic is not self._topic:
            topic = check_topic(topic)
            self._topic = topic
        if isinstance(payload, str):
            payload = payload.encode()
        if qos:
            if len(out.pids) >= out.window:
                return None
            pid = pid or out.next_pid()
        idle = out.sent == out.end
        if not out.publish(topic, payload, retain, qos, pid):
            return None
        if qos:
            out.pid = pid
        self._sent_at = self._now
        if idle and self._state == _UP:
            self._push()
        return pid

    def restore(self, pid, topic, payload, retain=False, qos=1, released=False):
        """Before start(), in the order of sending: put back what an earlier run of the program had in flight.

        released: PUBREC had come (QoS 2).
        """
        out = self._out
        if self._state != _IDLE or not out.publish(check_topic(topic), payload, retain, qos, pid):
            raise ValueError("restore: before start(), and no more than window and buffer hold")
        out.pid = pid
        out.sent = out.stop = out.end
        out.lost()
        if released:
            out.released.append(pid)

    def step(self, now):
        """Write, read, watch the deadlines. Return (acked, arrived), lists that the next call reuses:

        packet ids that are done (PUBACK, PUBCOMP), and (topic, payload, retained, qos) of messages.
        Raises OSError, Refused or ProtocolError when the connection failed; it is closed then.
        """
        self._advance(now)
        self._reported = True
        return self._result

    def poll_ms(self, now):
        """Return ms until step() wants to be called, though nothing came."""
        if self._state == _IDLE:
            return 0 if self._error else _LONGEST_MS
        if self._state == OPENING or self._stalled_since is not None:
            return _POLL_MS
        if self._error or self._busy or self._filters_due or self._out.sent < self._out.end:
            return 0
        wait = _LONGEST_MS
        for since in (self._answer_since, self._half_since):
            if since is not None:
                wait = min(wait, self.timeout_ms - ticks_diff(now, since))
        if (
            self._state == _UP
            and (self._out.pids or self._out.reserved)
            and self._answer_since is None
        ):
            wait = min(wait, self.timeout_ms)
        if self.keepalive and not self._pinging:
            wait = min(wait, self.keepalive * 750 - ticks_diff(now, self._sent_at))
            wait = min(wait, self.keepalive * 750 - ticks_diff(now, self._heard_at))
        return max(0, wait)

    # inside

    def _advance(self, now):
        if self._reported:
            self._acked.clear()
            self._arrived.clear()
            self._reported = False
        self._now = now
        error, self._error = self._error, None
        if not error:
            if self.sock is None:
                return
            try:
                self._exchange(now)
                return
            except (OSError, Refused, ProtocolError) as e:
                error = e
            except ValueError as e:
                error = explain(e)  # TLS: a certificate that is not to be trusted
            except MemoryError:
                error = OSError(errno.ENOMEM, "not enough memory")
        self.close()
        if not self._acked and not self._arrived:
            raise error
        self._error = error  # what came before it is reported first

    def _exchange(self, now):
        self._flush(now)
        if self._state == OPENING:
            if self._out.first:
                if ticks_diff(now, self._answer_since) >= self.connect_timeout_ms:
                    raise OSError(ETIMEDOUT, "no connection in time")
                return
            self._state = _GREETING
        self._receive(now)
        if self._state == _UP:
            if self._filters_due:
                self._send_filters()
            if not self._arrived:  # else its acknowledgement waits until the caller has seen it
                self._flush(now)
            self._keep_alive(now)
        self._watch(now)

    def _push(self):
        """Flush where an error would come at the wrong time: the next step() raises it."""
        try:
            if self.sock is not None:
                self._flush(self._now)
        except (OSError, ValueError) as e:
            self._error = e

    def _flush(self, now):
        out = self._out
        try:
            done = out.flush(self.sock)
        except OSError as e:
            if e.errno != errno.EAGAIN and not (self._state == OPENING and would_block(e)):
                raise
            done = False
        if done:
            self._stalled_since = None
        elif self._stalled_since is None or out.moved:
            self._stalled_since = now

    def _receive(self, now):
        inc = self._in
        self._busy = True
        for _ in range(_PACKETS):
            if len(self._arrived) >= _ARRIVED or self._out.room(4, 0) < 0:
                return
            kind = inc.next()
            if kind:
                self._take(kind, now)
                continue
            try:
                if inc.fill(self.sock):
                    continue
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
            self._busy = False
            return

    def _take(self, kind, now):
        """Act on a packet."""
        inc = self._in
        out = self._out
        self._heard_at = now
        if self._state == _GREETING:
            if kind != CONNACK:
                raise ProtocolError("first packet is not CONNACK")  # [MQTT-3.2.0-1]
            self._greeted()
        elif kind == PUBACK or kind == PUBREC or kind == PUBCOMP:
            if out.acknowledged(kind, inc.pid):
                self._acked.append(inc.pid)
                self._answer_since = None
        elif kind & 0xF0 == PUBLISH:
            self._deliver(kind)
        elif kind == PUBREL:
            if inc.pid in self._received:
                self._received.remove(inc.pid)
            out.answer(
                PUBCOMP, inc.pid
            )  # to an unknown id, too: else the broker repeats PUBREL for ever
        elif kind == PINGRESP:
            self._pinging = False
            if not out.pids and not out.reserved:
                self._answer_since = None
        elif kind == SUBACK or kind == UNSUBACK:
            self._granted(inc.pid, inc.code if kind == SUBACK else None)
        else:
            raise ProtocolError("second CONNACK")

    def _greeted(self):
        inc = self._in
        if inc.code:
            raise Refused(inc.code)
        if inc.flags > 1 or (inc.flags and self._clean):
            raise ProtocolError("CONNACK flags %d" % inc.flags)  # [MQTT-3.2.2-1]
        self.session_present = bool(inc.flags)
        self._state = _UP
        self._answer_since = None
        if not self._early:
            self._out.resume(self.session_present)
        self._early = False
        if not self.session_present:
            self._received.clear()
            for entry in self._filters:
                entry[2] = 0
        self._filters_due = True

    def _deliver(self, kind):
        """Hand over a message. QoS 2: the id is kept until PUBREL, a repetition is answered and not handed over [4.3.3]."""
        inc = self._in
        qos = kind >> 1 & 3
        if qos == 2:
            self._out.answer(PUBREC, inc.pid)
            if inc.pid in self._received:
                return
            if len(self._received) >= _RECEIVED:
                raise ProtocolError("too many unfinished QoS 2 messages")
            self._received.append(inc.pid)
        elif qos:
            self._out.answer(PUBACK, inc.pid)
        if inc.payload is not None:
            self._arrived.append((inc.topic, inc.payload, bool(kind & 1), qos))
        inc.payload = None

    def _want(self, pattern, qos):
        """Subscribe, or with qos None unsubscribe: now, and again when the broker has forgotten."""
        pattern = check_filter(pattern)
        self._filters = [entry for entry in self._filters if entry[0] != pattern]
        if pattern in self.refused:
            self.refused.remove(pattern)
        entry = [pattern, qos, 0]
        self._filters.append(entry)
        self._filters_due = True
        return entry

    def _send_filters(self):
        out = self._out
        for entry in self._filters:
            pattern, qos, state = entry
            if state == 0:
                out.pid = pid = out.next_pid()
                if qos is None:
                    packet = mqtt_packets.packet(UNSUBSCRIBE, pid, len(pattern), pattern)
                else:
                    packet = mqtt_packets.packet(
                        SUBSCRIBE, pid, len(pattern), pattern, bytes((qos,))
                    )
                if not out.add(packet):
                    return
                out.reserved.append(pid)
                entry[2] = pid
        self._filters_due = False

    def _granted(self, pid, code):
        """SUBACK with its return code, or UNSUBACK."""
        if code is not None and code not in (0, 1, 2, 0x80):
            raise ProtocolError("SUBACK code %d" % code)  # [MQTT-3.9.3-2]
        for entry in self._filters:
            if entry[2] == pid and (entry[1] is None) == (code is None):
                self._out.reserved.remove(pid)
                self._answer_since = None
                entry[2] = -1
                if code == 0x80:
                    self.refused.append(entry[0])
                if code == 0x80 or code is None:
                    self._filters.remove(entry)
                return

    def _keep_alive(self, now):
        """PINGREQ after three quarters of the keepalive with nothing sent, or nothing heard [3.1.2.10]."""
        if not self.keepalive or self._pinging or self._out.sent < self._out.end:
            return
        quiet = self.keepalive * 750
        if ticks_diff(now, self._sent_at) >= quiet or ticks_diff(now, self._heard_at) >= quiet:
            self._ping(now)

    def _ping(self, now):
        if self._out.add(b"\xc0\0"):
            self._pinging = True
            self._sent_at = now
            self._flush(now)

    def _watch(self, now):
        """Deadlines. Acknowledgements have to go on coming; other packets do not put theirs off."""
        if self._state == _GREETING:
            if ticks_diff(now, self._answer_since) >= self.connect_timeout_ms:
                raise OSError(ETIMEDOUT, "no answer to CONNECT")
        elif not (self._pinging or self._out.pids or self._out.reserved):
            self._answer_since = None
        elif self._answer_since is None:
            self._answer_since = now
        elif ticks_diff(now, self._answer_since) >= self.timeout_ms:
            raise OSError(ETIMEDOUT, "no answer from the broker")
        if (
            self._stalled_since is not None
            and ticks_diff(now, self._stalled_since) >= self.timeout_ms
        ):
            raise OSError(ETIMEDOUT, "the broker takes nothing")
        if not self._in.half() or self._busy:
            self._half_since = None
        elif self._half_since is None or self._progress != self._in.progress:
            self._half_since = now
            self._progress = self._in.progress
        elif ticks_diff(now, self._half_since) >= self.timeout_ms:
            raise OSError(ETIMEDOUT, "half a packet, and no more")
