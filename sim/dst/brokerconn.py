"""A connection to the model broker, and the session behind it: what it answers to each packet, and when it does not.

The words of `ways` and `ill` are in modelbroker.py. Paragraphs in brackets are of OASIS MQTT Version 3.1.1.
"""

import stage
from micropython import const
from packets import NAMES, matches, packet, two, words

import sim

_CROWD = const(5)
_LATE_MS = const(20000)  # on top of 5 s, at most


class Session:
    def __init__(self, clean):
        self.clean = clean
        self.stored = {}  # QoS 2: packet id → message that PUBREL will hand on, or None: it was
        self.filters = {}
        self.waiting = []  # (packet id, PUBLISH) for the node, not acknowledged
        self.pid = 0
        self.told = False  # has the node heard that it is new?


class Conn:
    def __init__(self, broker, wire):
        self.broker = broker
        self.wire = wire
        self.session = None
        self.name = None
        self.will = None
        self.keepalive = 0
        self.heard = sim.now()
        self._rest = b""
        self._deaf = False
        self._ack_at = 0  # when the last late answer goes
        self._timer = sim.after(20_000, self._look)

    # the wire's side

    def data(self, data):
        # What it has let pass it never hears: TCP has no holes.
        self._deaf = self._deaf or self.broker.mute
        if self._deaf:
            return
        self.heard = sim.now()
        stage.bytes_passed(data)
        data = self._rest + data
        while self.wire and len(data) >= 2:
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
            self._take(data[0], data[i : i + n])
            data = data[i + n :]
        self._rest = data

    def gone(self):
        """The connection ended without DISCONNECT."""
        self.forget(True)

    def forget(self, with_will):
        if self.wire is None:
            return
        self.wire = None
        sim.cancel(self._timer)
        self.broker.conns.remove(self)
        session = self.session
        if session and session.clean and self.broker.sessions.get(self.name) is session:
            self.broker.sessions.pop(self.name)
        if with_will and self.will:
            topic, payload, qos, retain = self.will
            stage.tell(self.broker.name, "publishes the will")
            self.broker.publish(topic, payload, qos, retain)
            self.broker.by_will.add(topic)

    def close(self, why, how="fin", will=True):
        if self.wire is None:
            return
        stage.tell(self.broker.name, "closes: " + why)
        self.wire.close(how)
        self.forget(will)

    def _look(self):
        patience = self.keepalive * 1500 or 20_000
        if self.keepalive == 0 and self.session:
            return
        left = self.heard + patience - sim.now()
        if left <= 0:
            self.close("nothing heard for %d ms" % patience)
        else:
            self._timer = sim.after(left, self._look)

    def say(self, first, body):
        if self.wire is None:
            return
        after = None
        if self.broker.trap:
            lost, after = self._sprung(first)
            if lost:
                return
        data = packet(first, body)
        stage.bytes_passed(data)
        if stage.shown:
            stage.tell(self.broker.name, "says %s %s" % (NAMES[first >> 4], words(first, body)))
        self.wire.down(data)
        if after:
            after()

    def _acknowledge(self, first, pid):
        """Answer a PUBLISH or PUBREL."""
        broker = self.broker
        if "ack_silent" in broker.ill:
            return
        now = sim.now()
        if "ack_late" in broker.ill:
            self._ack_at = max(self._ack_at, now + 5000 + broker.lateness(_LATE_MS))
        if self._ack_at > now:
            sim.after(self._ack_at - now, lambda: self.say(first, two(pid)))
        else:
            self.say(first, two(pid))

    def _sprung(self, first):
        """Return whether a packet is lost, and what happens behind it, or None."""
        trap = self.broker.trap
        if NAMES[first >> 4] != trap[0]:
            return False, None
        trap[1] -= 1
        if trap[1] >= 0:
            return False, None
        self.broker.trap = None
        if trap[2]:
            trap[3]()
            return True, None
        return False, trap[3]

    # packets

    def _take(self, first, body):
        kind = first >> 4
        if stage.shown:
            stage.tell(self.broker.name, "hears %s %s" % (NAMES[kind], words(first, body)))
        if self.session is None and kind != 1:
            stage.found("protocol: the first packet is %d and not CONNECT" % first)
            self.close("no CONNECT")
            return
        handler = getattr(self, "_" + NAMES[kind].lower(), None)
        if handler is None:
            stage.found("protocol: packet 0x%02x of a client" % first)
            self.close("protocol error")
            return
        after = None
        if self.session:
            self.session.told = True  # nothing is sent before its answer has come
        if self.broker.trap:
            lost, after = self._sprung(first)
            if lost:
                return
        handler(first, body)
        if after:
            after()

    def _connect(self, first, body):
        broker = self.broker
        if self.session or body[:7] != b"\0\4MQTT\4":
            stage.found("protocol: CONNECT %r" % body)
        flags = body[7]
        self.keepalive = body[8] << 8 | body[9]
        fields = []
        i = 10
        while i < len(body):
            n = body[i] << 8 | body[i + 1]
            fields.append(body[i + 2 : i + 2 + n])
            i += 2 + n
        name = fields.pop(0).decode()
        if flags & 4:
            self.will = (fields[0].decode(), fields[1], flags >> 3 & 3, bool(flags & 32))
        if "will_close" in broker.ways and flags & 32:
            self.will = None
            self.close("a retained will")
            return
        if broker.refuses:
            self.will = None
            self.say(0x20, bytes((0, broker.refuses)))
            self.close("refused")
            return
        for other in broker.conns[:]:
            if other.name == name:
                other.close("taken over")
        clean = bool(flags & 2)
        session = broker.sessions.get(name)
        if clean and session:
            broker.forget(name)
            session = None
        present = session is not None
        if session is None:
            session = broker.sessions[name] = Session(clean)
        elif not session.told:
            broker.listener.forgotten(broker.lost.pop(name, ()))
        session.clean = clean
        self.session = session
        self.name = name
        broker.connects += 1
        broker.online.clear()
        self.say(0x20, bytes((1 if present else 0, 0)))
        for pid, waiting in session.waiting:
            self.say(0x3A, waiting)

    def _publish(self, first, body):
        broker, ways = self.broker, self.broker.ways
        n = body[0] << 8 | body[1]
        topic = body[2 : 2 + n].decode()
        qos = first >> 1 & 3
        retain, dup = bool(first & 1), bool(first & 8)
        i = 2 + n
        pid = 0
        if qos:
            pid = body[i] << 8 | body[i + 1]
            i += 2
            if not pid:
                stage.found("protocol: packet id 0 [MQTT-2.3.1-1]")
        payload = body[i:]
        broker.listener.published(broker, topic, payload, qos, dup)
        if qos == 3 or not topic or "+" in topic or "#" in topic or (dup and not qos):
            stage.found("protocol: PUBLISH 0x%02x to %r" % (first, topic))
            self.close("protocol error")
        elif "publish_close" in broker.ill:
            self.close("it is ill")
        elif "ack_silent" in broker.ill and broker.deaf:
            pass
        elif "retain_close" in ways and retain:
            self.close("a retained message")
        elif "history_close" in ways and "/history/" in topic:
            self.close("a forbidden topic")
        elif "history_silent" in ways and "/history/" in topic:
            pass
        elif qos < 2:
            if payload == b"online":
                broker.online[topic] = sim.now()
            broker.publish(topic, payload, qos, retain, dup)
            if qos:
                self._acknowledge(0x40, pid)
        else:
            self._publish_2(pid, (topic, payload, qos, retain, dup, sim.now()))

    def _publish_2(self, pid, message):
        ways = self.broker.ways
        if "qos2_close" in ways:
            self.close("QoS 2")
        elif "qos2_silent" in ways:
            pass
        elif "qos2_puback" in ways:
            self.broker.publish(*message)
            self._acknowledge(0x40, pid)
        elif "crowd_close" in ways and len(self.session.stored) >= _CROWD:
            self.close("too many exchanges")
        else:
            self._store(pid, message)
            self._acknowledge(0x50, pid)

    def _store(self, pid, message):
        stored = self.session.stored
        if pid in stored:
            return
        if len(stored) >= self.broker.max_inflight:
            stage.tell(
                self.broker.name,
                "acknowledges and drops %d, in flight: %r" % (pid, sorted(stored)),
            )
            stored[pid] = None
        elif "early" in self.broker.ways:
            stored[pid] = None
            self.broker.publish(*message)
        else:
            stored[pid] = message

    def _pubrel(self, first, body):
        pid = body[0] << 8 | body[1]
        stored = self.session.stored
        if first != 0x62:
            stage.found("protocol: PUBREL 0x%02x [MQTT-3.6.1-1]" % first)
        if pid not in stored:
            if "pubrel_close" in self.broker.ways:
                self.close("an unknown PUBREL")
                return
        else:
            message = stored.pop(pid)
            if message:
                self.broker.publish(*message)
        self._acknowledge(0x70, pid)

    def _puback(self, first, body):
        pid = body[0] << 8 | body[1]
        self.session.waiting = [each for each in self.session.waiting if each[0] != pid]

    def _subscribe(self, first, body):
        broker = self.broker
        if "sub_close" in broker.ways:
            self.close("SUBSCRIBE")
            return
        codes = b""
        i = 2
        given = []
        while i < len(body):
            n = body[i] << 8 | body[i + 1]
            pattern = body[i + 2 : i + 2 + n].decode()
            qos = body[i + 2 + n]
            i += 3 + n
            if "sub_refuse" in broker.ways:
                codes += b"\x80"
            else:
                self.session.filters[pattern] = min(qos, 1)
                given.append(pattern)
                codes += bytes((min(qos, 1),))
        self.say(0x90, body[:2] + codes)
        for pattern in given:
            for topic in sorted(broker.retained):
                if matches(pattern, topic):
                    qos = self.session.filters[pattern]
                    broker.give(self.session, topic, broker.retained[topic], qos, 1)

    def _unsubscribe(self, first, body):
        i = 2
        while i < len(body):
            n = body[i] << 8 | body[i + 1]
            self.session.filters.pop(body[i + 2 : i + 2 + n].decode(), None)
            i += 2 + n
        self.say(0xB0, body[:2])

    def _pingreq(self, first, body):
        if "ping_silent" not in self.broker.ways | self.broker.ill:
            self.say(0xD0, b"")

    def _disconnect(self, first, body):
        self.will = None
        self.close("told to", will=False)
