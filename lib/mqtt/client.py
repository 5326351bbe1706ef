"""The client that never blocks: its settings, and what it is asked for. blocking.py adds umqtt's calls to it; a program that does
without them takes `Client`, `Refused` and `ProtocolError` from here, and saves their 8 KB.
"""

from time import ticks_ms

from mqtt.deadlines import ask
from mqtt.incoming import Incoming
from mqtt.link import Link
from mqtt.outgoing import Outgoing
from mqtt.packets import ProtocolError, Refused, as_bytes, check_topic  # noqa: F401 (for who imports them from here)
from mqtt.session import Session


class Client(Session):
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
        self._link = Link(net)
        self._in = Incoming(max_packet)
        self._out = out = Outgoing(buffer, window)
        self.in_flight = out.pids  # packet ids, oldest first
        self.released = out.released  # those of them that PUBREC has come for (QoS 2)
        self.received = []  # QoS 2 messages handed over whose PUBREL has not come
        self.refused = []  # topic filters the broker refused
        self._greetings = None  # birth and subscriptions, when there are any
        self._result = self._acked, self._arrived = [], []
        self.connected = self.session_present = self._early = False
        self._error = None  # to be raised by the next step()
        self._reported = False  # the caller has had what is in _result
        self._poller = self._polled = None
        self._topic = None  # the last one that was checked
        # Called for every message: bound once, else each call searches two classes.
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
            return self._greeter()
        if (
            name == "unanswered"
        ):  # filters that waited for an answer when the last connection ended
            return self._greetings.unanswered if self._greetings else ()
        raise AttributeError(name)

    def set_sink(self, sink):
        """sink(topic, size, retained, qos) → where a message over 500 bytes is written to (write()), or None."""
        self._in.sink = sink

    def set_birth(self, topic, payload, retain=True, qos=1):
        """What is published first on each connection; None: nothing."""
        self._greeter().birth = topic and (check_topic(topic), as_bytes(payload), retain, qos)

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
        self._greeter().want(pattern, qos)

    def _greeter(self):
        self._changed = True
        if not self._greetings:
            from mqtt.greetings import Greetings

            self._greetings = Greetings(self._out, self.refused)
        return self._greetings

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
        from mqtt.leave import leave

        leave(self)
