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

from station import messages
from station.lookout import Lookout
from station.metrics import Numbers
from station.pending import Pending
from station.session import Got, Lost, Refused, Session, TakenOver
from station.store.contract import Batch, Damaged, Outcome, Store, StoreError

BATCH = 1_000  # messages of one commit; more only while the store takes nothing
_HOLD_S = 0.1  # a message waits so long for others, so that each reading is not a write of its own
# A broker that takes this for the most a client may have unacknowledged sends no more until they are (RabbitMQ: 10, mosquitto: 20).
_SMALLEST_WINDOW = 10
_STEP_S = 0.05
_BACK_OFF_S = (1, 30)
_STORE_BACK_OFF_S = (0.5, 15)
_REMIND_S = 60  # between two lines about a store that still takes nothing
_STABLE_S = 60  # a connection that holds so long was a good one
_SUSPECT = 3  # so many short ones in a row: two clients with one id throw each other out
_HOURS = 100  # hourly means that are computed at once,
_SUM_UP_S = 1  # the time until the next such turn; where more are due,
_SHARE = 0.2  # the part of the time that they may take
_BAD_TOLD = 3  # lines about bad messages of one batch


class Collector:
    """sessions: one for each broker, tried in turn; tell(text): says it to people; numbers: what is counted."""

    def __init__(
        self,
        sessions: list[Session],
        store: Store,
        base: str,
        tell: Callable[[str], None],
        numbers: Numbers,
    ) -> None:
        self.store, self.base, self.tell, self.numbers = store, base, tell, numbers
        self.sessions = sessions
        for each in sessions:
            each.hear = self.hear
        self.session = sessions[0]
        self.latest = ""  # the node and channel heard last
        self._pending = Pending()
        self._lookout = Lookout(store, base, tell)
        self._stuck_since: float | None = None  # when the store began to take nothing
        self._told_at = 0.0
        self._again_at, self._wait_s = 0.0, _STORE_BACK_OFF_S[0]
        self._sum_up_at = 0.0

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
                self._disconnected()
                turn += 1
                if began is not None and time.monotonic() - began > _STABLE_S:
                    wait_s, short = _BACK_OFF_S[0], 0
                elif began is not None:
                    short += 1
                if short >= _SUSPECT:
                    why += f" (connection {short} in a row that was short: has another client the id {self.session.client_id}?)"
                wait = wait_s * random.uniform(0.7, 1.3)
                self.tell(f"{self.session.place}: {why}; tried again in {wait:.0f} s")
                self._pause(wait, stopping)
                wait_s = min(wait_s * 2, _BACK_OFF_S[1])
        finally:
            self._finish()

    def hear(self, got: Got) -> None:
        """Take a message: it waits to be stored."""
        n = self.numbers
        n.messages += 1
        n.redelivered += got.again
        now = time.time_ns() // 1_000_000
        message = messages.read(self.base, got.topic, got.payload, got.retained, now)
        self._pending.take(message, got.mid, len(got.payload), time.monotonic())
        self._lookout.heard()
        if isinstance(message, messages.Reading):
            n.last_reading_seconds = now / 1000
            self.latest = f"{message.node}/{message.channel}"
        elif isinstance(message, messages.Other):
            n.retained_ignored += message.kind == "retained"
        n.waiting = len(self._pending)

    def _connect(self) -> None:
        self.session.connect()
        self.numbers.connects += 1
        self.numbers.connected = 1
        self._lookout.connected(self.session)

    def _disconnected(self) -> None:
        self.numbers.connected = 0
        self._pending.mids.clear()
        self._lookout.disconnected()

    def _collect(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            before = self.numbers.messages
            self.session.step(_STEP_S)
            if self._due(quiet=self.numbers.messages == before):
                self._store()
            elif not self._pending:
                self._acknowledge()  # what is not to be stored
            if self._pending.full:
                self.session.leave()
                self._disconnected()
                self._until_stored(stopping)
                raise Lost("the connection was closed until the store takes readings again")
            self._lookout.step(self.session)
            self._sum_up()

    def _due(self, quiet: bool) -> bool:
        pending = self._pending
        if not pending:
            return False
        now = time.monotonic()
        if self._stuck_since is not None:
            return now >= self._again_at
        if len(pending) >= BATCH or pending.full or now - pending.since >= _HOLD_S:
            return True
        return quiet and len(pending.mids) >= _SMALLEST_WINDOW

    def _store(self) -> None:
        """Bring what waits onto the disk, and acknowledge it; if the store does not take it, keep it. Damaged: it never will."""
        batch = self._pending.batch
        try:
            outcome = self.store.append(batch)
        except Damaged:
            raise
        except StoreError as e:
            self._stuck(str(e))
            return
        self._pending.stored()
        self._acknowledge()
        self._count(batch, outcome)
        if self._stuck_since is not None:
            self.tell(f"the store takes readings again: {len(batch)} messages that waited are in")
            self._stuck_since, self._wait_s = None, _STORE_BACK_OFF_S[0]
        for text in outcome.told:
            self.tell("warning: " + text)
        for bad in batch.bad[:_BAD_TOLD]:
            self.tell(f"warning: {bad.topic}: {bad.why} (kept in the table `bad`)")
        if len(batch.bad) > _BAD_TOLD:
            self.tell(f"warning: and {len(batch.bad) - _BAD_TOLD} more such messages")
        for state in batch.states:
            if state.kind == "health" and state.text:
                self._lookout.health(state.node)

    def _sum_up(self) -> None:
        """Compute some hourly means, when it is time and nothing waits."""
        now = time.monotonic()
        if now < self._sum_up_at or self._pending:
            return
        self._sum_up_at = now + _SUM_UP_S
        with suppress(StoreError):  # a store that takes nothing is told of with the next batch
            if self.store.sum_up(time.time_ns() // 1_000_000, _HOURS) == _HOURS:
                took = time.monotonic() - now
                self._sum_up_at = now + took / _SHARE

    def _acknowledge(self) -> None:
        mids = self._pending.acknowledged()
        if mids and self.session.connected:
            self.session.acknowledge(mids)

    def _count(self, batch: Batch, outcome: Outcome) -> None:
        n = self.numbers
        n.waiting = 0
        n.commits += 1
        n.readings_stored += outcome.stored
        n.readings_doubled += outcome.doubled
        n.readings_completed += outcome.completed
        n.readings_retimed += outcome.retimed
        n.bad_messages += len(batch.bad)

    def _stuck(self, why: str) -> None:
        now = time.monotonic()
        self.numbers.store_errors += 1
        if self._stuck_since is None:
            self._stuck_since = self._told_at = now
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
        while self._pending and not stopping():
            self._store_if_it_is_time()
            time.sleep(_STEP_S)

    def _pause(self, wait_s: float, stopping: Callable[[], bool]) -> None:
        """Wait, and meanwhile store what is still here."""
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not stopping():
            self._store_if_it_is_time()
            time.sleep(_STEP_S)

    def _store_if_it_is_time(self) -> None:
        if self._pending and (self._stuck_since is None or time.monotonic() >= self._again_at):
            self._store()

    def _finish(self) -> None:
        """Store what is here and leave. What the store does not take now was not acknowledged."""
        self.numbers.connected = 0
        try:
            if self._pending:
                self._store()
        finally:
            self.session.leave()
