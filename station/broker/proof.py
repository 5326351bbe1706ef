"""A broker proves itself before it starts: its own settings, passwords and access list, on a port of its own and with an empty memory.

Nobody's readings are mixed with these: nodes and programs are not connected to the copy. PROOFS is a table, one promise a row.
"""

import contextlib
import queue
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho

from sim.broker import free_port
from station.broker import accounts, rights, server, settings
from station.broker.accounts import Account
from station.broker.rights import Place
from station.broker.settings import LOOPBACK, Listeners
from tools import CommandError

PATIENCE_S = 15
QUIET_S = (
    1.0  # for what must not come; a message that may takes milliseconds, and one follows that must
)
WAITING = 1200  # more than the 1,000 that mosquitto keeps by itself
COPIED = ("passwords", "acl", "ca.pem", "server.pem", "server.key")


class Failed(Exception):
    """A proof failed: what was seen."""


class Cast(NamedTuple):
    """Who takes part."""

    node: Account
    place: Place  # of the node
    other: str  # another node's name
    collector: Account


class Stand(NamedTuple):
    """What the proofs are made with."""

    broker: server.Server
    port: int
    ca: Path
    node: Account
    place: Place
    other: str
    collector: Account


class Client:
    """Somebody at the broker, over TLS."""

    def __init__(
        self, stand: Stand, name: str, account: Account | None, keeps: bool = False
    ) -> None:
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.paho = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            name,
            clean_session=not keeps,
            reconnect_on_failure=False,
        )
        if account:
            self.paho.username_pw_set(*account)
        self.paho.max_queued_messages_set(0)
        context = ssl.create_default_context(cafile=str(stand.ca))
        self.paho.tls_set_context(context)
        self.paho.on_connect = self._connected
        self.paho.on_subscribe = self._subscribed
        self.paho.on_message = self._message
        self.port = stand.port

    def _connected(self, client, data, flags, reason, properties):
        self.answers.put("refused" if reason.is_failure else "welcome")

    def _subscribed(self, client, data, mid, reasons, properties):
        self.answers.put("subscribed")

    def _message(self, client, data, message):
        self.heard.put((message.topic, message.payload))

    def answer(self) -> str:
        try:
            return self.answers.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Failed(f"no answer in {PATIENCE_S} s") from None

    def come(self) -> str:
        try:
            self.paho.connect(LOOPBACK, self.port, 60)
        except OSError as e:
            raise Failed(f"cannot connect: {e}") from None
        self.paho.loop_start()
        return self.answer()

    def subscribe(self, topic: str) -> None:
        self.paho.subscribe(topic, 1)
        self.answer()

    def publish(self, topic: str, payload: str) -> paho.MQTTMessageInfo:
        return self.paho.publish(topic, payload, 1)

    def wait(self, count: int) -> list[tuple[str, bytes]]:
        """The next so many messages, fewer if no more come."""
        found = []
        with contextlib.suppress(queue.Empty):
            for _ in range(count):
                found.append(self.heard.get(timeout=PATIENCE_S))
        return found

    def more(self) -> list[tuple[str, bytes]]:
        """What has come, and comes within a moment."""
        time.sleep(QUIET_S)
        return [self.heard.get() for _ in range(self.heard.qsize())]

    def leave(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


@contextlib.contextmanager
def client(
    stand: Stand, name: str, account: Account | None, keeps: bool = False
) -> Iterator[Client]:
    """A client that is connected. Failed: it is not let in."""
    made = Client(stand, name, account, keeps)
    try:
        if made.come() != "welcome":
            raise Failed(f"{account.user if account else 'a stranger'} is not let in")
        yield made
    finally:
        made.leave()


def _readings(stand: Stand, node: str = "") -> str:
    return f"{stand.place.base}/{node or stand.place.node}/reading/proof"


def arrives(stand: Stand) -> None:
    with client(stand, "proof-c", stand.collector) as collector:
        collector.subscribe(_readings(stand, "+"))
        with client(stand, "proof-n", stand.node) as node:
            node.publish(_readings(stand), "1")
            if collector.wait(1) != [(_readings(stand), b"1")]:
                raise Failed("it does not")


def is_not_forged(stand: Stand) -> None:
    with client(stand, "proof-c", stand.collector) as collector:
        collector.subscribe(f"{stand.place.base}/#")
        collector.subscribe(_readings(stand, "+"))
        with client(stand, "proof-n", stand.node) as node:
            node.publish(_readings(stand, stand.other), "forged")
            node.publish(f"{stand.place.base}/all/cmd/restart", "forged")
            node.publish(_readings(stand), "true")
            found = collector.wait(1)
            if found != [(_readings(stand), b"true")]:
                raise Failed(f"{found[0][0]} came" if found else "nothing comes, not the true one")


def is_not_overheard(stand: Stand) -> None:
    """The node hears itself, as it must; what is published by and for others it does not."""
    with client(stand, "proof-l", stand.node) as listener:
        for topic in ("#", f"{stand.place.base}/#", _readings(stand, "+"), "$SYS/#"):
            listener.subscribe(topic)
        with client(stand, "proof-c", stand.collector) as collector:
            probe = f"{stand.place.base}/collector/probe/x"
            collector.subscribe(probe)
            collector.publish(probe, "secret")
            if not collector.wait(1):
                raise Failed("the collector does not hear its own probe")
        heard = listener.more()
        if heard:
            raise Failed(f"a node hears {heard[0][0]}")


def strangers_stay_out(stand: Stand) -> None:
    for account in (None, Account(stand.node.user, "guessed"), Account("stranger", "guessed")):
        stranger = Client(stand, "proof-s", account)
        try:
            if stranger.come() != "refused":
                raise Failed(f"{account.user if account else 'a stranger'} is let in")
        finally:
            stranger.leave()


def waits_over_a_restart(stand: Stand) -> None:
    with client(stand, "proof-c", stand.collector, keeps=True) as collector:
        collector.subscribe(_readings(stand, "+"))
    with client(stand, "proof-n", stand.node) as node:
        sent = [node.publish(_readings(stand), str(number)) for number in range(WAITING)]
        deadline = time.monotonic() + PATIENCE_S
        while not all(each.is_published() for each in sent):
            if time.monotonic() > deadline:
                raise Failed("the broker does not acknowledge them")
            time.sleep(0.02)
    stand.broker.stop()
    stand.broker.start()
    with client(stand, "proof-c", stand.collector, keeps=True) as collector:
        came = {int(payload) for _, payload in collector.wait(WAITING)}
        if len(came) != WAITING:
            raise Failed(f"{len(came):,} of {WAITING:,} came")


def is_not_taken_over(stand: Stand) -> None:
    """The node comes with the collector's client id, and wants no session of before: a broker would forget the collector's."""
    with client(stand, "proof-c", stand.collector, keeps=True) as collector:
        collector.subscribe(_readings(stand, "+"))
    with client(stand, "proof-n", stand.node) as node:
        node.publish(_readings(stand), "1").wait_for_publish(PATIENCE_S)
    for name in ("proof-c", stand.collector.user):
        with client(stand, name, stand.node):
            pass
    with client(stand, "proof-c", stand.collector, keeps=True) as collector:
        if not collector.wait(1):
            raise Failed("it does")


# A table, one promise a row:
# fmt: off
PROOFS: tuple[tuple[str, Callable[[Stand], None]], ...] = (
    ("a reading of a node arrives at the collector",                               arrives),
    ("a forged one does not: a node that publishes as another, or commands",       is_not_forged),
    ("a node that listens to everything hears nothing of others",                  is_not_overheard),
    ("who has no account, or not its password, stays out",                         strangers_stay_out),
    ("a node does not take what waits for the collector",                          is_not_taken_over),
    (f"{WAITING:,} readings wait for a collector that is away, over a restart",    waits_over_a_restart),
)
# fmt: on


def prove(program: Path, folder: Path, queue_mb: int, cast: Cast) -> bool:
    """Prove a folder's broker, one line a promise. Returns whether it keeps all of them."""
    with tempfile.TemporaryDirectory(prefix="outpost-proof-") as name:
        copy = Path(name)
        (copy / "data").mkdir()
        (copy / "conf.d").mkdir()
        for each in COPIED:
            shutil.copy(folder / each, copy / each)  # with its rights
        _let_in(copy, cast.node, cast.place)
        port = free_port()
        # Without conf.d: it may have listeners, which are the real broker's.
        text = settings.conf(Listeners(LOOPBACK, port, 0), queue_mb, more=server.as_root())
        (copy / "mosquitto.conf").write_text(text)
        broker = server.Server(program, copy, "mosquitto.conf", copy / "log")
        stand = Stand(broker, port, copy / "ca.pem", *cast)
        with broker:
            results = [_one(said, proof, stand) for said, proof in PROOFS]
        return all(results)


def _let_in(copy: Path, node: Account, place: Place) -> None:
    """Give a node an account at the copy, if the broker has none: no node has one yet."""
    passwords, acl = copy / "passwords", copy / "acl"
    known = accounts.parsed(passwords.read_text(encoding="utf-8"))
    if node.user not in known:
        known[node.user] = accounts.hashed(node.password)
        passwords.write_text(accounts.written(known), encoding="utf-8")
        rules = rights.acl({node.user: rights.of_node(place)})
        acl.write_text(acl.read_text(encoding="utf-8") + rules, encoding="utf-8")


def _one(said, proof, stand):
    try:
        proof(stand)
    except (Failed, CommandError) as e:
        print(f"  failed  {said}: {e}", flush=True)
        return False
    print(f"  ok      {said}", flush=True)
    return True
