"""Which kind of store an address means."""

from typing import TYPE_CHECKING, TypeAlias

from station.store.contract import Store
from station.store.reader import Reader
from station.store.sqlite import SqliteStore
from tools import CommandError

if TYPE_CHECKING:
    from station.store.postgres.reader import PostgresReader

AnyReader: TypeAlias = "Reader | PostgresReader"
BESIDE = "beside.sqlite"


def open_store(address: str, base: str | None = None, beside: str = BESIDE) -> Store:
    """Open a store, or make it. base: of the topics whose readings it has, None: of those that it has already; it is not made then.

    beside: the SQLite file of what a time series database cannot hold.

    CommandError: it cannot be opened, and what would be right.
    """
    scheme, colon, _ = address.partition("://")
    if scheme in ("postgresql", "postgres") and colon:
        _need_psycopg(scheme)
        from station.store.postgres.store import PostgresStore

        return PostgresStore(address, base)
    if scheme in ("http", "https") and colon:
        from station.store.line.store import LineStore

        if base is None:
            raise CommandError(
                f"STORE={scheme}:// is a database that cannot say which readings it has: ask a SQLite file or postgresql://…"
            )
        return LineStore(address, base, beside)
    if colon:
        raise CommandError(
            f"STORE={scheme}:// is not supported: give the path of a SQLite file, as STORE=readings.sqlite,"
            " postgresql://user@host/database, or http://host:port/?db=name"
        )
    return SqliteStore(address, base)


def open_reader(address: str) -> AnyReader:
    """Open a store to read it, beside whoever writes. CommandError: it cannot be, and what would be right."""
    scheme, colon, _ = address.partition("://")
    if scheme in ("postgresql", "postgres") and colon:
        _need_psycopg(scheme)
        from station.store.postgres.reader import PostgresReader

        return PostgresReader(address)
    if colon:
        raise CommandError(
            f"STORE={scheme}:// cannot be read back here: give a SQLite file, or postgresql://user@host/database"
        )
    return Reader(address)


def _need_psycopg(scheme: str) -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as e:
        raise CommandError(
            f"STORE={scheme}:// needs psycopg and its libpq ({e}): on Debian, sudo apt-get install libpq5"
        ) from None
