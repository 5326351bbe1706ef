"""A time series database, and a small SQLite file beside it for what that cannot hold.

The database gets each reading that has its time: the same one again overwrites itself. It cannot say what it has, so numbers are not compared:
no gaps, no new lives. The file has readings without a time, those that the database refuses, the state of nodes, bad messages, events.

A batch is written to the database first. If the file then fails all of it comes again, and the database has the same points.
"""

from collections.abc import Sequence
from dataclasses import replace

from station.messages import Reading
from station.store.contract import Account, Away, Batch, Outcome, Start, StoreError
from station.store.line.link import Link, RefusedLines
from station.store.line.protocol import line
from station.store.refused import as_bad, halves, words
from station.store.sqlite import SqliteStore
from tools import CommandError

_LIMITS = (
    "this database cannot say which numbers it has: missing readings, new lives and doubles are not found",
    "two readings of a channel in one millisecond are one there, and a time that is corrected leaves the earlier point",
)


class LineStore:
    several = False  # the file beside is one collector's
    limits: tuple[str, ...] = _LIMITS

    def __init__(self, address: str, base: str, beside: str) -> None:
        """beside: path of the SQLite file. CommandError: what is wrong with either."""
        self._link = Link(address)
        self.base = base
        self._beside = SqliteStore(beside, base)
        self.client_id = self._beside.client_id
        self.place = f"{self._link.place}, with {beside} beside it"
        try:
            self._link.write([])
        except RefusedLines:  # a database that takes nothing of nothing is there
            pass
        except StoreError as e:
            self.close()
            raise (CommandError if "answers 4" in str(e) else Away)(str(e)) from None

    def close(self) -> None:
        self._link.close()
        self._beside.close()

    def append(self, batch: Batch) -> Outcome:
        """As in contract.Store. StoreError: it comes again, as a whole."""
        timed = [reading for reading in batch.readings if reading.ts is not None]
        refused = self._write(timed)
        aside = [reading for reading in batch.readings if reading.ts is None]
        # One that was without its time, and has it now, is completed there.
        aside += self._beside.known(timed)
        aside += [reading for reading, _ in refused if reading not in aside]
        bad = [*batch.bad, *(as_bad(self.base, reading, why) for reading, why in refused)]
        outcome = self._beside.append(replace(batch, readings=aside, bad=bad))
        outcome.stored += len(timed) - len(refused)
        for text in words(refused):
            outcome.told.append(f"{text}. It is kept in {self._beside.place}")
        return outcome

    def _write(self, readings: list[Reading]) -> list[tuple[Reading, str]]:
        """Write readings; return those that the database refuses, and why."""
        lines: list[tuple[Reading, str]] = []
        refused: list[tuple[Reading, str]] = []
        for reading in readings:
            try:
                lines.append((reading, line(reading)))
            except ValueError as e:
                refused.append((reading, str(e)))

        def take(part: Sequence[tuple[Reading, str]]) -> None:
            self._link.write([text for _, text in part])

        refused += [(reading, why) for (reading, _), why in halves(lines, take, RefusedLines)]
        return refused

    def starts(self, node: str | None = None) -> list[Start]:
        return []

    def account(self, node: str) -> Account:
        return Account(0, 0, 0)

    def absent(self, start: Start, most: int) -> list[tuple[int, int]]:
        return []

    def told_gap(self, node: str) -> int:
        return 0

    def tell_gap(self, node: str, lost: int) -> None:
        raise StoreError("gaps are not known here")

    def sum_up(self, now_ms: int, most: int) -> int:
        return 0

    def note(self, kind: str, text: str) -> None:
        self._beside.note(kind, text)

    def recall(self, key: str) -> str | None:
        return self._beside.recall(key)

    def remember(self, key: str, value: str) -> None:
        self._beside.remember(key, value)

    def set_right(self, now_ms: int) -> None:
        self._beside.set_right(now_ms)
