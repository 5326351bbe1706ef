"""A broker that speaks MQTT 3.1.1 in bytes: sessions, QoS 0 to 2, retained messages, wills, and the ways of brokers that are not mosquitto.

`ways` is a set of the words below; a sound broker has none.

    qos2_close       closes the connection at a PUBLISH of QoS 2
    qos2_puback      answers it with PUBACK
    qos2_silent      does not answer it
    early            hands a message of QoS 2 on when it comes, and not at PUBREL
    history_close    closes at a topic of late readings, …/history/…
    history_silent   does not answer such a PUBLISH
    retain_close     closes at a retained PUBLISH
    will_close       closes at a CONNECT with a retained will
    sub_close        closes at SUBSCRIBE
    sub_refuse       answers it with 0x80
    pubrel_close     closes at a PUBREL it does not know
    crowd_close      closes when more than 5 exchanges of QoS 2 are unfinished
    forgetful        forgets sessions when it restarts
    ping_silent      does not answer PINGREQ

`ill` is a set of what a sound broker does for some minutes, when something behind it is out of order:

    publish_close    closes at every PUBLISH, CONNECT works
    ack_silent       acknowledges no PUBLISH; `deaf`: nor does it hand one on
    ack_late         does so 5 to 25 seconds later, in order
    ping_silent      does not answer PINGREQ
"""

import stage
from brokerconn import Conn
from packets import matches, two

import sim


class Broker:
    def __init__(self, name, listener, ways=()):
        """listener.published(broker, topic, payload, qos, dup): a PUBLISH has come; listener.arrived(broker, topic,
        payload, qos, heard, dup): a subscriber has got a message, which came at `heard` ms; listener.forgotten(messages): a new
        session is taken for one that had these stored.
        """
        self.name = name
        self.listener = listener
        self.ways = set(ways)
        self.ill = set()
        self.deaf = False
        self.lateness = None  # a Random, for `ack_late`
        self.state = "up"  # "down": nothing listens; "silent": no answer at all
        self.mute = False  # takes connections and says nothing
        self.refuses = 0  # return code of CONNACK
        self.delay_ms = 0
        self.max_inflight = 20
        self.sessions = {}
        self.retained = {}
        self.conns = []
        self.connects = 0
        self.forgot = 0  # times it lost sessions that were to be kept
        self.lost = {}  # client → messages that were stored in those
        self.by_will = set()  # topics of what is retained by a will
        self.on_accept = None
        self.online = {}  # topic → ms at which `online` came on the node's latest connection
        self.trap = None  # [packet's name, how many more go by, is it lost?, what happens at it]

    def accept(self, wire):
        conn = Conn(self, wire)
        self.conns.append(conn)
        if self.on_accept:
            self.on_accept(wire)
        return conn

    def stop(self, state="down"):
        """Go away; every connection is closed."""
        self.state = state
        for conn in self.conns[:]:
            if state == "silent":
                conn.wire.conn = None
                conn.forget(True)
            else:
                conn.close("its end")
        for name in list(self.sessions):
            if self.sessions[name].clean or "forgetful" in self.ways:
                self.forget(name)
        if "forgetful" in self.ways:
            self.retained.clear()

    def start(self):
        self.state = "up"

    def forget(self, name):
        session = self.sessions.pop(name, None)
        if session and not session.clean:
            self.forgot += 1
            self.lost.setdefault(name, []).extend(session.stored.values())

    def knows(self, name):
        return any(conn.name == name for conn in self.conns)

    def lift(self, ms):
        """Time has made a jump, which nobody is to be blamed for."""
        for conn in self.conns:
            conn.heard += ms

    def publish(self, topic, payload, qos, retain, dup=False, heard=None):
        """Hand a message to everybody who has subscribed. heard: when it came, ms, if that was before."""
        if retain:
            self.by_will.discard(topic)
            if payload:
                self.retained[topic] = payload
            else:
                self.retained.pop(topic, None)
        self.listener.arrived(
            self, topic, payload, qos, sim.now() if heard is None else heard, dup
        )
        self.route(topic, payload, qos)

    def route(self, topic, payload, qos):
        for session in list(self.sessions.values()):
            for pattern in session.filters:
                if matches(pattern, topic):
                    self.give(session, topic, payload, min(qos, session.filters[pattern]), False)
                    break

    def give(self, session, topic, payload, qos, retained):
        """Hand a message to one subscriber. topic: bytes where it need not be one."""
        conn = None
        for each in self.conns:
            if each.session is session:
                conn = each
        if isinstance(topic, str):
            topic = topic.encode()
        body = two(len(topic)) + topic
        if not qos:
            if conn:
                conn.say(0x30 | retained, body + payload)
            return
        session.pid = session.pid % 65535 + 1
        body += two(session.pid) + payload
        session.waiting.append((session.pid, body))
        if conn:
            conn.say(0x32 | retained, body)
