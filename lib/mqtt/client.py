"""The client that never blocks: connect, send, acknowledge, resume. blocking.py adds umqtt's calls to it; a program that does without
them takes `Client`, `Refused` and `ProtocolError` from here, and saves their 6 KB.

Time is an argument, and the socket is asked only for what it has or takes at once.
"""

import errno
from time import ticks_diff, ticks_ms

from micropython import const

from mqtt.deadlines import LONGEST_MS, Deadlines
from mqtt.incoming import Incoming
from mqtt.outgoing import Outgoing
from mqtt.packets import ProtocolError, Refused, as_bytes, check_topic, connect
from mqtt.transport import Transport, explained, would_block

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBREL = const(0x62)
_SUBACK = const(0x90)
_PINGRESP = const(0xD0)
_ACKS = b"\x40\x50\x70"  # PUBACK, PUBREC, PUBCOMP

# States of the connection, see Client
_CLOSED = const(0)
_FAILED = const(1)
_OPENING = const(2)
_GREETING = const(3)
_UP = const(4)
_BROKEN = const(5)

# What start() was asked for
_CLEAN = const(1)
_ANEW = const(2)
_PROBE = const(4)
_EARLY = const(8)

_ARRIVED = const(8)  # messages handed over by one step(): a burst must not fill the heap
_PACKETS = const(64)  # packets taken by one step(): a flood must not hold up the caller
_POLL_MS = const(20)  # how often to look at a socket that is opening, or takes nothing


class Client:
    """A connection, and then the next. These are its states; a cell says where an event leads. start() closes first.

    state      sock   start()   CONNECT written   CONNACK   send() fails   step() fails   close()
    CLOSED     None   OPENING                                                             CLOSED
    OPENING    there  OPENING   GREETING                                   1. CLOSED      CLOSED
    GREETING   there  OPENING                     2. UP                    1. CLOSED      CLOSED
    UP         there  OPENING                     error     3. BROKEN      1. CLOSED      CLOSED
    BROKEN     there  OPENING                               BROKEN         1. CLOSED      CLOSED
    FAILED     None   OPENING                                              4. CLOSED      CLOSED

    OPENING: TCP and TLS. GREETING: the broker owes CONNACK. `connected` means UP or BROKEN.

    1. FAILED, if acknowledgements or messages came before the error: step() reports them first.
    2. CLOSED with Refused, if the broker says no or this was a probe. OPENING, if the broker has kept a session that start() is to
       end: a connection with a clean session ends it, and its CONNACK leads to OPENING again.
    3. send() and ping() leave the error to step(), whose caller expects it.
    4. The previous step() has reported what came before; this one raises the error.
    """

    Refused = Refused  # what to raise

    def __init__(  # noqa: PLR0913
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
        window2=20,
        buffer=5120,
        max_packet=4096,
        timeout=10,
        connect_timeout=20,
        net=None,
    ):
        """As umqtt's. window, buffer: messages in flight, and the bytes they may take; window2: unfinished messages of
        QoS 2 at which sending pauses, not above the broker's limit (mosquitto's max_inflight_messages: what exceeds it
        is acknowledged and dropped); max_packet: largest payload taken into memory; timeout: s until a silent broker
        is given up; net: what stands for the module `socket`.
        """
        self.client_id = client_id
        self.server = server
        self.port = port or (8883 if ssl else 1883)
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.ssl = ssl
        self.ssl_params = ssl_params
        self.sock = self.lw_topic = None
        self.window2 = window2
        self._transport = Transport(net)
        self._in = Incoming(max_packet)
        self._out = out = Outgoing(buffer, window)
        self.deadlines = Deadlines(out, self._in, timeout, connect_timeout)
        self.in_flight = out.pids  # packet ids, oldest first
        self.released = out.released  # those of them that PUBREC has come for (QoS 2)
        self.received = self._in.received  # QoS 2 messages handed over whose PUBREL has not come
        self.refused = []  # topic filters the broker refused
        self._subscriptions = None  # birth and subscriptions, when there are any
        self._result = [], []  # acked, arrived
        self._state = _CLOSED
        self.connected = self.session_present = False
        self._attempt = 0  # what start() was asked for
        self._error = None  # of FAILED and BROKEN: to be raised by the next step()
        self._reported = False  # the caller has had what is in _result
        self.resent = 0
        # connections in a row, lost with messages in flight and none acknowledged
        self.fruitless = 0
        self.last = None  # topic of the last message that was sent
        self.lied = False  # the broker said that it had kept a session that it was to forget
        self.turned_away = False  # whether the last one was closed in answer to CONNECT

    def __getattr__(self, name):
        # Properties would make MicroPython look for a setter, in all four classes, whenever any attribute is set.
        if name == "pending":
            return len(self.in_flight)
        if name == "pinging":
            return self.deadlines.pinging
        if name == "skipped":
            return self._in.skipped
        if name in (
            "exactly_once",
            "lowered",
        ):  # of QoS 2: how many in flight; answered as if it were 1
            return getattr(self._out, name)
        if name == "subscriptions":
            return self._ensure_subscriptions()
        if (
            name == "unanswered"
        ):  # filters that waited for an answer when the last connection ended
            return self._subscriptions.unanswered if self._subscriptions else ()
        raise AttributeError(name)

    def set_sink(self, sink):
        """sink(topic, size, retained, qos) → where a message over 500 bytes is written to (write()), or None."""
        self._in.sink = sink

    def set_birth(self, topic, payload, retain=True, qos=1):
        """What is published first on each connection; None: nothing."""
        self._ensure_subscriptions().birth = topic and (
            check_topic(topic),
            as_bytes(payload),
            retain,
            qos,
        )

    def set_journal(self, f):
        """f(pids): PUBREC has come for these, PUBREL waits until f returns. On each connection f(None): the broker has forgotten
        them all; or f(()): it has not; the client forgets those that f returns. Packet ids from 32768 on are the caller's own."""
        out = self._out
        out.journal, out.recorded, out.highest = f, [], 32767

    def restore(self, pid, topic, payload, retain=False, qos=1, released=False):
        """Before start(), in the order of sending: put back what an earlier run had in flight. released: PUBREC had come."""
        out = self._out
        if self.sock or out.publish(check_topic(topic), payload, retain, qos, pid) < 0:
            raise ValueError("restore: before start(), and no more than window and buffer hold")
        out.sent = out.end
        out.lost()
        if released:
            out.released.append(pid)

    def forget(self, pid):
        """While not connected: give up a message that is in flight, one that the broker will not have, say."""
        if self.sock is None:
            self._out.forget(pid)

    def want(self, pattern, qos):
        """Subscribe without waiting, now and after each connection that finds the session gone. See `refused`."""
        self._ensure_subscriptions().want(pattern, qos)

    def _ensure_subscriptions(self):
        self.deadlines.changed = True
        if not self._subscriptions:
            from mqtt.subscriptions import Subscriptions

            self._subscriptions = Subscriptions(self._out, self.refused)
        return self._subscriptions

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """What the broker publishes when this client vanishes; None: nothing."""
        self.lw_topic = None if topic is None else check_topic(topic)
        self.lw_msg, self.lw_retain, self.lw_qos = as_bytes(msg), retain, qos

    def start(self, now, clean_session=False, early=False, anew=False, probe=False):
        """Begin to connect; only the name look-up blocks. OSError: there is no way to the broker; ValueError: settings.
        early: send() need not wait for the broker's welcome, which saves a round trip [MQTT-3.1.4-5]. anew: a session
        that the broker has kept is to be forgotten: connect twice. probe: end with Refused(0) where others are welcome."""
        self.close()
        will = self.lw_topic and (self.lw_topic, self.lw_msg, self.lw_retain, self.lw_qos)
        will = None if anew and clean_session else will  # that only ends the old session
        packet = connect(self.client_id, self.keepalive, clean_session, self.user, self.pswd, will)
        try:
            self.sock = self._transport.open(self.server, self.port, self.ssl, self.ssl_params)
        except MemoryError:
            raise OSError(errno.ENOMEM, "not enough memory to connect")
        self._enter(_OPENING)
        self._attempt = (
            (_CLEAN if clean_session else 0)
            | (_ANEW if anew else 0)
            | (_PROBE if probe else 0)
            # what is in flight goes first, and waits for CONNACK
            | (_EARLY if early and not self.in_flight else 0)
        )
        self._out.first, self._out.lowered = packet, False
        self.deadlines.begin(now, self.keepalive)

    def close(self):
        """Drop the connection, without DISCONNECT: the broker publishes the will. What is in flight stays."""
        self._error = None
        self._attempt = 0
        self._enter(_CLOSED)
        if self.sock is not None:
            self._transport.close(self.sock)
            self.sock = None
            self._out.lost()
            self._in.reset()
            if self._subscriptions:
                self._subscriptions.lost()

    def disconnect(self):
        """Send what is waiting, DISCONNECT (the broker drops the will), close. Waits for no longer than the deadlines allow."""
        from mqtt.disconnect import disconnect

        disconnect(self)

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):  # noqa: C901, PLR0912 in one piece, for speed
        """Send without waiting. Return the packet id (0 at QoS 0), or None: not connected, or no room in the window.

        payload: bytes, str or a Stream. pid: the caller's choice of packet id, not one in flight. dup: an earlier run may
        have sent it. ValueError: it can never be sent. An error of the socket is left to the next step().
        """
        connected = self.connected
        if not connected and not self._attempt & _EARLY:
            return None
        out = self._out
        if topic is not self.last:
            topic = check_topic(topic)
        stream = None
        if type(payload) is not bytes:
            if hasattr(payload, "rewind"):
                payload, stream = b"", payload
                if out.stream:
                    return None  # one at a time
            payload = as_bytes(payload)
        if qos:
            pids = out.pids
            if qos > 2 or (pid and pid in pids):
                raise ValueError("qos: 0, 1 or 2; pid: not one in flight")
            if len(pids) >= out.window or out.exactly_once >= self.window2:
                return None
            pid = pid or out.next_pid()
        start = out.publish(topic, payload, retain, qos, pid, stream)
        if start < 0:
            return None
        if dup:
            out.buf[start] |= 8  # DUP [MQTT-3.3.1-1]
        self.last = topic
        deadlines = self.deadlines
        deadlines.sent = deadlines.now
        deadlines.changed = True
        if connected:
            if start == out.sent and not out.first and not out.stream:
                # nothing else waits: write this one packet without detours
                out.stop = end = out.end
                try:
                    out.sent += self.sock.write(out.buf, start, end - start) or 0
                except (OSError, ValueError) as e:
                    self._break(e)
            else:
                self._push()
        return pid

    def ping(self):
        """Ask the broker for a sign of life now; with keepalive the client does by itself."""
        if self.connected and not self.deadlines.pinging:
            self.deadlines.ping(ticks_ms())
            self._push()

    def step(self, now):
        """Write, read, watch the deadlines. Return (acked, arrived), lists that the next call reuses: packet ids that are
        done (PUBACK, PUBCOMP), and (topic, payload, retained, qos) of messages, acknowledged by the call after this one.
        Raises OSError, Refused or ProtocolError when the connection failed; it is closed then."""
        self._advance(now)
        self._reported = True
        return self._result

    def poll_ms(self, now):
        """Return ms until step() wants to be called, though nothing came."""
        state = self._state
        if state < _OPENING:
            return 0 if state == _FAILED else LONGEST_MS
        deadlines = self.deadlines
        if state == _OPENING or deadlines.stall is not None:
            return _POLL_MS
        out = self._out
        subscriptions = self._subscriptions
        if (
            state == _BROKEN
            or self._in.more
            or out.sent < out.end
            or out.first
            or (out.stream and out.streaming())
            or (subscriptions and subscriptions.due)
        ):
            return 0
        return deadlines.due(now)

    def _enter(self, state):
        self._state = state
        self.connected = state >= _UP

    def _advance(self, now):
        acked, arrived = self._result
        if self._reported:
            acked.clear()
            arrived.clear()
            self._reported = False
        deadlines = self.deadlines
        deadlines.now = now
        state = self._state
        if state < _OPENING:
            if state == _FAILED and not acked and not arrived:
                error = self._error
                self.close()
                raise error
            return
        if state == _BROKEN:
            self._fail(self._error)
            return
        try:
            out = self._out
            if out.sent < out.end or out.first or out.stream:
                self._flush(now)
                deadlines.changed = True
                if state == _OPENING and not out.first:
                    self._enter(_GREETING)
            if self._state != _OPENING:
                try:
                    self._receive(now, out, self._in)
                finally:  # also when the link has failed: the next one begins with PUBREL
                    if out.recorded:
                        out.journal(out.recorded)
                        out.recorded.clear()
            if deadlines.changed or ticks_diff(deadlines.at, now) <= 0:
                self._keep_deadlines(now, out, deadlines)
        except (OSError, self.Refused, ProtocolError, ValueError, MemoryError) as e:
            opening = self._state == _OPENING
            self._fail(explained(e, self.ssl, opening, self.connected, self._in.buf))

    def _fail(self, error):
        acked, arrived = self._result
        self.fruitless += self.connected and len(self.in_flight) > 0
        self.turned_away = not self.connected and self._state != _OPENING
        self.close()
        if not acked and not arrived:
            raise error
        self._error = error
        self._enter(_FAILED)

    def _keep_deadlines(self, now, out, deadlines):
        """Do what is due, now that something has changed, or a deadline is near."""
        deadlines.changed = False
        if not self.connected:
            deadlines.check_connack(now)
            return
        if self._subscriptions and self._subscriptions.due:
            self._subscriptions.send()
        wait = deadlines.ping_if_due(now)
        # The acknowledgement of what arrived waits until the caller has seen it.
        if not self._result[1] and (out.sent < out.end or out.first or out.stream):
            self._flush(now)
        deadlines.check(now, wait)

    def _receive(self, now, out, inc):  # noqa: PLR0912 in one piece, for speed
        acked, arrived = self._result
        subscriptions = self._subscriptions
        deadlines = self.deadlines
        if inc.more:
            deadlines.changed = True
        inc.more = True
        try:
            for _ in range(_PACKETS):
                if (arrived and len(arrived) >= _ARRIVED) or (
                    out.end > out.limit and out.room(4, 0) < 0
                ):
                    return  # the caller first; room for an answer first
                kind = inc.start < inc.end and inc.next()
                if not kind:
                    if not inc.fill(self.sock):
                        break
                    deadlines.heard = now
                    deadlines.changed = True
                elif kind in _ACKS and self.connected:
                    pid = inc.pid
                    if out.acknowledged(kind, pid):
                        self.fruitless = 0
                        if not (subscriptions and subscriptions.is_birth(pid)):
                            acked.append(pid)
                else:
                    self._take_packet(kind, inc.pid, out)
                    if self._state == _OPENING:
                        break  # the old session has ended, another connection begun
            else:
                return
        except OSError as e:
            if e.errno != errno.EAGAIN:
                raise
        inc.more = False

    def _break(self, error):
        """Leave an error to the next step()."""
        if errno.EAGAIN not in error.args:  # without memory it has none
            self._error = error
            self._enter(_BROKEN)

    def _push(self):
        """Flush between two steps."""
        if self._state == _UP:
            try:
                self._flush(self.deadlines.now)
            except (OSError, ValueError) as e:
                self._break(e)

    def _flush(self, now):
        out = self._out
        try:
            done = out.flush(self.sock)
        except OSError as e:
            if e.errno != errno.EAGAIN and not (self._state == _OPENING and would_block(e)):
                raise
            done = False
        deadlines = self.deadlines
        if done:
            deadlines.stall = None
        elif deadlines.stall is None or out.moved:
            deadlines.stall = now

    def _take_packet(self, kind, pid, out):
        """Take a packet that came, another than an acknowledgement."""
        if not self.connected:
            if kind != _CONNACK:
                raise ProtocolError("first packet is not CONNACK")  # [MQTT-3.2.0-1]
            self._take_connack()
        elif kind & 0xF0 == _PUBLISH:
            message = self._in.accept(kind, out)
            if message:
                self._result[1].append(message)
        elif kind == _PUBREL:
            self._in.release(out)
        elif kind == _PINGRESP:
            self.deadlines.pinging = False
        elif kind == _CONNACK:
            raise ProtocolError("second CONNACK")
        elif self._subscriptions:
            code = self._in.code if kind == _SUBACK else None
            if self._subscriptions.answered(pid, code):
                self.deadlines.answer = None

    def _take_connack(self):
        inc = self._in
        attempt = self._attempt
        if inc.code or attempt & _PROBE:
            raise self.Refused(inc.code)
        if inc.flags > 1:
            raise ProtocolError("CONNACK flags %d" % inc.flags)
        self._transport.failures = 0
        self.session_present = present = inc.flags > attempt & _CLEAN
        self.lied = self.lied or present != inc.flags  # [MQTT-3.2.2-1]
        if present and attempt & _ANEW:
            self.sock.write(b"\xe0\0", 0, 2)  # DISCONNECT: the will is not to be published
            return self.start(self.deadlines.now, True, anew=True)
        if not present:
            self.received.clear()
        out = self._out
        if out.journal:
            for pid in out.journal(() if present else None) or ():
                out.forget(pid)
        if attempt & _ANEW and attempt & _CLEAN:
            out.released.clear()
            return self.start(self.deadlines.now)
        self._enter(_UP)
        self.deadlines.answer = None
        if not attempt & _EARLY:
            self.resent += len(self.in_flight)
            out.resume(present)
        if self._subscriptions:
            self._subscriptions.resume(present)
