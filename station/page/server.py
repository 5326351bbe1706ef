"""The web server that the page runs on: uvicorn, and what it lacks against those who hold connections open and send nothing."""

import asyncio
from collections.abc import Iterable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from station.page.app import Page

MOST = 500  # connections: from there on those leave that have waited longest; a process usually has 1,024 files
REQUEST_S = 10  # in which a request has come whole, from when the connection began or the answer before was sent
_GRACE_S = 2  # for answers that are on their way when it ends


class Server(uvicorn.Server):
    def __init__(self, page: Page) -> None:
        self._hub = page.hub
        page.end = self.end
        super().__init__(
            uvicorn.Config(
                page.app,
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                h11_max_incomplete_event_size=16_384,
                limit_concurrency=2 * MOST,
                proxy_headers=False,  # anybody may write them: each guess of a password would have an address of its own
                ws="none",
                http=_Connection,
                loop="asyncio",
            )
        )

    def end(self) -> None:
        """Not by a signal: uvicorn sends it once more when all is over, and nobody would learn why."""
        self.should_exit = True
        self._hub.close()

    def handle_exit(self, sig, frame):
        """Ctrl-C: browsers that listen would keep us for ever."""
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._hub.close)


class _Connection(H11Protocol):
    """One that waits for its request: not for ever, and not where others find no place."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waits()
        if len(self.connections) > MOST:
            _longest(self.connections).leave()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._late:
            self._late.cancel()

    def on_response_complete(self) -> None:
        self._waits()
        super().on_response_complete()

    @property
    def waits_since(self) -> float:
        """When it began to wait for a request, by the clock of the loop; infinite: it does not wait."""
        if not self._late or self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            return float("inf")
        return self._late.when()

    def leave(self) -> None:
        if self.waits_since < float("inf"):
            self.transport.close()

    def _waits(self) -> None:
        if self._late:
            self._late.cancel()
        self._late = self.loop.call_later(REQUEST_S, self.leave)


def _longest(connections: Iterable[Any]) -> _Connection:
    """The connection that has waited longest."""
    return min(connections, key=lambda each: each.waits_since)
