"""The schema `outpost` of a PostgreSQL database; `reading` is a hypertable if the database has TimescaleDB.

A batch is one transaction with `synchronous_commit` on, by one writer at a time: an advisory lock, so that several collectors may write.
A server that is away, restarts, fails over or has no space takes nothing, and is connected to anew with the next batch.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from station.store import refused
from station.store.contract import (
    MOST_BAD,
    MOST_BAD_BYTES,
    MOST_COUNT,
    Account,
    Away,
    Batch,
    Damaged,
    Outcome,
    Start,
    StoreError,
)
from station.store.postgres import nodes, placing, tables
from station.store.postgres.faults import REFUSED, refusal, said
from station.store.postgres.times import from_ms
from tools import CommandError

_LOCK = 0x4F757470  # "Outp": of pg_advisory_xact_lock
_CONNECT_S = 5  # the connection to the broker has to be looked after meanwhile
# What holds a transaction up has to end while the broker still waits; a writer that has died at the other end of a cut line, too.
_SETTINGS = {
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    "statement_timeout": "20s",
    "idle_in_transaction_session_timeout": "20s",
    "timezone": "UTC",
    "search_path": f"{tables.SCHEMA}, public",
}
LINK = {
    "connect_timeout": _CONNECT_S,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "application_name": "outpost collector",
}


class PostgresStore:
    several = True  # collectors may write at once

    def __init__(self, address: str, base: str | None = None) -> None:
        """Open a database, or make the tables in it. base: as for opening.open_store. CommandError: what is wrong with it."""
        self._address = checked(address)
        self.place = named(address)
        self.base = base or ""
        self.client_id = ""
        self.limits: tuple[str, ...] = ()
        self._make_it = base is not None
        self._link: psycopg.Connection | None = None
        try:
            self._db()
        except (StoreError, psycopg.Error) as e:
            away = isinstance(e, psycopg.OperationalError) and not refusal(e)
            raise (Away if away else CommandError)(str(said(self.place, e))) from None

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    def append(self, batch: Batch) -> Outcome:
        """As in contract.Store. StoreError: nothing of it is there, or, if the connection ended in the commit, all of it."""
        with self._transaction() as db:
            outcome = refused.keep(batch, self.base, lambda part: _take(db, part), REFUSED)
            for text in outcome.told:
                _note(db, "reading", text)
        return outcome

    def starts(self, node: str | None = None) -> list[Start]:
        with self._looking() as db:
            rows = db.execute(
                "select node, boot, life, case when whole then 1 else first end, last, readings from start"
                ' where %(node)s::text is null or node = %(node)s order by node collate "C", boot, life',
                {"node": node},
            ).fetchall()
        return [Start(*row) for row in rows]

    def account(self, node: str) -> Account:
        missing = min(MOST_COUNT, sum(start.missing for start in self.starts(node)))
        with self._looking() as db:
            return nodes.account(db, node, missing)

    def absent(self, start: Start, most: int) -> list[tuple[int, int]]:
        of = "where node = %(node)s and boot = %(boot)s and life = %(life)s"
        with self._looking() as db:
            return db.execute(
                "select before + 1, seq - 1 from ("
                "  select seq, lag(seq, 1, %(first)s - 1) over (order by seq) as before from ("
                f"   select seq from reading {of} union all select seq from untimed {of}) as both_tables"
                ") as numbers where seq > before + 1 order by 1 limit %(most)s",
                {**start._asdict(), "most": most},
            ).fetchall()

    def told_gap(self, node: str) -> int:
        with self._looking() as db:
            row = db.execute("select gap_told from node where node = %s", (node,)).fetchone()
        return row[0] if row else 0

    def tell_gap(self, node: str, lost: int) -> None:
        with self._transaction() as db:
            db.execute("update node set gap_told = %s where node = %s", (lost, node))

    def note(self, kind: str, text: str) -> None:
        with self._transaction() as db:
            _note(db, kind, text)

    def recall(self, key: str) -> str | None:
        with self._looking() as db:
            row = db.execute("select value from about where key = %s", (key,)).fetchone()
        return row[0] if row else None

    def remember(self, key: str, value: str) -> None:
        with self._transaction() as db:
            db.execute(
                "insert into about values (%s, %s) on conflict (key) do update set value = excluded.value",
                (key, value),
            )

    def set_right(self, now_ms: int) -> None:
        with self._transaction() as db:
            nodes.set_right(db, now_ms)

    def sum_up(self, now_ms: int, most: int) -> int:
        """There is nothing to do: no table of hourly means."""
        return 0

    @contextmanager
    def _looking(self) -> Iterator[psycopg.Connection]:
        """A connection to read by. StoreError: there is none."""
        try:
            yield self._db()
        except psycopg.Error as e:
            self._failed(e)
            raise said(self.place, e) from None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        """All of it or nothing, on the disk when it is over, and nobody else writes meanwhile. StoreError: nothing."""
        with self._looking() as db, db.transaction():
            db.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
            yield db

    def _db(self) -> psycopg.Connection:
        if self._link is None or self._link.closed:
            link = psycopg.connect(self._address, autocommit=True, **LINK)  # type: ignore[arg-type]
            try:
                self._prepare(link)
            except BaseException:
                link.close()
                raise
            self._link = link
        return self._link

    def _failed(self, error: psycopg.Error) -> None:
        """Begin anew after what a connection does not get over: it has ended, or somebody has removed the tables."""
        gone = isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName))
        if gone or isinstance(error, psycopg.OperationalError):
            with suppress(psycopg.Error):
                self.close()

    def _prepare(self, db: psycopg.Connection) -> None:
        """Make the tables of a new database, and look whose an old one is."""
        encoding = _one(db, "show server_encoding")
        if encoding != "UTF8":
            raise Damaged(
                f"{self.place} is a database in {encoding}, which cannot hold every name:"
                " make one with createdb --encoding UTF8 --template template0"
            )
        for name, value in _SETTINGS.items():
            db.execute("select set_config(%s, %s, false)", (name, value))
        if not _one(db, "select to_regclass(%s)", f"{tables.SCHEMA}.about"):
            if not self._make_it:
                raise Damaged(f"{self.place} has no readings yet: make collect STORE= fills it")
            self._make(db)
        about: dict[str, str] = dict(db.execute("select key, value from about").fetchall())
        if about.get("version") != tables.VERSION:
            raise Damaged(f"{self.place} is of another version of this program: use that")
        if self.base and about["base"] != self.base:
            raise Damaged(
                f"{self.place} has the readings below {about['base']}/, not {self.base}/: give each base a database of its own"
            )
        self.base, self.client_id = about["base"], about["client_id"]
        self._make_it = True  # one that vanishes later is made anew
        if _one(db, "show fsync") != "on":
            self.limits = (
                "fsync is off in this database: a power cut may take readings that were acknowledged",
            )

    def _make(self, db: psycopg.Connection) -> None:
        client_id = self.client_id or "collector-" + secrets.token_hex(6)
        with db.transaction():
            db.execute(
                "select pg_advisory_xact_lock(%s)", (_LOCK,)
            )  # two collectors that begin at once
            if _one(db, "select to_regclass(%s)", f"{tables.SCHEMA}.about"):
                return
            db.execute(f"create schema if not exists {tables.SCHEMA}")
            db.execute(tables.TABLES)
            timescale = _one(db, "select count(*) from pg_extension where extname = 'timescaledb'")
            db.execute(tables.HYPERTABLE if timescale else tables.PLAIN)
            about = {"version": tables.VERSION, "base": self.base, "client_id": client_id}
            db.cursor().executemany("insert into about values (%s, %s)", list(about.items()))


def _one(db: psycopg.Connection, text: str, *values: object) -> Any:
    row = db.execute(text, values).fetchone()
    return row[0] if row else None


def _take(db: psycopg.Connection, batch: Batch) -> Outcome:
    """Store a batch, or nothing of it, within a transaction."""
    outcome = Outcome()
    with db.transaction():
        placing.place(db, batch.readings, outcome)
        nodes.heard(db, batch.readings)
        for state in batch.states:
            nodes.take(db, state)
        for bad in batch.bad:
            db.execute(
                "insert into bad (received, topic, why, payload, bytes) values (%s, %s, %s, %s, %s)",
                (
                    from_ms(bad.received),
                    bad.topic.replace("\0", "\ufffd"),
                    bad.why,
                    bad.payload[:MOST_BAD_BYTES],
                    len(bad.payload),
                ),
            )
        if batch.bad:
            db.execute("delete from bad where id <= (select max(id) from bad) - %s", (MOST_BAD,))
    return outcome


def _note(db: psycopg.Connection, kind: str, text: str) -> None:
    db.execute("insert into event (kind, text) values (%s, %s)", (kind, text))


def checked(address: str) -> str:
    """The address. CommandError: it has a password, or is none."""
    try:
        parts = urlsplit(address)
        secret = parts.password is not None or "password" in parse_qs(parts.query)
        psycopg.conninfo.conninfo_to_dict(address)
    except (ValueError, psycopg.Error):
        raise CommandError(
            "STORE=postgresql://… is no address: give postgresql://user@host:port/database"
        ) from None
    if secret:
        raise CommandError(
            "STORE= has a password in it, which every user of this machine could read: leave it out,"
            " and put it into ~/.pgpass (host:port:database:user:password, chmod 600), or into $PGPASSWORD"
        )
    return address


def named(address: str) -> str:
    """An address for people, without what stands behind `?`."""
    return address.partition("?")[0]
