"""One SQLite file: WAL, `synchronous=full`, so that what a commit has returned for outlives a power cut.

Any number of programs may read the file meanwhile; none of them stops the collector. A program that writes to it makes the
collector wait. WAL needs a disk of this machine: over NFS or SMB its locks do not work.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from station.messages import Reading
from station.store import hours, nodes, placing, refused, removal, schema
from station.store.contract import (
    MOST_BAD,
    MOST_BAD_BYTES,
    MOST_COUNT,
    Account,
    Batch,
    Damaged,
    Outcome,
    Start,
    StoreError,
)
from tools import CommandError, shell, unreadable

_PATIENCE_S = (
    1  # for another program's lock: the connection to the broker has to be looked after meanwhile
)
_WAL_BYTES = 64 * 1024 * 1024  # it is cut to this after a reader has kept it long
_MANY = 5_000_000  # readings: to bring so many to today's tables is not done at once
# What is raised because of what one message says.
_REFUSED = (OverflowError, RecursionError, sqlite3.DataError)
_INSTEAD = "STORE= takes a file of this collector, or the name of a new one"


class SqliteStore:
    several = False  # two that write wait for each other's locks, and one machine that fails takes the file along
    limits: tuple[str, ...] = ()

    def __init__(self, place: str | Path, base: str | None = None) -> None:
        """Open a file, or make it. base: as for opening.open_store. CommandError: what is wrong with it."""
        self.path = Path(place)
        self.place = str(place)
        self.base = base or ""
        self.client_id = ""
        if base is None and not self.path.is_file():
            raise CommandError(unreadable(self.path, FileNotFoundError()))
        try:
            self._db, self._file = self._opened()
        except (StoreError, sqlite3.Error, OSError) as e:
            raise CommandError(str(self._said(e))) from None

    def close(self) -> None:
        self._db.close()

    def append(self, batch: Batch) -> Outcome:
        """As in contract.Store. StoreError: nothing of it is there."""
        with self._transaction() as db:
            outcome = refused.keep(batch, self.base, self._take, _REFUSED)
            for text in outcome.told:
                _note(db, "reading", text)
        return outcome

    def _take(self, batch: Batch) -> Outcome:
        """Store a batch, or nothing of it, within a transaction."""
        outcome = Outcome()
        with _savepoint(self._db) as db:
            placing.place(db, batch.readings, outcome)
            nodes.heard(db, batch.readings)
            for state in batch.states:
                nodes.take(db, state)
            for bad in batch.bad:
                db.execute(
                    "insert into bad (received, topic, why, payload, bytes) values (?, ?, ?, ?, ?)",
                    (
                        bad.received,
                        bad.topic,
                        bad.why,
                        bad.payload[:MOST_BAD_BYTES],
                        len(bad.payload),
                    ),
                )
            if batch.bad:
                db.execute(
                    "delete from bad where id <= (select max(id) from bad) - ?", (MOST_BAD,)
                )
        return outcome

    def known(self, readings: list[Reading]) -> list[Reading]:
        """Return those of which a number is here already."""
        find = "select 1 from reading where node = ? and boot = ? and seq = ?"
        with self._looking() as db:
            return [each for each in readings if db.execute(find, each[:3]).fetchone()]

    def starts(self, node: str | None = None) -> list[Start]:
        where, values = ("where node = ?", (node,)) if node is not None else ("", ())
        with self._looking() as db:
            rows = db.execute(
                "select node, boot, life, case when whole then 1 else first end, last, readings"
                f" from start {where} order by node, boot, life",
                values,
            )
            return [Start(*row) for row in rows]

    def account(self, node: str) -> Account:
        missing = min(MOST_COUNT, sum(start.missing for start in self.starts(node)))
        with self._looking() as db:
            return nodes.account(db, node, missing)

    def absent(self, start: Start, most: int) -> list[tuple[int, int]]:
        # A range of numbers that were removed is here as its first and its last.
        with self._looking() as db:
            return db.execute(
                "select before + 1, first - 1 from ("
                "  select first, lag(last, 1, :first - 1) over (order by first) as before from ("
                "    select seq as first, seq as last from reading"
                "    where node = :node and boot = :boot and life = :life"
                "    union all select first, last from removed"
                "    where node = :node and boot = :boot and life = :life"
                ")) where first > before + 1 limit :most",
                {**start._asdict(), "most": most},
            ).fetchall()

    def told_gap(self, node: str) -> int:
        with self._looking() as db:
            row = db.execute("select gap_told from node where node = ?", (node,)).fetchone()
        return row[0] if row else 0

    def tell_gap(self, node: str, lost: int) -> None:
        with self._transaction() as db:
            db.execute("update node set gap_told = ? where node = ?", (lost, node))

    def note(self, kind: str, text: str) -> None:
        with self._transaction() as db:
            _note(db, kind, text)

    def recall(self, key: str) -> str | None:
        with self._looking() as db:
            row = db.execute("select value from about where key = ?", (key,)).fetchone()
        return row[0] if row else None

    def remember(self, key: str, value: str) -> None:
        with self._transaction() as db:
            db.execute("insert or replace into about values (?, ?)", (key, value))

    def set_right(self, now_ms: int) -> None:
        with self._transaction() as db:
            nodes.set_right(db, now_ms)

    def sum_up(self, now_ms: int, most: int) -> int:
        with self._looking() as db:  # asked without a lock: mostly there is nothing to do
            if not hours.due(db, now_ms, 1):
                return 0
        with self._transaction() as db:
            return hours.sum_up(db, now_ms, most)

    def remove(self, node: str, before_ms: int, most: int) -> tuple[int, int]:
        """Remove what a node took before a moment, a whole hour, at most so many hours at once. Return (hours, readings)."""
        gone, count = 0, 0
        with self._transaction() as db:
            while count < most:
                hour = removal.oldest(db, node)
                if hour is None or (hour + 1) * hours.HOUR_MS > before_ms:
                    break
                gone += removal.remove(db, node, hour)
                count += 1
        return count, gone

    def old(self, node: str, before_ms: int) -> int:
        """Return how many readings `remove` would remove."""
        with self._looking() as db:
            return int(
                sum(
                    db.execute(
                        "select count(*) from reading where node = ? and channel = ? and ts < ?",
                        (node, channel, before_ms),
                    ).fetchone()[0]
                    for channel in removal.channels(db, node)
                )
            )

    def nodes(self) -> list[str]:
        with self._looking() as db:
            return [row[0] for row in db.execute("select node from node order by node")]

    def newest(self) -> int | None:
        """Return when the newest reading was taken, Unix ms. None: none has a time."""
        names = self.nodes()
        with self._looking() as db:
            found = [removal.newest(db, node) for node in names]
        return max((ts for ts in found if ts is not None), default=None)

    def shrink(self) -> None:
        """Give the space of what was removed back to the disk; that needs as much as the rest takes. StoreError: it was not."""
        with self._looking() as db:
            db.execute("vacuum")
            db.execute("pragma wal_checkpoint(truncate)").fetchall()

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """A connection to read by. StoreError: there is none."""
        if not self._file:  # closed, since the file could not be opened again
            self._look()
        try:
            yield self._db
        except (sqlite3.Error, OverflowError) as e:
            raise self._said(e) from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing, on the disk when it is over. StoreError: nothing."""
        self._look()
        try:
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:
                    with suppress(sqlite3.Error):  # some errors have rolled it back already
                        self._db.execute("rollback")
        except (sqlite3.Error, OverflowError) as e:
            raise self._said(e) from None
        self._look()  # a file that was removed meanwhile took the batch along

    def _look(self) -> None:
        """StoreError: the file has been removed, or is another one; from now on it is that, or a new one."""
        with suppress(OSError):
            if _identity(self.path) == self._file:
                return
        # The old one first: where only its WAL was removed, closing it brings into the file what that had.
        self._db.close()
        self._file = ()
        try:
            self._db, self._file = self._opened()
        except (sqlite3.Error, OSError) as e:
            raise self._said(e) from None
        raise StoreError(f"{self.place} was removed or replaced: what is there now is used")

    def _opened(self) -> tuple[sqlite3.Connection, tuple[int, ...]]:
        db = sqlite3.connect(self.path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            self._prepare(db)
            return db, _identity(self.path)
        except BaseException:
            db.close()
            raise

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables of a new file, and look whose an old one is."""
        application = db.execute("pragma application_id").fetchone()[0]
        version = db.execute("pragma user_version").fetchone()[0]
        tables = db.execute("select count(*) from sqlite_master").fetchone()[0]
        if tables and application != schema.APPLICATION:
            raise Damaged(f"{self.place} is another program's database: {_INSTEAD}")
        if version > schema.VERSION:
            raise Damaged(f"{self.place} is of a newer version of this program: use that")
        if db.execute("pragma journal_mode = wal").fetchone()[0] != "wal":
            raise Damaged(
                f"{self.place}: WAL does not work there: {_INSTEAD} on a disk of its own"
            )
        db.execute("pragma synchronous = full")
        db.execute(f"pragma journal_size_limit = {_WAL_BYTES}")
        if not tables:
            self._make(db)
        elif version < schema.VERSION:
            _bring_up(db, self.place)
        about = dict(db.execute("select key, value from about"))
        if self.base and about["base"] != self.base:
            raise Damaged(
                f"{self.place} has the readings below {about['base']}/, not {self.base}/: give each base a STORE= of its own"
            )
        self.base, self.client_id = about["base"], about["client_id"]

    def _make(self, db: sqlite3.Connection) -> None:
        client_id = self.client_id or "collector-" + secrets.token_hex(6)
        about = (("base", self.base), ("client_id", client_id), ("made", str(_now())))
        db.execute("begin immediate")
        for statement in schema.TABLES.split(";"):
            db.execute(statement)
        db.executemany("insert into about values (?, ?)", about)
        db.execute(f"pragma application_id = {schema.APPLICATION}")
        db.execute(f"pragma user_version = {schema.VERSION}")
        db.execute("commit")

    def _said(self, error: Exception) -> StoreError:
        """Return an error in words: what is wrong, and what would be right."""
        if not isinstance(error, sqlite3.Error):
            return error if isinstance(error, StoreError) else StoreError(str(error))
        # The first byte is the kind [sqlite.org/rescode.html].
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            what = "no SQLite file" if code == sqlite3.SQLITE_NOTADB else f"damaged ({error})"
            return Damaged(f"{self.place} is {what}: {_INSTEAD}")
        if code == sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{self.place} cannot be opened: {self._no_place()}")
        told = {
            sqlite3.SQLITE_FULL: "no space is left for it: make some on its disk",
            sqlite3.SQLITE_BUSY: "another program keeps it locked: end that, or its transaction",
            sqlite3.SQLITE_LOCKED: "another program keeps it locked: end that, or its transaction",
            sqlite3.SQLITE_READONLY: "it cannot be written: this user needs the right to its file and folder",
            sqlite3.SQLITE_IOERR: f"its disk fails ({error}): look at the system's log",
        }
        return StoreError(f"{self.place}: {told.get(code, error)}")

    def _no_place(self) -> str:
        folder = self.path.resolve().parent
        if self.path.is_dir():
            return "it is a folder, give a file"
        if not folder.is_dir():
            return f"there is no folder {folder}"
        return f"this user may not write in {folder}"


def _bring_up(db: sqlite3.Connection, place: str) -> None:
    """Bring a file of version 1 to today's, all of it or nothing: a cut leaves it as it was."""
    most = db.execute("select max(rowid) from reading").fetchone()[0] or 0
    if most > _MANY:
        shell.say(
            f"{place} is of an earlier version: its {most:,} readings get hourly means. Preparing that takes about"
            f" {max(1, most // 30_000_000)} minutes"
        )
    db.execute("begin immediate")
    if db.execute("pragma user_version").fetchone()[0] == 1:  # nobody else has, meanwhile
        for statement in schema.TO_2.split(";"):
            db.execute(statement)
        db.execute("pragma user_version = 2")
    db.execute("commit")


@contextmanager
def _savepoint(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it or nothing, within a transaction."""
    db.execute("savepoint part")
    try:
        yield db
    except BaseException:
        if db.in_transaction:  # some errors have rolled all of it back already
            with suppress(sqlite3.Error):
                db.execute("rollback to part")
        raise
    db.execute("release part")


def _note(db: sqlite3.Connection, kind: str, text: str) -> None:
    db.execute("insert into event (at, kind, text) values (?, ?, ?)", (_now(), kind, text))


def _identity(path: Path) -> tuple[int, ...]:
    """Which files these are: what goes into a removed one is lost, and no error says so."""
    file, wal = os.stat(path), os.stat(f"{path}-wal")
    return file.st_dev, file.st_ino, wal.st_ino


def _now() -> int:
    return time.time_ns() // 1_000_000
