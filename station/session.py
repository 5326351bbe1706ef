"""The collector's session at a broker: a fixed client id, a session that the broker keeps, acknowledgement when told to.

MQTT 5 where the broker speaks it, for three things that 3.1.1 lacks: the collector says how many messages it takes before it has
acknowledged any (mosquitto sends 20 at a time else, `max_inflight_messages`); the broker says so when another client takes the
session over; and messages that the broker retains stay away from channels at the subscription.

Several workers may share the readings, each with an id of its own ([MQTT 5, 4.8.2]: `$share/<group>/<filter>`). Brokers grant that and
mean it not: RabbitMQ and NATS deliver nothing then. So a worker sends a probe through such a subscription first.

Everything happens in `step`, in the caller's thread: while a store is slow nothing is read, and the broker keeps what comes.
"""

import secrets
import select
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from station import messages
from station.access import Access

KEEPALIVE_S = 60
_NEVER = 0xFFFF_FFFF  # [MQTT-3.1.2.11.2]: the session does not expire
_WINDOW = 4_000  # messages that are not acknowledged; 600 KB of readings
_TOPIC_BYTES = 70_000  # a topic of the longest, and what else is in a packet
_TAKEN_OVER = 142  # [MQTT 5, 2.4]
_NO_MQTT_5 = 132
_DROPPED = (
    "$SYS/broker/publish/messages/dropped"  # mosquitto's count of messages that found no room
)
_AT_ONCE = 500  # messages that are read before the caller has its turn
_CLOSES = 2  # times in a row that are no accident
_CONNECT_S = 10  # for TCP and TLS, and again for CONNACK
_PROBE_S = 5
_ALONE = "without WORKER= one collector gets everything"


class Got(NamedTuple):
    """A message as it came. mid: 0: there is nothing to acknowledge."""

    topic: str
    payload: bytes
    retained: bool
    again: bool
    mid: int


class Lost(Exception):
    """The connection is over, or there was none. The text says why."""


class Refused(Lost):
    """The broker does not want us as we are: it will not want us later, either."""


class _Older(Lost):
    """The broker speaks 3.1.1 only: the next attempt will."""


class _Closed(Lost):
    """The broker closed the connection in place of an answer to CONNECT of MQTT 5."""


class TakenOver(Lost):
    """Another client has connected with our id."""


class Session:
    """One connection after another to one broker.

    access: whom to connect to, and as whom; base: of the topics; group: of the workers that share the readings, None: they are all
    ours; leaving: a worker that takes what is reserved for it, and no more.
    """

    def __init__(
        self,
        access: Access,
        base: str,
        client_id: str,
        group: str | None = None,
        leaving: bool = False,
    ) -> None:
        self.access = access
        self.broker = access.broker
        self.hear: Callable[[Got], None] = lambda got: None  # called for each message
        self.place = access.place
        self.connected = False  # and subscribed
        self.resumed = False  # the broker had our session
        self.barred: list[str] = []  # topics of a node's state that this user may not read
        self.broker_dropped: int | None = None  # by mosquitto, since it started
        self._asking: int | None = (
            None  # packet id of the subscription to that, until it is answered
        )
        self._unanswered = (
            0  # connections that ended at it: some brokers close at a topic that begins with $
        )
        self._base, self.client_id = base, client_id
        self._group, self._leaving = group, leaving
        self._probe = f"{base}/collector/probe/{client_id}"
        self._nonce = b""  # what the probe that is on its way says; empty: it has come
        self._client: paho.Client | None = None
        self._fault: Lost | None = None
        self._answered = False  # the broker has, to CONNECT
        self._three = False  # it has told that it speaks MQTT 3.1.1 only
        self._closed = 0  # times in a row that it closed at MQTT 5, and was fine with 3.1.1
        self._five = True  # what is spoken on this connection
        self._heard = 0

    def connect(self) -> None:
        """Connect and subscribe. Lost: it does not go, and why, in words where the broker gave a number."""
        # A broker from before MQTT 5 may just close, and so does one that is being restarted: 3.1.1 is for one connection.
        assumed = self._closed >= _CLOSES
        self._five = not self._three and not assumed
        try:
            self._connect()
        except Lost as e:
            self._close()
            better = None if isinstance(e, (_Older, TakenOver)) else self.access.fault()
            self._closed = self._closed + 1 if isinstance(e, _Closed) and not better else 0
            raise (type(e)(better) if better else e) from None
        self._closed = _CLOSES - 1 if assumed else 0

    def _connect(self) -> None:
        self._fault, self.connected, self._answered = None, False, False
        self._client = client = self._made()
        try:
            if self._five:
                properties = Properties(PacketTypes.CONNECT)
                properties.SessionExpiryInterval = _NEVER
                properties.ReceiveMaximum = _WINDOW
                properties.MaximumPacketSize = messages.LONGEST + _TOPIC_BYTES
                client.connect(
                    self.broker["host"],
                    self.broker["port"],
                    KEEPALIVE_S,
                    clean_start=False,
                    properties=properties,
                )
            else:
                client.connect(self.broker["host"], self.broker["port"], KEEPALIVE_S)
        except (OSError, ValueError) as e:
            raise Lost(getattr(e, "strerror", None) or str(e)) from None
        deadline = time.monotonic() + _CONNECT_S
        while not self.connected:
            if time.monotonic() > deadline:
                raise Lost("it does not answer in MQTT")
            self.step(0.1)
        if self._group and not self._leaving:
            self._prove()

    def _prove(self) -> None:
        """Refused: the broker has granted $share, and does not deliver."""
        client = self._client
        assert client is not None
        self._nonce = secrets.token_hex(8).encode()
        own = f"$share/{self.client_id}-probe/{self._probe}"
        client.subscribe(own, 1)
        client.publish(self._probe, self._nonce, 1)
        deadline = time.monotonic() + _PROBE_S
        while self._nonce:
            if time.monotonic() > deadline:
                raise Refused(
                    "a probe through $share did not come: this broker grants that and delivers nothing, as RabbitMQ and"
                    f" NATS do, or this account may not write and read {self._base}/collector/probe/#; {_ALONE}"
                )
            self.step(0.1)
        client.unsubscribe(own)
        self._write()

    @property
    def key(self) -> str:
        """Under which a store remembers that the broker has this session."""
        return f"session of {self.client_id} at {self.place}"

    def step(self, wait_s: float) -> None:
        """Hand on what has come, after at most wait_s if nothing has. Lost: the connection is over."""
        client = self._client
        assert client is not None
        for _ in range(_AT_ONCE):
            before = self._heard
            rc = client.loop_read()
            if self._heard == before or rc:
                break
        else:
            wait_s = 0
        client.loop_misc()
        link = client.socket()
        if self._fault or link is None:
            self._close()
            raise self._fault or Lost("the connection ended")
        # What was read last may have been followed by more, which TLS has in its own buffer.
        if self._heard == before and not _held(link):
            writing = [link] if client.want_write() else []
            select.select([link], writing, [], wait_s)
        self._write()

    def acknowledge(self, mids: list[int]) -> None:
        """Tell the broker that these messages need not come again."""
        client = self._client
        assert client is not None
        for mid in mids:
            client.ack(mid, 1)
        self._write()

    def retire(self) -> None:
        """Have the broker forget the session, and all that waits for it. Lost: it is not there."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, self.client_id, clean_session=True)
        self._set_up(client)
        done: list[Any] = []
        client.on_connect = lambda client, data, flags, reason, properties: done.append(reason)
        try:
            client.connect(self.broker["host"], self.broker["port"], KEEPALIVE_S)
            deadline = time.monotonic() + _CONNECT_S
            while not done and time.monotonic() < deadline and not client.loop(0.1):
                pass
        except OSError as e:
            raise Lost(self.access.fault() or e.strerror or str(e)) from None
        if not done or done[0].is_failure:
            raise Refused(self.access.fault() or str(*done) or "it does not answer in MQTT")
        client.disconnect()

    def leave(self) -> None:
        """Disconnect; the broker keeps the session."""
        if self._client:
            self._client.disconnect()
            self._write()
            self._close()

    def _write(self) -> None:
        if self._client and self._client.want_write() and self._client.socket():
            self._client.loop_write()  # all that the socket takes

    def _close(self) -> None:
        link = self._client.socket() if self._client else None
        if link:
            link.close()
        self._client, self.connected = None, False

    def _made(self) -> paho.Client:
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=None if self._five else False,
            protocol=paho.MQTTv5 if self._five else paho.MQTTv311,
            manual_ack=True,
        )
        self._set_up(client)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        # With one of these paho leaves writing to us: acknowledgements are not one system call each in the midst of reading.
        client.on_socket_register_write = lambda client, data, link: None
        return client

    def _set_up(self, client: paho.Client) -> None:
        client.connect_timeout = _CONNECT_S
        if self.broker["user"]:
            client.username_pw_set(self.broker["user"], self.broker["password"] or None)
        if self.access.context:
            client.tls_set_context(self.access.context)

    def _on_connect(self, client, data, flags, reason, properties) -> None:
        self._answered = True
        if reason.is_failure:
            if self._five and reason.value == _NO_MQTT_5:
                self._three = True
                self._fault = _Older("it does not speak MQTT 5: 3.1.1 it is")
            else:
                self._fault = Refused(str(reason))
            return
        self.resumed = flags.session_present
        if self._leaving:
            client.unsubscribe(self._shared())
            return
        topics = self._topics()
        if self._five:
            # 2: what is retained stays away; of a node's state it is what we want
            client.subscribe(
                [
                    (topic, SubscribeOptions(1, retainHandling=0 if _is_state(topic) else 2))
                    for topic in topics
                ]
            )
        else:
            client.subscribe([(topic, 1) for topic in topics])
        if self._unanswered < _CLOSES:
            self._asking = client.subscribe(_DROPPED, 0)[1]

    def _topics(self) -> list[str]:
        """What we subscribe to. What is retained does not come by $share: the state of nodes goes to every worker."""
        topics = messages.filters(self._base)
        return [topic for topic in topics if _is_state(topic) or not self._group] + self._shared()

    def _shared(self) -> list[str]:
        topics = messages.filters(self._base) if self._group else []
        return [f"$share/{self._group}/{topic}" for topic in topics if not _is_state(topic)]

    def _on_unsubscribe(self, client, data, mid, reasons, properties) -> None:
        self.connected = True

    def _on_subscribe(self, client, data, mid, reasons, properties) -> None:
        if mid == self._asking:  # the broker need not have that
            self._asking, self._unanswered = None, 0
            return
        if self.connected:  # that of the probe
            return
        refused = [
            topic
            for topic, reason in zip(self._topics(), reasons, strict=False)
            if reason.is_failure
        ]
        channels = [topic for topic in refused if not _is_state(topic)]
        if channels:
            more = f"; {_ALONE}" if self._group else ""
            self._fault = Refused(f"it does not let this user read {', '.join(channels)}{more}")
            return
        self.barred = refused
        self.connected = True

    def _on_disconnect(self, client, data, flags, reason, properties) -> None:
        if self._asking is not None:
            self._asking = None
            self._unanswered += 1
        if self._fault:
            return
        if flags.is_disconnect_packet_from_server and reason.value == _TAKEN_OVER:
            self._fault = TakenOver("another client has connected as " + self.client_id)
        elif self._five and not self._answered:
            self._fault = _Closed("it closed the connection before it answered")
        else:
            self._fault = Lost("the connection ended")

    def _on_message(self, client, data, message) -> None:
        self._heard += 1
        mid = message.mid if message.qos else 0
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        if topic == _DROPPED:
            if message.payload.isdigit():
                self.broker_dropped = int(message.payload)
            return
        if topic == self._probe:
            client.ack(message.mid, message.qos)
            if message.payload == self._nonce:
                self._nonce = b""
            return
        self.hear(Got(topic, message.payload, message.retain, message.dup, mid))


def _is_state(topic: str) -> bool:
    return topic.rpartition("/")[2] in messages.STATES


def _held(link: Any) -> bool:
    return isinstance(link, socket.socket) and hasattr(link, "pending") and link.pending() > 0
