"""MQTT 3.1.1 client over umqtt: QoS 0, 1 and 2, several messages in flight, nothing without a deadline.

A drop-in for umqtt.simple and umqtt.robust; beneath their blocking calls is a client that never blocks:

    client = Client("node", "192.168.1.2", keepalive=60)
    client.start(ticks_ms())
    while True:
        acked, arrived = client.step(ticks_ms())     # OSError, Refused, ProtocolError: start again
        if client.connected:
            client.send(b"attic/temperature", b"21.3", qos=1)

What was sent at QoS 1 or 2 stays in flight over lost connections until the broker has acknowledged it, and is sent
again when the client has connected again. See docs/mqtt.md. Paragraphs in brackets are of OASIS MQTT Version 3.1.1.
"""

import select
from errno import ENOTCONN
from time import ticks_add, ticks_diff, ticks_ms

from micropython import const
from mqtt_deadlines import ask
from mqtt_incoming import Incoming
from mqtt_link import Link
from mqtt_outgoing import Outgoing
from mqtt_packets import ProtocolError, Refused, as_bytes, check_topic
from mqtt_session import Session

_IN = const(1)  # POLLIN
_OUT = const(4)  # POLLOUT
_ATTEMPTS = const(3)  # reconnections in one call, after which its error is the caller's


class Client(Session):
    """umqtt's calls, each of which waits for its answer, and for no longer than the deadlines allow.
    As in umqtt.robust, publish(), subscribe(), wait_msg() and check_msg() reconnect when the link fails; when that
    fails, too, the error is raised.
    """

    reconnect_timeout = 60  # s that reconnect() tries
    callback_details = False

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
        # umqtt.simple 1.4.0 takes no ssl_params
        super().__init__(client_id, server, port, user, password, keepalive, ssl)
        self.ssl_params = ssl_params
        self.window2 = window2
        self._timeout = timeout * 1000
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
            from mqtt_greetings import Greetings

            self._greetings = Greetings(self._out, self.refused)
        return self._greetings

    def set_callback(self, f, details=False):
        """f(topic, msg), or with details f(topic, msg, retained, qos)."""
        self.cb, self.callback_details = f, details

    def set_last_will(self, topic, msg, retain=False, qos=0):
        """What the broker publishes when this client vanishes; None: nothing."""
        self.lw_topic = None if topic is None else check_topic(topic)
        self.lw_msg, self.lw_retain, self.lw_qos = as_bytes(msg), retain, qos

    def connect(self, clean_session=True, timeout=None):
        """Connect. Return whether the broker had kept the session. timeout: s, in place of connect_timeout."""
        usual = self._connect_timeout
        if timeout is not None:
            self._connect_timeout = int(timeout * 1000)
        try:
            self.start(ticks_ms(), clean_session)
            while not self.connected:
                self._turn()
        finally:
            self._connect_timeout = usual
        return self.session_present

    def reconnect(self):
        """Connect to the kept session, again and again for reconnect_timeout. Return as connect() does."""
        end = ticks_add(ticks_ms(), self.reconnect_timeout * 1000)
        attempt = 0
        while True:
            try:
                return self.connect(False)
            except (OSError, ProtocolError) as e:
                self.log(True, e)
                attempt += 1
                if ticks_diff(end, ticks_ms()) <= self.DELAY * 1000:
                    raise
            self.delay(attempt)

    def disconnect(self):
        """Send what is waiting, DISCONNECT (the broker drops the will), close."""
        if self.connected:
            try:
                for packet in (b"", b"\xe0\0"):
                    self._out.add(packet)
                    while self._out.waiting():
                        self._turn()
            except (OSError, ProtocolError):
                pass
        self.close()

    def ping(self):
        """Ask the broker for a sign of life now; with keepalive the client does by itself."""
        if self.connected and not self.pinging:
            ask(self, ticks_ms())
            self._push()

    def publish(self, topic, msg, retain=False, qos=0):
        """Publish; at QoS 1 and 2 return when the broker has acknowledged it.
        When this raises, a message of QoS 1 is the caller's again. One of QoS 2 stays in flight: do not publish it again.
        """
        out = self._out
        pid = None
        failures = 0
        self._now = ticks_ms()  # that of the last step may be hours old
        while True:
            try:
                if pid is None:
                    pid = self.send(topic, msg, retain, qos)
                if pid is not None and (pid not in out.pids if qos else not out.waiting()):
                    break
                self._turn()
            except (OSError, ProtocolError) as e:
                failures += 1
                if qos == 0:
                    pid = None  # it went with the connection
                try:
                    if hasattr(msg, "broken") and msg.broken:
                        raise e
                    self._mend(e, failures)
                except (OSError, ProtocolError, Refused):
                    if qos == 1:
                        out.forget(pid)
                    raise
        if qos and pid in self._acked:
            self._acked.remove(pid)

    def subscribe(self, topic, qos=0):
        """Subscribe, now and after every reconnection that finds the session gone. Refused: the broker will not."""
        entry = self._greeter().want(topic, qos)
        self._until(lambda: entry.done)
        if entry.pattern in self.refused:
            raise Refused(0x80)

    def unsubscribe(self, topic):
        """Take a subscription back."""
        entry = self._greeter().want(topic, None)
        self._until(lambda: entry.done)

    def wait_msg(self):
        """Wait until a message has come and was given to the callback. Without keepalive that may take for ever."""
        self._until(self._turn)

    def check_msg(self):
        """Give what has come to the callback; do not wait."""
        try:
            self._turn(False)
        except (OSError, ProtocolError) as e:
            self._mend(e, 1)

    def _until(self, done):
        failures = 0
        while True:
            try:
                while not done():
                    if done != self._turn:
                        self._turn()
                return
            except (OSError, ProtocolError) as e:
                failures += 1
                self._mend(e, failures)

    def _mend(self, error, failures):
        """The link failed in a call, for the how-manieth time: reconnect, or give up."""
        if failures > _ATTEMPTS:
            raise error
        self.log(False, error)
        self.reconnect()

    def _turn(self, wait=True):
        """Wait until there is something to do, do it. Return how many messages were given to the callback."""
        if self.sock is None and not self._error:
            raise OSError(ENOTCONN, "not connected")
        ms = self.poll_ms(ticks_ms())
        if wait and ms and self.sock is not None:
            self._poll(ms)
        self._advance(ticks_ms())
        if not self._arrived:
            return 0
        n = 0
        while self._arrived:
            message = self._arrived.pop(0)
            n += 1
            if self.cb:
                self.cb(*(message if self.callback_details else message[:2]))
        self._push()  # the acknowledgements, now that the callback has seen the messages
        return n

    def _poll(self, ms):
        """Wait until the socket has, or takes, something."""
        flags = _IN if self._stall is None and not self._opening else _IN | _OUT
        if self.sock is not self._polled or flags != self._flags:
            self._polled = self.sock
            self._flags = flags
            self._poller = select.poll()
            self._poller.register(self.sock, flags)
        for _ in self._poller.ipoll(ms):  # unlike poll() it allocates nothing
            pass
