"""Which kind of store an address means."""

from station.store.contract import Store
from station.store.sqlite import SqliteStore
from tools import CommandError


def open_store(address: str, base: str | None = None) -> Store:
    """Open a store, or make it. base: of the topics whose readings it has, None: of those that it has already; it is not made then.

    CommandError: it cannot be opened, and what would be right.
    """
    scheme, colon, _ = address.partition("://")
    if scheme in ("postgresql", "postgres") and colon:
        try:
            from station.store.postgres.store import PostgresStore
        except ImportError as e:
            raise CommandError(
                f"STORE={scheme}:// needs psycopg and its libpq ({e}): on Debian, sudo apt-get install libpq5"
            ) from None
        return PostgresStore(address, base)
    if colon:
        raise CommandError(
            f"STORE={scheme}:// is not supported: give the path of a SQLite file, as STORE=readings.sqlite,"
            " or postgresql://user@host/database"
        )
    return SqliteStore(address, base)
