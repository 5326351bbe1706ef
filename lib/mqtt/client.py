"""The client that never blocks: connect, send, acknowledge, resume. blocking.py adds umqtt's calls to it; a program that does without
them takes `Client`, `Refused` and `ProtocolError` from here, and saves their 8 KB.

Time is an argument, and the socket is asked only for what it has or takes at once.
"""

import errno
from time import ticks_diff, ticks_ms

from micropython import const

from mqtt.deadlines import ETIMEDOUT, LONGEST_MS, ask, greeting, look, ping
from mqtt.incoming import Incoming
from mqtt.outgoing import Outgoing
from mqtt.packets import ProtocolError, Refused, as_bytes, check_topic, connect
from mqtt.transport import Transport, would_block

_CONNACK = const(0x20)
_PUBLISH = const(0x30)
_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBREL = const(0x62)
_PUBCOMP = const(0x70)
_SUBACK = const(0x90)
_PINGRESP = const(0xD0)
# States of the connection
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

_ACKS = b"\x40\x50\x70"  # PUBACK, PUBREC, PUBCOMP

_EBUSY = const(16)  # of TLS: mbedTLS's "no memory for a large number"
_RECEIVED = const(256)  # QoS 2 messages that the broker may leave unfinished
_ARRIVED = const(8)  # messages handed over by one step(): a burst must not fill the heap
_PACKETS = const(64)  # packets taken by one step(): a flood must not hold up the caller
_POLL_MS = const(20)  # how often to look at a socket that is opening, or takes nothing


class Client:
    """One connection, and the next. Its states, and where each thing that happens leads from them:

    state      sock    CONNECT is written   CONNACK     send() fails   step() fails   close()
    CLOSED     None                                                                   CLOSED
    OPENING    there   GREETING                                        1. CLOSED      CLOSED
    GREETING   there                        2. UP                      1. CLOSED      CLOSED
    UP         there                        error       3. BROKEN      1. CLOSED      CLOSED
    BROKEN     there                                    BROKEN         1. CLOSED      CLOSED
    FAILED     None                                                    4. CLOSED      CLOSED

    OPENING: TCP and TLS; GREETING: the broker owes CONNACK. start() closes, and leads to OPENING from any state.

    1. FAILED, if there is something to report that came before the error.
    2. CLOSED with Refused, if the broker says no, or it was a probe. A session that is to be forgotten takes two connections:
       OPENING once more, with a clean session that ends it, and then for good.
    3. step() says so: in send() or ping() the error would come at the wrong time.
    4. What came before the error has been reported: the error follows.
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
        self.timeout_ms = timeout * 1000
        self._connect_timeout = connect_timeout * 1000
        self._transport = Transport(net)
        self._in = Incoming(max_packet)
        self._out = out = Outgoing(buffer, window)
        self.in_flight = out.pids  # packet ids, oldest first
        self.released = out.released  # those of them that PUBREC has come for (QoS 2)
        self.received = []  # QoS 2 messages handed over whose PUBREL has not come
        self.refused = []  # topic filters the broker refused
        self._subscriptions = None  # birth and subscriptions, when there are any
        self._result = self._acked, self._arrived = [], []
        self._state = _CLOSED
        self.connected = self.session_present = False
        self._attempt = 0  # what start() was asked for
        self._error = None  # of FAILED and BROKEN: to be raised by the next step()
        self._reported = False  # the caller has had what is in _result
        self._topic = None  # the last one that was checked
        # Called for every message: bound once, else each call of umqtt's client searches two classes.
        self._advance = self._advance
        self._receive = self._receive
        self.resent = 0
        self.fruitless = (
            0  # connections in a row, lost with messages in flight and none acknowledged
        )
        self.last = None  # topic of the last message that was sent
        self.lied = False  # the broker said that it had kept a session that it was to forget
        self.turned_away = False  # whether the last one was closed in answer to CONNECT

    def __getattr__(self, name):
        # Properties would make MicroPython look for a setter, in all four classes, whenever any attribute is set.
        if name == "pending":
            return len(self.in_flight)
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
        self._changed = True
        if not self._subscriptions:
            from mqtt.subscriptions import Subscriptions

            self._subscriptions = Subscriptions(self._out, self.refused)
        return self._subscriptions

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """What the broker publishes when this client vanishes; None: nothing."""
        self.lw_topic = None if topic is None else check_topic(topic)
        self.lw_msg, self.lw_retain, self.lw_qos = as_bytes(msg), retain, qos

    def ping(self):
        """Ask the broker for a sign of life now; with keepalive the client does by itself."""
        if self.connected and not self.pinging:
            ask(self, ticks_ms())
            self._push()

    def disconnect(self):
        """Send what is waiting, DISCONNECT (the broker drops the will), close. Waits for no longer than the deadlines allow."""
        from mqtt.disconnect import disconnect

        disconnect(self)

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
        self._out.first, self._out.lowered = packet, False
        self._attempt = (_CLEAN if clean_session else 0) | (_ANEW if anew else 0)
        if probe:
            self._attempt |= _PROBE
        if early and not self.in_flight:  # that goes first, and waits for CONNACK
            self._attempt |= _EARLY
        self._enter(_OPENING)
        self.pinging = self._busy = False  # _busy: there may be more to read
        self._now = self._looked = self._sent_at = self._heard_at = now
        self._changed = True  # since the deadlines were looked at
        self._answer = now  # since when the broker owes one, the first is CONNACK
        self._stall = self._half = None  # since when the socket takes nothing, a packet stays half
        self._oldest = self._wait = 0  # whose answer that is; ms until the next look

    def close(self):
        """Drop the connection, without DISCONNECT: the broker publishes the will. What is in flight stays."""
        self._error = None
        self._attempt = 0
        self._enter(_CLOSED)
        if self.sock is not None:
            self._transport.close(self.sock)
            self.sock = None
            self._busy = False
            self._out.lost()
            self._in.reset()
            if self._subscriptions:
                self._subscriptions.lost()

    def _enter(self, state):
        self._state = state
        self.connected = state >= _UP

    def set_journal(self, f):
        """f(pids): PUBREC has come for these, PUBREL waits until f returns. On each connection f(None): the broker has forgotten
        them all; or f(()): it has not; the client forgets those that f returns. Packet ids from 32768 on are the caller's own."""
        self._journal, self._out.recorded, self._out.highest = f, [], 32767

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):  # noqa: C901, PLR0912 in one piece, for speed
        """Send without waiting. Return the packet id (0 at QoS 0), or None: not connected, or no room in the window.

        payload: bytes, str or a Stream. pid: the caller's choice of packet id, not one in flight. dup: an earlier run may
        have sent it. ValueError: it can never be sent. An error of the socket is left to the next step().
        """
        connected = self.connected
        if not connected and not self._attempt & _EARLY:
            return None
        out = self._out
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
        self._sent_at = self._now
        self._changed = True
        if connected:
            if start == out.sent and not out.first and not out.stream:
                # nothing else waits: write this one packet without detours
                out.stop = end = out.end
                try:
                    out.sent += self.sock.write(out.buf, start, end - start) or 0
                except (OSError, ValueError) as e:
                    self._later(e)
            else:
                self._push()
        return pid

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
        if state == _OPENING or self._stall is not None:
            return _POLL_MS
        subscriptions = self._subscriptions
        if (
            state == _BROKEN
            or self._busy
            or self._out.waiting()
            or (subscriptions and subscriptions.due)
        ):
            return 0
        wait = self._wait - ticks_diff(now, self._looked)
        if self._changed:
            wait = min(wait, self.timeout_ms)
            if self._answer is None and self._out.pids:
                self._answer, self._oldest = now, self._out.pids[0]  # else at the next look
        return max(0, wait)

    def _advance(self, now):
        if self._reported:
            self._acked.clear()
            self._arrived.clear()
            self._reported = False
        self._now = now
        state = self._state
        if state < _OPENING:
            if state == _CLOSED or self._acked or self._arrived:
                return
            error = self._error
            self.close()
            raise error
        error = self._error
        if state != _BROKEN:
            try:
                out = self._out
                if out.sent < out.end or out.first or out.stream:
                    self._flush(now)
                    self._changed = True
                    if state == _OPENING and not out.first:
                        self._enter(_GREETING)
                if self._state != _OPENING:
                    try:
                        self._receive(now, out, self._in)
                    finally:  # also when the link has failed: the next one begins with PUBREL
                        if out.recorded:
                            self._journal(out.recorded)
                            out.recorded.clear()
                if self._changed or ticks_diff(now, self._looked) >= self._wait:
                    self._look(now, out)
                return
            except (OSError, self.Refused, ProtocolError, ValueError, MemoryError) as e:
                error = self._explained(e)
        self._fail(error)

    def _fail(self, error):
        self.fruitless += self.connected and len(self.in_flight) > 0
        self.turned_away = not self.connected and self._state != _OPENING
        self.close()
        if not self._acked and not self._arrived:
            raise error
        self._error = error
        self._enter(_FAILED)

    def _look(self, now, out):
        """Do what is due, now that something has changed, or a deadline is near."""
        self._changed = False
        self._looked = now
        if not self.connected:
            self._wait = greeting(self, now)
            return
        if self._subscriptions and self._subscriptions.due:
            self._subscriptions.send()
        wait = ping(self, now)
        # The acknowledgement of what arrived waits until the caller has seen it.
        if not self._arrived and (out.sent < out.end or out.first or out.stream):
            self._flush(now)
        self._wait = look(self, now, wait)

    def _receive(self, now, out, inc):
        arrived = self._arrived
        subscriptions = self._subscriptions
        self._changed = self._changed or self._busy
        self._busy = True
        try:
            for _ in range(_PACKETS):
                if len(arrived) >= _ARRIVED or (out.end > out.limit and out.room(4, 0) < 0):
                    return  # the caller first; room for an answer first
                kind = inc.start < inc.end and inc.next()
                if not kind:
                    if not inc.fill(self.sock):
                        break
                    self._heard_at = now
                    self._changed = True
                elif kind in _ACKS and self.connected:
                    pid = inc.pid
                    if out.acknowledged(kind, pid):
                        self.fruitless = 0
                        if not (subscriptions and subscriptions.is_birth(pid)):
                            self._acked.append(pid)
                else:
                    self._take(kind, inc.pid, out)
                    if self._state == _OPENING:
                        break  # the old session has ended, another connection begun
            else:
                return
        except OSError as e:
            if e.errno != errno.EAGAIN:
                raise
        self._busy = False

    def _later(self, error):
        """Leave an error to the next step(): here it would come at the wrong time."""
        if errno.EAGAIN not in error.args:  # without memory it has none
            self._error = error
            self._enter(_BROKEN)

    def _push(self):
        """Flush between two steps."""
        if self._state == _UP:
            try:
                self._flush(self._now)
            except (OSError, ValueError) as e:
                self._later(e)

    def _flush(self, now):
        out = self._out
        try:
            done = out.flush(self.sock)
        except OSError as e:
            if e.errno != errno.EAGAIN and not (self._state == _OPENING and would_block(e)):
                raise
            done = False
        if done:
            self._stall = None
        elif self._stall is None or out.moved:
            self._stall = now

    def _take(self, kind, pid, out):
        """Take a packet that came, another than an acknowledgement."""
        if not self.connected:
            if kind != _CONNACK:
                raise ProtocolError("first packet is not CONNACK")  # [MQTT-3.2.0-1]
            self._greeted()
        elif kind & 0xF0 == _PUBLISH:
            self._take_publish(kind, pid, out)
        elif kind == _PUBREL:
            if pid in self.received:
                self.received.remove(pid)
            out.answer(_PUBCOMP, pid)
        elif kind == _PINGRESP:
            self.pinging = False
        elif kind == _CONNACK:
            raise ProtocolError("second CONNACK")
        elif self._subscriptions:
            code = self._in.code if kind == _SUBACK else None
            if self._subscriptions.answered(pid, code):
                self._answer = None

    def _take_publish(self, kind, pid, out):
        """Take a message [4.3]. What was skipped is acknowledged, too: else it would come again for ever.

        state       PUBLISH at QoS 2               PUBREL
        unknown id  handed over, PUBREC            1. PUBCOMP
        received    2. PUBREC, not handed over     PUBCOMP, id forgotten

        1. The broker did not see our PUBCOMP before the connection was lost: without it, it would ask for ever.
        2. The broker did not see our PUBREL: the same message again.
        """
        inc = self._in
        qos = kind >> 1 & 3
        payload, inc.payload = inc.payload, None
        if qos:
            out.answer(_PUBACK if qos == 1 else _PUBREC, pid)
            if qos == 2:
                received = self.received
                if pid in received:
                    return
                if len(received) >= _RECEIVED:
                    raise ProtocolError("too many unfinished QoS 2 messages")
                received.append(pid)
        if payload is not None:
            self._arrived.append((inc.topic, payload, bool(kind & 1), qos))

    def _greeted(self):
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
            return self.start(self._now, True, anew=True)
        if not present:
            self.received.clear()
        if self._out.recorded is not None:
            for pid in self._journal(() if present else None) or ():
                self._out.forget(pid)
        if attempt & _ANEW and attempt & _CLEAN:
            self._out.released.clear()
            return self.start(self._now)
        self._enter(_UP)
        self._answer = None
        if not attempt & _EARLY:
            self.resent += len(self.in_flight)
            self._out.resume(present)
        if self._subscriptions:
            self._subscriptions.resume(present)

    def _explained(self, error):
        """Return an error in words where it has none: TLS's own numbers, and why a connection did not come up."""
        if isinstance(error, MemoryError):
            return OSError(errno.ENOMEM, "not enough memory")
        code = error.args[0] if error.args else 0
        tls = self.ssl and isinstance(code, int) and (code < 0 or code == _EBUSY)
        early = not self.connected and (
            code in (errno.ECONNRESET, ETIMEDOUT) or isinstance(error, ProtocolError)
        )
        if tls or early or isinstance(error, ValueError):
            try:
                from mqtt.faults import explain

                return explain(error, self.ssl, self._state == _OPENING, self._in.buf)
            except MemoryError:
                pass
        return error
