"""The collector as a process beside the tortured node, and what it has stored: in a SQLite file, or in a PostgreSQL of its own.

Nothing of it is imported: it is started as a user starts it, and its tables are read as a stranger reads them.
"""

import json
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from typing import NamedTuple

from sim.databases import Postgres
from tools import ROOT, processes

STORES = ("sqlite", "postgresql", "timescaledb")
_LIMIT = 20_000  # bytes that a full disk takes yet
_STOP_S = 20


class Row(NamedTuple):
    """A reading as it is stored. ts: Unix ms, None: it has none."""

    node: str
    boot: int
    seq: int
    life: int
    channel: str
    quantities: dict
    ts: int | None


def collecting(folder, broker, store, stack):
    """Return a started collector of a kind of store. stack: an ExitStack, which ends it."""
    found: Sqlite | Sql
    if store == "sqlite":
        found = Sqlite(folder, broker)
    else:
        server = Postgres(folder / "database", timescale=store == "timescaledb")
        found = Sql(folder, broker, stack.enter_context(server))
    stack.callback(found.kill)
    found.start()
    return found


class _Collecting:
    def __init__(self, folder, broker, address):
        self.address = str(address)
        self.lives = 0
        self.process: subprocess.Popen | None = None
        self.log = folder / "collector"
        self._words = [sys.executable, "-m", "station", "collect", "--store", self.address]
        self._words += ["--broker", f"{broker.host}:{broker.port}"]

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        if self.alive:
            return
        self.lives += 1
        with self.log.open("a") as log:
            self.process = processes.start(
                self._words, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self):
        if self.process and self.alive:
            processes.stop(self.process, _STOP_S)

    def kill(self):
        if self.process:
            processes.kill(self.process)

    def said(self):
        return self.log.read_text(errors="replace")


class Sqlite(_Collecting):
    def __init__(self, folder, broker):
        self.path = folder / "readings.sqlite"
        super().__init__(folder, broker, self.path)
        self._lock = None
        self._before = None

    def rows(self):
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(self.path)) as db:
            found = db.execute(
                "select node, boot, seq, life, channel, quantities, ts from reading"
            )
            return [Row._make([*key, json.loads(text), ts]) for *key, text, ts in found]
        return []  # the tables are not made yet

    def fails(self):
        """The disk takes no more: the system itself refuses the writes."""
        self.heal()  # of the limit before this one
        if not self.process or not self.alive:
            return
        wal = self.path.with_name(self.path.name + "-wal")
        size = wal.stat().st_size if wal.exists() else 0
        with suppress(ProcessLookupError):
            before = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
            limit = size + _LIMIT, before[1]
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, limit)
            self._before = self.process.pid, before

    def lock(self):
        """Another program has a transaction open."""
        if self._lock is None:
            self._lock = sqlite3.connect(self.path, isolation_level=None, timeout=5)
            with suppress(sqlite3.OperationalError):
                self._lock.execute("begin immediate")

    def heal(self):
        if self._before is not None:
            pid, limit = self._before
            if self.process and self.alive and self.process.pid == pid:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)
            self._before = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class Sql(_Collecting):
    def __init__(self, folder, broker, server):
        self.server = server
        super().__init__(folder, broker, server.database("readings"))
        self._locking = None

    def rows(self):
        import psycopg

        columns = "node, boot, seq, life, channel, quantities"
        with suppress(psycopg.Error), psycopg.connect(self.address) as db:
            found = db.execute(
                f"select {columns}, (extract(epoch from ts) * 1000)::bigint from outpost.reading"
                f" union all select {columns}, null from outpost.untimed"
            )
            return [Row(*row) for row in found]
        return []

    def fails(self):
        """The power of the database's machine fails."""
        self.heal()
        self.server.kill()

    def lock(self):
        import psycopg

        if self._locking is None and self.server.alive:
            with suppress(psycopg.Error):
                self._locking = psycopg.connect(self.address)
                self._locking.execute("set lock_timeout = '2s'")
                self._locking.execute("lock table outpost.start in access exclusive mode")

    def heal(self):
        if self._locking is not None:
            self._locking.close()
            self._locking = None
        if not self.server.alive:
            self.server.start()
