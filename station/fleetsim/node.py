"""One node of a simulated fleet: it speaks as ours do, with readings from a recording, and knows what it has taken.

Readings of QoS 1 wait in an outbox until PUBACK, so many are on their way at once; what is older than 30 s goes to `history`; after an
outage it connects again with back-off, its session goes on, and what was on its way is sent again with the same packet id and DUP.
"""

import asyncio
import itertools
import json
import random
import time
from collections import deque
from collections.abc import Iterator

from station.fleetsim import packets
from station.fleetsim.recording import PERIOD_MS, Recording

_KEEPALIVE_S = 60
_WINDOW = 20
_LIVE_MS = 30_000
_BACK_OFF_S = (1, 30)
_CONNECT_S = 20
_SUBSCRIPTION = 1  # its packet id; readings take the others


class Node:
    """pace: how many times as fast as recorded it reads."""

    def __init__(self, base: str, name: str, recording: Recording, pace: float) -> None:
        self.name = name
        self._begin = f"{base}/{name}/"
        self._base = base
        self._pace = pace
        self.boot = random.randrange(1, 2**31)
        self._once = [(each.topic, each.payload.encode()) for each in recording.once]
        self._script = [
            (each.at, (each.topic, bool(each.qos), _template(each.payload)))
            for each in recording.each
        ]
        self.taken = 0  # readings; the last one's seq
        self.times = 0  # the sum of their times, by which a store's are checked
        self._outbox: deque[tuple[int, str, bytes]] = deque()  # (ts, channel, payload), not sent
        self._flying: dict[int, bytes] = {}  # packet id: the packet, in the order they were sent
        self._mid = _SUBSCRIPTION
        self.connects = 0
        self.taking = True
        self._writer: asyncio.StreamWriter | None = None

    @property
    def waiting(self) -> int:
        return len(self._outbox) + len(self._flying)

    async def take(self) -> None:
        """Read the sensors as recorded, again and again from a random moment on, until `taking` is false."""
        now = time.monotonic()
        begin = now - random.random() * PERIOD_MS / 1000 / self._pace
        for due, what in self._moments(begin, now):
            await asyncio.sleep(due - time.monotonic())
            if not self.taking:
                return
            self._said(*what)

    def _moments(self, begin: float, now: float) -> Iterator[tuple[float, tuple[str, bool, str]]]:
        for turn in itertools.count():
            for at, what in self._script:
                due = begin + (turn * PERIOD_MS + at) / 1000 / self._pace
                if due > now:
                    yield due, what

    def _said(self, topic: str, lasting: bool, template: str) -> None:
        if not lasting:
            if self._writer:
                self._writer.write(packets.publish(self._begin + topic, template.encode()))
            return
        self.taken += 1
        ts = time.time_ns() // 1_000_000
        self.times += ts
        payload = f'{{"ts":{ts},"boot":{self.boot},"seq":{self.taken},{template}'
        self._outbox.append((ts, topic.partition("/")[2], payload.encode()))
        self._send()

    def _send(self) -> None:
        """Send what the window has room for."""
        if not self._writer:
            return
        now = time.time_ns() // 1_000_000
        while self._outbox and len(self._flying) < _WINDOW:
            ts, channel, payload = self._outbox.popleft()
            branch = "reading" if now - ts < _LIVE_MS else "history"
            mid = self._next()
            topic = f"{self._begin}{branch}/{channel}"
            self._flying[mid] = packets.publish(topic, payload, mid, again=True)
            self._writer.write(packets.publish(topic, payload, mid))

    def _next(self) -> int:
        while True:
            self._mid = self._mid % 65_535 + 1
            if self._mid not in self._flying and self._mid != _SUBSCRIPTION:
                return self._mid

    async def connect(self, host: str, port: int) -> None:
        """Be connected, again and again, until it is cancelled."""
        wait = _BACK_OFF_S[0]
        while True:
            try:
                await self._connected(host, port)
                wait = _BACK_OFF_S[0]
            except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                pass
            finally:
                if self._writer:
                    self._writer.close()
                    self._writer = None
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, _BACK_OFF_S[1])

    async def _connected(self, host: str, port: int) -> None:
        """One connection, until it ends."""
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port)
        try:
            will = self._begin + "status", b"offline"
            writer.write(packets.connect(self.name, _KEEPALIVE_S, will))
            splitter, alive = packets.Splitter(), True
            while alive:
                try:
                    async with asyncio.timeout(_KEEPALIVE_S / 2):
                        data = await reader.read(65_536)
                except TimeoutError:
                    writer.write(packets.PINGREQ)
                    continue
                alive = bool(data)
                for kind, body in splitter.feed(data):
                    self._heard(kind, body, writer)
        finally:
            writer.close()

    def _heard(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == packets.PUBACK:
            self._flying.pop(int.from_bytes(body, "big"), None)
            self._send()
        elif kind == packets.CONNACK:
            if body[1]:
                raise ValueError("refused")
            self._introduce(writer)
        elif kind & 0xF0 == packets.PUBLISH and kind & 0x06:
            at = 2 + int.from_bytes(body[:2], "big")
            writer.write(packets.puback(int.from_bytes(body[at : at + 2], "big")))

    def _introduce(self, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        self._writer = writer
        commands = [f"{self._begin}cmd/+", f"{self._base}/all/cmd/+", f"{self._begin}output/+/set"]
        writer.write(packets.subscribe(_SUBSCRIPTION, commands))
        for topic, payload in self._once:
            mid = self._next()
            self._flying[mid] = packets.publish(
                self._begin + topic, payload, mid, retain=True, again=True
            )
        for packet in list(self._flying.values()):
            writer.write(packet)
        self._send()

    async def leave(self) -> None:
        """Disconnect in order."""
        if self._writer:
            offline = packets.publish(self._begin + "status", b"offline", retain=True)
            self._writer.write(offline + packets.DISCONNECT)
            await self._writer.drain()


def _template(payload: str) -> str:
    """A reading without its time and numbers, from its first quantity on; what is none as it is."""
    document = json.loads(payload)
    if "seq" not in document:
        return payload
    rest = {name: value for name, value in document.items() if name not in ("ts", "boot", "seq")}
    return json.dumps(rest, separators=(",", ":"))[1:]
