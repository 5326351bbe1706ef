"""Takes messages from a session, stores them, acknowledges them after the commit, and goes on by itself whatever fails.

1. The broker is away, restarts, ends the connection: tried again, with back-off. It keeps what comes for us meanwhile.
2. The store does not take a batch (disk full, locked): nothing is acknowledged, the batch is kept and tried again. While it does
   not go, messages are taken up to a bound; then the connection is closed, and the broker keeps the rest.
3. The process dies, at any point: what was not acknowledged comes again, and is found to be there.
4. Messages whose connection has ended meanwhile are stored, and cannot be acknowledged: they come again, too.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress

from station import gaps, messages
from station.metrics import Numbers
from station.session import Got, Lost, Refused, Session, TakenOver
from station.store.contract import Batch, Damaged, Store, StoreError

BATCH = 1_000  # messages of one commit, at most
_HOLD_S = 0.1  # a message waits so long for others, so that each reading is not a write of its own
# A broker that takes this for the most a client may have unacknowledged sends no more until they are (RabbitMQ: 10, mosquitto: 20).
_SMALLEST_WINDOW = 10
_MOST_WAITING = 20_000  # messages in memory that the store has not taken,
_MOST_BYTES = 32 * 1024 * 1024  # and their payloads
_STEP_S = 0.05
_BACK_OFF_S = (1, 30)
_STORE_BACK_OFF_S = (0.5, 15)
_REMIND_S = 60  # between two lines about a store that still takes nothing
_STABLE_S = 60  # a connection that holds so long was a good one
_SILENT_S = 600  # a node publishes `health` each minute
_SUSPECT = 3  # so many short ones in a row: two clients with one id throw each other out


class Collector:
    """sessions: one for each broker, tried in turn; tell(text): says it to people; numbers: what is counted."""

    def __init__(
        self,
        sessions: list[Session],
        store: Store,
        base: str,
        tell: Callable[[str], None],
        numbers: Numbers,
        batch: int = BATCH,
    ) -> None:
        self.store, self.base, self.tell, self.numbers = store, base, tell, numbers
        self.sessions = sessions
        for each in sessions:
            each.hear = self.hear
        self.session = sessions[0]
        self.latest = ""  # the node and channel heard last
        self._most = batch
        self._batch = Batch()
        self._mids: list[int] = []  # of the batch, of this connection
        self._bytes = 0  # of the batch
        self._heard_at = 0.0
        self._since = 0.0  # when the oldest of the batch came
        self._stuck_since: float | None = None
        self._told_at = 0.0
        self._again_at, self._wait_s = 0.0, _STORE_BACK_OFF_S[0]
        self._gaps = gaps.Watch()
        self._broker_dropped: int | None = None

    def run(self, stopping: Callable[[], bool]) -> None:
        """Collect until stopping(), then store what is here. Refused, TakenOver, Damaged: it cannot go on by itself."""
        wait_s, turn, short = _BACK_OFF_S[0], 0, 0
        try:
            while not stopping():
                self.session = self.sessions[turn % len(self.sessions)]
                began = None
                try:
                    self._connect()
                    began = time.monotonic()
                    self._collect(stopping)
                    break
                except TakenOver:
                    raise
                except Lost as e:
                    if isinstance(e, Refused) and not self.numbers.connects:
                        raise
                    why = str(e)
                self.numbers.connected = 0
                self._mids.clear()
                turn += 1
                if began is not None and time.monotonic() - began > _STABLE_S:
                    wait_s, short = _BACK_OFF_S[0], 0
                elif began is not None:
                    short += 1
                if short >= _SUSPECT:
                    why += f" (connection {short} in a row that was short: has another client the id {self.store.client_id}?)"
                wait = wait_s * random.uniform(0.7, 1.3)
                self.tell(f"{self.session.place}: {why}; tried again in {wait:.0f} s")
                self._pause(wait, stopping)
                wait_s = min(wait_s * 2, _BACK_OFF_S[1])
        finally:
            self.numbers.connected = 0
            self._finish()

    def _connect(self) -> None:
        session, again = self.session, self.numbers.connects > 0
        session.connect()
        self.numbers.connects += 1
        self.numbers.connected = 1
        kept = "its session goes on" if session.resumed else "a new session"
        self._heard_at = time.monotonic()
        self.tell(f"connected to {session.place}, {kept}")
        if session.barred:
            self.tell(f"warning: this account may not read {', '.join(session.barred)}")
        if not session.resumed and again and len(self.sessions) == 1:
            text = f"{session.place} has forgotten the session: readings that came meanwhile may be missing here (persistence true keeps it)"
            self.tell("warning: " + text)
            with suppress(StoreError):
                self.store.note("session", text)

    def hear(self, got: Got) -> None:
        """Take a message: it waits in the batch."""
        n = self.numbers
        n.messages += 1
        n.redelivered += got.again
        now = time.time_ns() // 1_000_000
        message = messages.read(self.base, got.topic, got.payload, got.retained, now)
        self._bytes += len(got.payload)
        self._heard_at = time.monotonic()
        if not self._batch:
            self._since = self._heard_at
        if isinstance(message, messages.Reading):
            self._batch.readings.append(message)
            n.last_reading_seconds = now / 1000
            self.latest = f"{message.node}/{message.channel}"
        elif isinstance(message, messages.State):
            self._batch.states.append(message)
        elif isinstance(message, messages.Bad):
            self._batch.bad.append(message)
        elif message.kind == "retained":
            n.retained_ignored += 1
        if got.mid:
            self._mids.append(got.mid)
        n.waiting = len(self._batch)

    def _collect(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            before = self.numbers.messages
            self.session.step(_STEP_S)
            if self._due(quiet=self.numbers.messages == before):
                self._store()
            elif self._mids and not self._batch:
                self._acknowledge()  # of what is not stored
            if len(self._batch) >= _MOST_WAITING or self._bytes >= _MOST_BYTES:
                self.session.leave()
                self._until_stored(stopping)
                raise Lost("the connection was closed until the store takes readings again")
            self._look_at_the_broker()
            if time.monotonic() - self._heard_at > _SILENT_S:
                self._heard_at = float("inf")  # once
                self.tell(
                    f"nothing has come for {_SILENT_S // 60} minutes: no node is on, or this account may not read"
                    f" {self.base}/# (mosquitto drops silently what its acl_file forbids)"
                )

    def _due(self, quiet: bool) -> bool:
        if not self._batch:
            return False
        now = time.monotonic()
        if self._stuck_since is not None:
            return now >= self._again_at
        full = len(self._batch) >= self._most or self._bytes >= _MOST_BYTES
        if full or now - self._since >= _HOLD_S:
            return True
        return quiet and len(self._mids) >= _SMALLEST_WINDOW

    def _store(self) -> bool:
        """Bring the batch onto the disk, and acknowledge it. False: the store did not take it."""
        batch = self._batch
        n = self.numbers
        try:
            outcome = self.store.append(batch)
        except Damaged:
            raise
        except StoreError as e:
            n.store_errors += 1
            self._stuck(str(e))
            return False
        self._batch, self._bytes = Batch(), 0
        n.waiting = 0
        n.commits += 1
        n.readings_stored += outcome.stored
        n.readings_doubled += outcome.doubled
        n.readings_completed += outcome.completed
        n.readings_retimed += outcome.retimed
        n.bad_messages += len(batch.bad)
        self._acknowledge()
        if self._stuck_since is not None:
            self.tell(f"the store takes readings again: {len(batch)} messages that waited are in")
            self._stuck_since, self._wait_s = None, _STORE_BACK_OFF_S[0]
        for text in outcome.told:
            self.tell("warning: " + text)
        for bad in batch.bad[:3]:
            self.tell(f"warning: {bad.topic}: {bad.why} (kept in the table `bad`)")
        if len(batch.bad) > 3:
            self.tell(f"warning: and {len(batch.bad) - 3} more such messages")
        for state in batch.states:
            if state.kind == "health" and state.text:
                self._look_for_gaps(state.node)
        return True

    def _acknowledge(self) -> None:
        mids, self._mids = self._mids, []
        if mids and self.session.connected:
            self.session.acknowledge(mids)

    def _stuck(self, why: str) -> None:
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
            self._told_at = now
            self.tell(
                f"warning: nothing is acknowledged, the broker keeps it: {why}. Tried again until it goes"
            )
        elif now - self._told_at >= _REMIND_S:
            self._told_at = now
            minutes = (now - self._stuck_since) / 60
            self.tell(f"warning: for {minutes:.0f} minutes nothing has been stored: {why}")
        self._again_at = now + self._wait_s
        self._wait_s = min(self._wait_s * 2, _STORE_BACK_OFF_S[1])

    def _until_stored(self, stopping: Callable[[], bool]) -> None:
        while not stopping() and self._batch:
            if time.monotonic() >= self._again_at:
                self._store()
            else:
                time.sleep(_STEP_S)

    def _pause(self, wait_s: float, stopping: Callable[[], bool]) -> None:
        """Wait, and meanwhile store what is still here."""
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not stopping():
            if self._batch and (self._stuck_since is None or time.monotonic() >= self._again_at):
                self._store()
            time.sleep(_STEP_S)

    def _finish(self) -> None:
        """Store what is here and leave. What the store does not take now was not acknowledged."""
        try:
            if self._batch:
                self._store()
        finally:
            self.session.leave()

    def _look_for_gaps(self, node: str) -> None:
        account, told = self.store.account(node), self.store.told_gap(node)
        lost = self._gaps.look(node, account, told, time.monotonic())
        if lost is None:
            return
        text = gaps.words(node, account, gaps.with_gaps(self.store, node), self.store)
        self.tell("warning: " + text)
        with suppress(StoreError):
            self.store.tell_gap(node, lost)
            self.store.note("gap", text)

    def _look_at_the_broker(self) -> None:
        """mosquitto counts what it threw away, for anybody: a queue that was full is a loss that no node knows of."""
        now = self.session.broker_dropped
        if now is None or now == self._broker_dropped:
            return
        self._broker_dropped = now
        key = f"dropped by {self.session.place}"
        known = self.store.recall(key)
        grown = 0
        if known is not None:
            grown = now - int(known) if now >= int(known) else now  # it counts from its own start
        try:
            self.store.remember(key, str(now))
            if grown:
                text = (
                    f"{self.session.place} has thrown away {grown} messages of some client since it was asked last:"
                    " max_queued_messages 0 in mosquitto.conf keeps them"
                )
                self.store.note("broker", text)
                self.tell("warning: " + text)
        except StoreError:
            self._broker_dropped = None  # again later
