"""The page's connection to the broker: log lines, outputs and status as they come; commands, and the replies to them.

It is a help, not a need: without a broker the page shows what the store has, and says why it cannot send commands. The session
is not kept by the broker, so that nothing waits there for a page that is off; and no command is ever retained.
"""

import json
import queue
import secrets
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, NamedTuple

import paho.mqtt.client as paho

from firmware.topics import OUTPUT
from station import messages
from station.access import Access
from station.page.kept import MOST_LINE, Kept

ANSWER_S = 15  # a node that measures may be busy for some seconds
_STEP_S = 0.1
_KEEPALIVE_S = 30
_HEARS = ("status", "log", "reply", OUTPUT + "+")  # of each node
_BACK_OFF_S = (1, 30)
_STABLE_S = 60  # a connection that holds so long was a good one
_SUSPECT = 3  # short ones: two programs with one account throw each other out
_MOST_HEARD = 2_000  # messages that wait for the browsers
_MOST_WAITING = 200  # commands
_LONGEST = 4_096  # bytes of a reply, or of an output's state


class Heard(NamedTuple):
    """Something for whoever looks at a node. kind: `log`, `output`, `status` or `broker`."""

    node: str
    kind: str
    content: dict[str, Any]


class Unanswered(Exception):
    """Nobody has answered, or nothing was sent. The text says why, and what to do."""


class _Asked(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    key: tuple[str, str]  # node, and `id` of a command, or the topic of an output's state
    answer: Future
    until: float


class Link:
    """accesses: brokers, tried in turn; none: there is no connection. why: for people, while there is none."""

    def __init__(self, accesses: list[Access], base: str) -> None:
        self.base = base
        self.connected = False
        self.why = "" if accesses else "the page was started without a broker"
        self.kept = Kept()
        self.heard: deque[Heard] = deque(maxlen=_MOST_HEARD)
        self._accesses = accesses
        self._asked: queue.Queue[_Asked] = queue.Queue(_MOST_WAITING)
        self._open: list[_Asked] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        if self._accesses:
            self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def command(self, node: str, name: str, arguments: dict[str, Any]) -> Future:
        """Send a command. The Future has the reply, a dict, or raises Unanswered."""
        mark = secrets.token_hex(8)
        payload = json.dumps({**arguments, "id": mark}).encode()
        return self._ask(f"{self.base}/{node}/cmd/{name}", payload, 1, (node, mark))

    def output(self, node: str, name: str, value: str) -> Future:
        """Set an output. The Future has its state as the node publishes it then."""
        topic = f"{self.base}/{node}/{OUTPUT}{name}"
        return self._ask(f"{topic}/set", value.encode(), 0, (node, topic))

    def _ask(self, topic: str, payload: bytes, qos: int, key: tuple[str, str]) -> Future:
        if not self.connected:
            raise Unanswered(self._no_broker())
        asked = _Asked(topic, payload, qos, key, Future(), time.monotonic() + ANSWER_S)
        try:
            self._asked.put_nowait(asked)
        except queue.Full:
            raise Unanswered(
                "too many commands wait for an answer: try again in a moment"
            ) from None
        return asked.answer

    def _no_broker(self) -> str:
        if not self._accesses:
            return "there is no connection to a broker: start the page with BROKER= or CONFIG="
        return f"there is no connection to the broker: {self.why or 'not yet'}"

    # ---- in the thread

    def _run(self) -> None:
        try:
            self._connect_for_ever()
        finally:
            self.connected = (
                False  # also after an error that nobody foresaw, which threading prints
            )
            self.why = self.why or "it has ended, see what make page printed"
            self._tell_state()
            self._give_up(self._no_broker())

    def _connect_for_ever(self) -> None:
        wait_s, turn, short = _BACK_OFF_S[0], 0, 0
        while not self._over.is_set():
            access = self._accesses[turn % len(self._accesses)]
            turn += 1
            began = time.monotonic()
            try:
                self._connection(access)
            except OSError as e:
                self.why = access.fault() or f"{access.place}: {e.strerror or e}"
            if time.monotonic() - began > _STABLE_S:
                wait_s, short = _BACK_OFF_S[0], 0
            elif self.connected:
                short += 1
            if short >= _SUSPECT:
                self.why += " (again and again: does another program use this account?)"
            self.connected = False
            self._tell_state()
            self._give_up(self._no_broker())
            self._over.wait(wait_s)
            wait_s = min(wait_s * 2, _BACK_OFF_S[1])

    def _connection(self, access: Access) -> None:
        """Talk to one broker until the connection ends; `why` says how. OSError: it did not begin."""
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, "page-" + secrets.token_hex(6), clean_session=True
        )
        client.connect_timeout = 10
        if access.broker["user"]:
            client.username_pw_set(access.broker["user"], access.broker["password"] or None)
        if access.context:
            client.tls_set_context(access.context)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect(access.broker["host"], access.broker["port"], _KEEPALIVE_S)
        while not self._over.is_set():
            rc = client.loop(_STEP_S)
            if rc:
                self.why = access.fault() or f"{access.place}: {paho.error_string(rc)}"
                break
            self._send(client)
        client.disconnect()
        client.loop(_STEP_S)

    def _send(self, client: paho.Client) -> None:
        now = time.monotonic()
        while not self._asked.empty():
            asked = self._asked.get()
            if asked.until > now:  # it may have waited for this connection
                client.publish(asked.topic, asked.payload, asked.qos)
            self._open.append(asked)
        for asked in [each for each in self._open if each.until <= now]:
            self._open.remove(asked)
            node = asked.key[0]
            _end(
                asked,
                Unanswered(
                    f"{node} has not answered for {ANSWER_S} s: it is busy or out of reach, or this account may not command it."
                    " A command that waits at the broker is carried out when the node is back"
                ),
            )

    def _give_up(self, why: str) -> None:
        while not self._asked.empty():
            self._open.append(self._asked.get())
        for asked in self._open:
            _end(asked, Unanswered(f"no answer: {why}"))
        self._open.clear()

    def _on_connect(self, client, data, flags, reason, properties) -> None:
        if reason.is_failure:
            return
        client.subscribe([(f"{self.base}/+/{topic}", 1) for topic in _HEARS])

    def _on_subscribe(self, client, data, mid, reasons, properties) -> None:
        refused = [
            topic for topic, reason in zip(_HEARS, reasons, strict=False) if reason.is_failure
        ]
        if refused:
            self.why = f"this account may not hear {', '.join(refused)} of the nodes"
        else:
            self.connected, self.why = True, ""
        self._tell_state()

    def _tell_state(self) -> None:
        self.heard.append(Heard("", "broker", self.state()))

    def state(self) -> dict[str, Any]:
        return {"connected": self.connected, "why": "" if self.connected else self._no_broker()}

    def _on_message(self, client, data, message) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        node, _, rest = topic[len(self.base) + 1 :].partition("/")
        text = message.payload.decode(errors="replace")
        if rest == "reply":
            self._reply(node, text)
        elif rest == "log":
            line = {"at": _now(), "text": text[:MOST_LINE]}
            self.kept.line(node, line)
            self.heard.append(Heard(node, "log", line))
        elif rest == "status":
            self.kept.status(node, text[:64])
            self.heard.append(Heard(node, "status", {"status": text[:64]}))
        elif rest.startswith(OUTPUT) and len(text) <= _LONGEST:
            self._state(node, rest[len(OUTPUT) :], topic, text)

    def _state(self, node: str, name: str, topic: str, text: str) -> None:
        state = _parsed(text)
        self.kept.output(node, name, state if text else None, len(text))
        self.heard.append(Heard(node, "output", {"name": name, "state": state if text else None}))
        self._answer((node, topic), {"ok": True, "state": state})

    def _reply(self, node: str, text: str) -> None:
        reply = _parsed(text) if len(text) <= _LONGEST else None
        if isinstance(reply, dict):
            self._answer((node, str(reply.get("id"))), reply)

    def _answer(self, key: tuple[str, str], reply: dict[str, Any]) -> None:
        for asked in [each for each in self._open if each.key == key]:
            self._open.remove(asked)
            _end(asked, reply)


def _end(asked: _Asked, outcome: dict[str, Any] | Unanswered) -> None:
    if not asked.answer.set_running_or_notify_cancel():
        return  # whoever asked has left
    if isinstance(outcome, Unanswered):
        asked.answer.set_exception(outcome)
    else:
        asked.answer.set_result(outcome)


def _parsed(text: str) -> Any:
    """JSON that can be handed on as such, else the text itself."""
    try:
        return messages.parsed(text)
    except ValueError:
        return text


def _now() -> int:
    return time.time_ns() // 1_000_000
