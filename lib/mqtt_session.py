"""The half of the client that never blocks: connect, send, acknowledge, resume. mqtt.py adds umqtt's calls to it.

Time is an argument, and the socket is asked only for what it has or takes at once.
"""

import errno

from micropython import const
from mqtt_deadlines import LONGEST_MS, Deadlines
from mqtt_greetings import Greetings
from mqtt_inbox import Inbox
from mqtt_incoming import Incoming
from mqtt_link import Link, explained, would_block
from mqtt_outgoing import Outgoing
from mqtt_packets import ProtocolError, Refused, as_bytes, check_topic, connect
from umqtt.robust import MQTTClient

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBACK = const(0x90)
_UNSUBACK = const(0xB0)
_PINGRESP = const(0xD0)

_IDLE = const(0)
OPENING = const(1)  # TCP and TLS; ends when CONNECT was written
_GREETING = const(2)  # CONNACK is awaited
UP = const(3)

_ARRIVED = const(8)  # messages handed over by one step(): a burst must not fill the heap
_PACKETS = const(64)  # packets taken by one step(): a flood must not hold up the caller
_POLL_MS = const(20)  # how often to look at a socket that is opening, or takes nothing


class Session(MQTTClient):
    def __init__(self, umqtt, window, window2, buffer, max_packet, timeout, connect_timeout, net):
        super().__init__(*umqtt[:7])  # umqtt.simple 1.4.0 takes no ssl_params
        self.ssl_params = umqtt[7]
        self.session_present = False
        self.window2 = window2
        self.fruitless = (
            0  # connections in a row that were lost with messages in flight and none acknowledged
        )
        self._link = Link(net)
        self._out = Outgoing(buffer, window)
        self._in = Incoming(max_packet)
        self._inbox = Inbox()
        self._greetings = Greetings(self._out)
        self._deadlines = Deadlines(timeout * 1000, connect_timeout * 1000)
        self._state = _IDLE
        self._clean = self._early = False
        self._topic = None  # the last one that was checked
        self._acked = []
        self._result = self._acked, self._inbox.arrived
        self._reported = False  # the caller has had them
        self._error = None  # to be raised by the next step()
        self._now = 0
        self._busy = False  # there may be more to read

    def start(self, now, clean_session=False, early=False):
        """Begin to connect; only the name look-up blocks. OSError: there is no way to the broker; ValueError: settings.

        early: send() need not wait for the broker's welcome, which saves a round trip [MQTT-3.1.4-5].
        """
        self.close()
        will = self.lw_topic and (self.lw_topic, self.lw_msg, self.lw_retain, self.lw_qos)
        packet = connect(self.client_id, self.keepalive, clean_session, self.user, self.pswd, will)
        try:
            self.sock = self._link.open(self.server, self.port, self.ssl, self.ssl_params)
        except MemoryError:
            raise OSError(errno.ENOMEM, "not enough memory to connect")
        self._out.first = packet
        self._clean = clean_session
        self._early = (
            early and not self._out.pids
        )  # what is in flight goes first, and waits for CONNACK
        self._state = OPENING
        self._now = now
        self._deadlines.begin(now)

    def close(self):
        """Drop the connection, without DISCONNECT: the broker publishes the will. What is in flight stays."""
        if self.sock is not None:
            self._link.close(self.sock)
            self.sock = None
        self._error = None
        if self._state != _IDLE:
            self._state = _IDLE
            self._early = self._busy = False
            self._out.lost()
            self._in.reset()
            self._greetings.lost()

    def send(self, topic, payload, retain=False, qos=0, pid=0):
        """Send without waiting. Return the packet id (0 at QoS 0), or None: not connected, or no room in the window.

        payload: bytes, str or a Stream. pid: the caller's choice of packet id, not one in flight. ValueError: a message
        that can never be sent. An error of the socket is left to the next step().
        """
        out = self._out
        if self._state != UP and not self._early:
            return None
        if topic is not self._topic:
            self._topic = topic = check_topic(topic)
        stream = None
        if type(payload) is not bytes:
            if hasattr(payload, "rewind"):
                payload, stream = b"", payload
                if out.stream:
                    return None  # one at a time
            payload = as_bytes(payload)
        if qos:
            if qos > 2 or pid in out.pids:
                raise ValueError("qos: 0, 1 or 2; pid: not one in flight")
            if len(out.pids) >= out.window or out.exactly_once >= self.window2:
                return None
            pid = pid or out.next_pid()
        idle = out.sent == out.end and not out.first
        if not out.publish(topic, payload, retain, qos, pid, stream):
            return None
        self._deadlines.sent_at = self._now
        if self._state == UP:
            self._push(idle and not out.stream)
        return pid

    def step(self, now):
        """Write, read, watch the deadlines. Return (acked, arrived), lists that the next call reuses:

        packet ids that are done (PUBACK, PUBCOMP), and (topic, payload, retained, qos) of messages. A message is
        acknowledged by the call after the one that returned it.
        Raises OSError, Refused or ProtocolError when the connection failed; it is closed then.
        """
        self._advance(now)
        self._reported = True
        return self._result

    def poll_ms(self, now):
        """Return ms until step() wants to be called, though nothing came."""
        if self._state == _IDLE:
            return 0 if self._error else LONGEST_MS
        if self._state == OPENING or self._deadlines.stall is not None:
            return _POLL_MS
        if self._error or self._busy or self._greetings.due or self._out.waiting():
            return 0
        if self._state == _GREETING:
            return self._deadlines.greeting_in(now)
        return self._deadlines.due(now, self._owed(), self.keepalive)

    def _owed(self):
        """Whether the broker owes an answer; while a stream is being written it does not yet."""
        owed = self._deadlines.pinging or self._out.pids or self._out.reserved
        return owed and not self._out.streaming()

    def _advance(self, now):
        if self._reported:
            self._acked.clear()
            self._inbox.arrived.clear()
            self._reported = False
        self._now = now
        error = self._error
        if not error:
            if self.sock is None:
                return
            try:
                self._exchange(now)
                return
            except (OSError, Refused, ProtocolError, ValueError) as e:
                error = explained(e, self.ssl)
            except MemoryError:
                error = OSError(errno.ENOMEM, "not enough memory")
        if self._state == UP and self._out.pids:
            self.fruitless += 1
        self.close()
        if not self._acked and not self._inbox.arrived:
            raise error
        self._error = error  # what came before it is reported first

    def _exchange(self, now):
        out = self._out
        deadlines = self._deadlines
        if out.sent < out.end or out.first or out.stream:
            self._flush(now)
        if self._state == OPENING and not out.first:
            self._state = _GREETING
        if self._state >= _GREETING:
            self._receive(now)
        if self._state != UP:
            deadlines.greeting(now)
            return
        if self._greetings.due:
            self._greetings.send()
        if (
            self.keepalive
            and not deadlines.pinging
            and deadlines.ping_in(now, self.keepalive) <= 0
        ):
            self._ping(now)
        # The acknowledgement of what arrived waits until the caller has seen it.
        if not self._inbox.arrived and (out.sent < out.end or out.first or out.stream):
            self._flush(now)
        inc = self._in
        deadlines.watch(now, self._owed(), inc.half() and not self._busy, inc.progress)

    def _push(self, idle=False):
        """Flush where an error would come at the wrong time: the next step() raises it. idle: one packet, no detours."""
        out = self._out
        try:
            if self._error or self.sock is None:
                return
            if idle:
                out.stop = out.end
                out.sent += self.sock.write(out.buf, out.sent, out.end - out.sent) or 0
                out.gaps = True
            else:
                self._flush(self._now)
        except (OSError, ValueError) as e:
            if e.args[0] != errno.EAGAIN:
                self._error = e

    def _flush(self, now):
        out = self._out
        try:
            done = out.flush(self.sock)
        except OSError as e:
            if e.errno != errno.EAGAIN and not (self._state == OPENING and would_block(e)):
                raise
            done = False
        if not done or self._deadlines.stall is not None:
            self._deadlines.flushed(now, done, out.moved)

    def _receive(self, now):
        inc = self._in
        self._busy = True
        for _ in range(_PACKETS):
            if len(self._inbox.arrived) >= _ARRIVED or self._out.room(4, 0) < 0:
                return
            kind = inc.next()
            if kind:
                self._deadlines.heard_at = now
                self._take(kind)
                continue
            try:
                if inc.fill(self.sock):
                    continue
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
            self._busy = False
            return

    def _take(self, kind):
        inc = self._in
        out = self._out
        if self._state == _GREETING:
            if kind != _CONNACK:
                raise ProtocolError("first packet is not CONNACK")  # [MQTT-3.2.0-1]
            self._greeted()
        elif kind in (_PUBACK, _PUBREC, _PUBCOMP):
            if out.acknowledged(kind, inc.pid):
                self._deadlines.answer = None
                self.fruitless = 0
                if inc.pid != self._greetings.birth_pid:
                    self._acked.append(inc.pid)
        elif kind & 0xF0 == _PUBLISH:
            self._inbox.publish(kind, inc, out)
        elif kind == _PUBREL:
            self._inbox.release(inc.pid, out)
        elif kind == _PINGRESP:
            self._deadlines.pinging = False
        elif kind in (_SUBACK, _UNSUBACK):
            if self._greetings.answered(inc.pid, inc.code if kind == _SUBACK else None):
                self._deadlines.answer = None
        else:
            raise ProtocolError("second CONNACK")

    def _greeted(self):
        inc = self._in
        if inc.code:
            raise Refused(inc.code)
        if inc.flags > 1 or (inc.flags and self._clean):
            raise ProtocolError("CONNACK flags %d" % inc.flags)  # [MQTT-3.2.2-1]
        self.session_present = bool(inc.flags)
        self._state = UP
        self._deadlines.answer = None
        self._link.failures = 0
        if not self._early:
            self._out.resume(self.session_present)
        self._early = False
        if not self.session_present:
            self._inbox.received.clear()
        self._greetings.resume(self.session_present)

    def _ping(self, now):
        if not self._out.waiting() and self._out.add(b"\xc0\0"):
            self._deadlines.pinging = True
            self._deadlines.sent_at = now
