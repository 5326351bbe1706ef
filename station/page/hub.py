"""What changes goes to the browsers: one stream of server-sent events for each, from one look at the store a second.

Bounded: so many browsers, so many frames that wait for each. A browser that takes none loses frames, not our memory: it is told to
load all again (`again`), and after half a minute its connection ends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from station.page import frames
from station.page.link import Heard, Link
from station.page.source import Gone, Source

MOST_CLIENTS = 100
MOST_FRAMES = 64
_LOOK_S = 1.0
_JUDGE_EACH = 3  # looks: what is wrong with nodes, for which all of them are read
_IDLE_S = 15  # without a frame a comment goes, so that a dead connection is noticed
_PATIENCE_S = 30  # for a browser to take one
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),  # nginx would keep frames back
]


class Client:
    """One browser. node: whose readings and log lines it wants; None: the list of nodes."""

    def __init__(self, node: str | None) -> None:
        self.node = node
        self.frames: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_FRAMES)
        self.missed = False

    def put(self, frame: bytes | None) -> None:
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.missed = True

    def clear(self) -> None:
        while not self.frames.empty():
            self.frames.get_nowait()


class Hub:
    def __init__(self, source: Source, link: Link) -> None:
        self.source, self.link = source, link
        self.clients: set[Client] = set()
        self.streams = 0  # with those whose first look at the store is not over
        self.closed = False
        self._nodes: dict[str, dict[str, Any]] = {}
        self._told: dict[str, dict[str, Any]] = {}  # of the nodes that are watched
        self._mark = 0
        self._fault = ""

    async def run(self) -> None:
        """Look and send, until it is cancelled."""
        # The first look at many nodes takes a second, for which nobody should wait.
        with suppress(Gone):
            await self._judged()
        turn = 0
        while True:
            await asyncio.sleep(_LOOK_S)
            for _ in range(len(self.link.heard)):
                self._pass_on(self.link.heard.popleft())
            if not self.clients:
                continue
            turn += 1
            try:
                await self._look(judge=turn % _JUDGE_EACH == 0)
                fault = await asyncio.to_thread(self.source.fault)
            except Gone as e:
                fault = str(e)
            if fault != self._fault:
                self._fault = fault
                self._send("fault", {"text": fault}, self.clients)

    async def add(self, client: Client) -> None:
        """From now on it gets what is new; what was before it has to ask for."""
        if not self.clients:
            try:
                self._mark = await asyncio.to_thread(self.source.mark)
                self._nodes = await self._judged()
                self._fault = await asyncio.to_thread(self.source.fault)
            except Gone as e:
                self._fault = str(e)
        self.clients.add(client)
        client.put(frames.event("hello", {"now": frames.now()}))
        client.put(frames.event("fault", {"text": self._fault}))

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        for client in self.clients:
            client.clear()
            client.put(None)

    async def _look(self, judge: bool) -> None:
        watched = {client.node for client in self.clients if client.node is not None}
        self._mark, found = await asyncio.to_thread(self.source.since, self._mark, watched)
        by_node = defaultdict(list)
        for reading in found:
            by_node[reading.pop("node")].append(reading)
        for node, readings in by_node.items():
            self._send("readings", {"node": node, "readings": readings}, self._watching(node))
        if not judge:
            return
        before, self._nodes = self._nodes, await self._judged()
        changed = [each for name, each in self._nodes.items() if before.get(name) != each]
        gone = [name for name in before if name not in self._nodes]
        if changed or gone:
            change = {"nodes": changed, "gone": gone, "order": list(self._nodes)}
            self._send("nodes", change, [each for each in self.clients if each.node is None])
        told, self._told = self._told, {}
        for node in watched & set(self._nodes):
            documents = await asyncio.to_thread(self.source.documents, node)
            self._told[node] = self._nodes[node] | documents
            if self._told[node] != told.get(node):
                self._send("node", self._told[node], self._watching(node))

    async def _judged(self) -> dict[str, dict[str, Any]]:
        found = await asyncio.to_thread(self.source.nodes)
        return {each["node"]: each for each in found}

    def _watching(self, node: str) -> list[Client]:
        return [client for client in self.clients if client.node == node]

    def _pass_on(self, heard: Heard) -> None:
        if heard.kind == "broker":
            self._send("broker", heard.content, self.clients)
        else:
            self._send(heard.kind, heard.content, self._watching(heard.node))

    def _send(self, kind: str, content: dict[str, Any], clients: Collection[Client]) -> None:
        if not clients:
            return
        frame = frames.event(kind, content)
        for client in clients:
            client.put(frame)


class Stream:
    """The answer to a browser that listens."""

    def __init__(self, hub: Hub, node: str | None) -> None:
        self.hub, self.client = hub, Client(node)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.hub.streams >= MOST_CLIENTS:
            full = {"error": f"{MOST_CLIENTS} browsers are looking already: close one"}
            await frames.Json(full, 503)(scope, receive, send)
            return
        self.hub.streams += 1
        try:
            await self._stream(receive, send)
        finally:
            self.hub.streams -= 1
            self.hub.clients.discard(self.client)

    async def _stream(self, receive: Receive, send: Send) -> None:
        await self.hub.add(self.client)
        left = asyncio.create_task(_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while not left.done() and not self.hub.closed:
                frame = await self._next(left)
                if frame is None:
                    break
                part: Message = {"type": "http.response.body", "body": frame, "more_body": True}
                await asyncio.wait_for(send(part), _PATIENCE_S)
            if not left.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):  # it takes nothing any more, or has gone
            pass
        finally:
            left.cancel()

    async def _next(self, left: asyncio.Task) -> bytes | None:
        """The next frame; a comment if there is none for long. None: it is over."""
        if self.client.missed:
            self.client.clear()
            self.client.missed = False
            return frames.event("again", {})
        getting = asyncio.ensure_future(self.client.frames.get())
        try:
            done, _ = await asyncio.wait(
                {getting, left}, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED
            )
            if getting in done:
                return getting.result()
            return None if left in done else frames.COMMENT
        finally:
            getting.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
