"""What every store does, whatever it keeps readings in.

A store takes a batch in one transaction: after `append` has returned, all of it outlives a power cut; if it raises, none of it is
there. The collector acknowledges a message only after that.

The identity of a reading is (node, boot, seq) *and* what it says:

1. A number that is not there: stored.
2. The same number, channel and quantities: the same reading. `doubled`; if it brings the time that the first one lacked, `completed`.
   If it brings another time, the node has corrected its clock: `retimed`, and the earlier time is kept as an event.
3. The same number, other content: another board, or the same one erased, counts from the beginning again (firmware before boots were
   drawn at random). It is stored as a new *life* of that start, and told. Nothing is ever dropped for having a known number.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from station.messages import Bad, Reading, State
from tools import CommandError

# Two times of one reading that are no further apart are the same: a clock that was set a second time differs by a network's delay.
SAME_MS = 2_000
# Where a count stops: a sum of what anybody may publish must not exceed the 63 bits of a database, which then refuses it for ever.
MOST_COUNT = 2**53 - 1

MOST_BAD = 10_000  # messages of the table `bad`: anybody may publish nonsense
MOST_BAD_BYTES = 4_096  # of one of them


class StoreError(CommandError):
    """The store did not take a batch. The text says why, and what to do; the next attempt may go well."""


class Away(CommandError):
    """A store cannot be opened just now; later it may."""


class Damaged(StoreError):
    """The store cannot be used, and will not become usable by itself."""


@dataclass
class Batch:
    """What is stored at once."""

    readings: list[Reading] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.readings) + len(self.states) + len(self.bad)


@dataclass
class Outcome:
    """What became of a batch: numbers of readings, and what somebody must hear, a sentence each."""

    stored: int = 0
    doubled: int = 0
    completed: int = 0
    retimed: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        self.stored += other.stored
        self.doubled += other.doubled
        self.completed += other.completed
        self.retimed += other.retimed
        self.told += other.told


class Start(NamedTuple):
    """One start of a node, as far as its readings are here. first: the seq from which on they are expected; last: the largest."""

    node: str
    boot: int
    life: int
    first: int
    last: int
    readings: int

    @property
    def missing(self) -> int:
        return self.last - self.first + 1 - self.readings


class Account(NamedTuple):
    """What is known of a node's missing readings.

    missing: numbers between first and last that are not here; explained: those that the node gave up (`dropped`) or replaced
    (`superseded`) since this store knows it; waiting: those that it still had at its last `health`.
    """

    missing: int
    explained: int
    waiting: int

    @property
    def lost(self) -> int:
        return max(0, self.missing - self.explained - self.waiting)


class Store(Protocol):
    place: str  # for people
    client_id: str  # made with the store: two stores are never one MQTT client
    several: bool  # whether several collectors may write at once
    limits: tuple[str, ...]  # what it cannot promise, a sentence each

    def append(self, batch: Batch) -> Outcome: ...

    def starts(self, node: str | None = None) -> list[Start]: ...

    def account(self, node: str) -> Account: ...

    def absent(self, start: Start, most: int) -> list[tuple[int, int]]:
        """The first ranges of numbers that a start lacks, (first, last) each."""

    def told_gap(self, node: str) -> int:
        """How many lost readings of a node somebody was told of."""

    def tell_gap(self, node: str, lost: int) -> None: ...

    def note(self, kind: str, text: str) -> None:
        """Keep an event, for people."""

    def recall(self, key: str) -> str | None:
        """What `remember` kept under a key of the caller's."""

    def remember(self, key: str, value: str) -> None: ...

    def set_right(self, now_ms: int) -> None:
        """Count as now what was heard of nodes in the future: the clock was ahead. Else a silence would be hidden until then."""

    def sum_up(self, now_ms: int, most: int) -> int:
        """Compute at most so many hourly means that are due. Return how many were; StoreError: none."""

    def close(self) -> None: ...
