"""What nobody would notice by itself: gaps, a broker that forgets or throws away, silence. Each is told once and kept as an event."""

import time
from collections.abc import Callable
from contextlib import suppress

from station import gaps
from station.session import Session
from station.store import listening
from station.store.contract import Store, StoreError
from station.store.listening import LISTENING, Listening

_SILENT_S = 600  # a node publishes `health` each minute
_NOTE_S = 60  # between two notes that somebody listens


class Lookout:
    """tell(text): says it to people."""

    def __init__(self, store: Store, base: str, tell: Callable[[str], None]) -> None:
        self._store, self._base, self._tell = store, base, tell
        self._gaps = gaps.Watch()
        self._heard_at = 0.0
        self._dropped: int | None = None  # what the store has of a broker's count
        self._since_ms, self._before_ms, self._note_at = 0, 0, 0.0
        self._listens = False

    def connected(self, session: Session) -> None:
        """A connection has begun: had the broker our session, and may we read?"""
        self._heard_at = time.monotonic()
        self._dropped = None
        with suppress(StoreError):
            earlier = listening.of(self._store)
            self._before_ms = earlier.until if earlier else 0
        self._since_ms, self._listens = _now_ms(), True
        self._note()
        kept = "its session goes on" if session.resumed else "a new session"
        self._tell(f"connected to {session.place}, {kept}")
        if session.barred:
            self._tell(f"warning: this account may not read {', '.join(session.barred)}")
        with suppress(StoreError):
            if not self._store.recall(session.key):
                self._store.remember(session.key, "kept")
            elif not session.resumed:
                self._warn(
                    "session",
                    f"{session.place} has forgotten the session: readings that came meanwhile may be missing here"
                    " (persistence true keeps it)",
                )

    def disconnected(self) -> None:
        """A connection has ended, or none has begun: from here on nothing is known of the nodes."""
        if self._listens:
            self._listens = False
            self._note()

    def heard(self) -> None:
        """A message has come."""
        self._heard_at = time.monotonic()

    def step(self, session: Session) -> None:
        """Look at what no message says."""
        if time.monotonic() >= self._note_at:
            self._note()
        if session.broker_dropped not in (None, self._dropped):
            with suppress(StoreError):  # again with the next step
                self._count(session.place, session.broker_dropped or 0)
        if time.monotonic() - self._heard_at > _SILENT_S:
            self._heard_at = float("inf")  # once
            self._tell(
                f"nothing has come for {_SILENT_S // 60} minutes: no node is on, or this account may not read"
                f" {self._base}/# (mosquitto drops silently what its acl_file forbids)"
            )

    def health(self, node: str) -> None:
        """A node's `health` is stored: is anything lost?"""
        with suppress(StoreError):  # one that is away just now: again with the next `health`
            account, told = self._store.account(node), self._store.told_gap(node)
            lost = self._gaps.look(node, account, told, time.monotonic())
            if lost is not None:
                text = gaps.words(node, account, gaps.with_gaps(self._store, node), self._store)
                self._store.tell_gap(node, lost)
                self._warn("gap", text)

    def _note(self) -> None:
        self._note_at = time.monotonic() + _NOTE_S
        now_ms = _now_ms()
        self._since_ms = min(self._since_ms, now_ms)  # the clock was ahead
        noted = Listening(self._since_ms, now_ms, self._before_ms, not self._listens)
        with suppress(StoreError):
            self._store.set_right(now_ms)
            self._store.remember(LISTENING, noted.text())

    def _count(self, place: str, now: int) -> None:
        """mosquitto counts what it threw away, of anybody's: a queue that was full is a loss that no node knows of.

        It counts from its own start. The store has the last count: most is thrown away while nobody collects.
        """
        key = f"dropped by {place}"
        known = self._store.recall(key)
        self._store.remember(key, str(now))
        self._dropped = now
        if known is None:
            return
        grown = now - int(known) if now >= int(known) else now
        if grown:
            self._warn(
                "broker",
                f"{place} has thrown away {grown} messages of some client since it was asked last:"
                " max_queued_messages 1000000000 in mosquitto.conf keeps them",
            )

    def _warn(self, kind: str, text: str) -> None:
        self._tell("warning: " + text)
        with suppress(StoreError):
            self._store.note(kind, text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
