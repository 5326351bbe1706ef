"""The stores that a test runs over, each empty: SQLite, PostgreSQL, and PostgreSQL with TimescaleDB. One server each in a process of tests."""

import itertools
import json
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest

from sim.databases import Postgres
from tools import CommandError

# fmt: off
KINDS = (
    "sqlite",
    pytest.param("postgresql",  marks=pytest.mark.slow),
    pytest.param("timescaledb", marks=pytest.mark.slow),
)
# fmt: on
_COLUMNS = "node, boot, seq, life, channel, quantities"


class Servers:
    """Started when they are wanted; `close` ends them."""

    def __init__(self, folder):
        self._folder = folder
        self._running = {}
        self._names = (f"readings_{number}" for number in itertools.count())

    def of(self, kind):
        if kind not in self._running:
            try:
                server = Postgres(self._folder / kind, timescale=kind == "timescaledb")
            except CommandError as e:
                pytest.skip(str(e))
            self._running[kind] = server.__enter__()
        return self._running[kind]

    def address(self, kind, folder):
        """Of a new store: for --store."""
        if kind == "sqlite":
            return str(folder / "readings.sqlite")
        return self.of(kind).database(next(self._names))

    def close(self):
        for server in self._running.values():
            server.kill()


def rows(address, what, of="reading"):
    """Rows of a table of a store, in the form that SQLite has them in: times in ms, JSON as text, 0 and 1."""
    if not address.startswith("postgresql:"):
        with closing(sqlite3.connect(address, timeout=10)) as db:
            return db.execute(f"select {what} from {of}").fetchall()
    import psycopg

    if of == "reading":  # both of its tables, in the order that SQLite returns
        of = (
            f"(select {_COLUMNS}, ts, received, late from reading union all"
            f" select {_COLUMNS}, null, received, late from untimed order by life, boot, seq) as reading"
        )
    with psycopg.connect(address, autocommit=True) as db:
        db.execute("set search_path = outpost")
        if of == "quantity":
            what = what.replace("utc", "to_char(ts, 'YYYY-MM-DD HH24:MI:SS')")
        found = db.execute(f"select {what} from {of}").fetchall()
    return [tuple(map(_plain, row)) for row in found]


def _plain(value):
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return json.dumps(value)
    return int(value) if isinstance(value, bool) else value
