"""Messages that are not stored yet, and the packet ids that are acknowledged when they are."""

from station.messages import Bad, Message, Reading, State
from station.store.contract import Batch

_MOST = 20_000  # messages in memory that the store has not taken,
_MOST_BYTES = 32 * 1024 * 1024  # and their payloads


class Pending:
    """since: when the oldest came. Packet ids are of one connection: `mids` is emptied when it ends."""

    def __init__(self) -> None:
        self.batch = Batch()
        self.mids: list[int] = []
        self.since = 0.0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def full(self) -> bool:
        return len(self.batch) >= _MOST or self._bytes >= _MOST_BYTES

    def take(self, message: Message, mid: int, size: int, now: float) -> None:
        """mid: 0: nothing is to be acknowledged; size: of the payload, bytes."""
        if mid:
            self.mids.append(mid)
        if not self.batch:
            self.since = now
        if isinstance(message, Reading):
            self.batch.readings.append(message)
        elif isinstance(message, State):
            self.batch.states.append(message)
        elif isinstance(message, Bad):
            self.batch.bad.append(message)
        else:
            return
        self._bytes += size

    def stored(self) -> None:
        self.batch, self._bytes = Batch(), 0

    def acknowledged(self) -> list[int]:
        """Return the packet ids, and forget them."""
        mids, self.mids = self.mids, []
        return mids
