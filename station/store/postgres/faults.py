"""What PostgreSQL's errors say in words: what is wrong, and what would be right."""

import psycopg
from psycopg import errors

from station.store.contract import Damaged, StoreError

# A table, one error a row:
# fmt: off
_WORDS: tuple[tuple[type[psycopg.Error], type[StoreError], str], ...] = (
    (errors.DiskFull,               StoreError, "no space is left for it: make some on the disk of the database"),
    (errors.TooManyConnections,     StoreError, "it has no connection left: raise its max_connections, or end other programs"),
    (errors.CannotConnectNow,       StoreError, "it is starting, or shutting down"),
    (errors.AdminShutdown,          StoreError, "it shuts down, or somebody has ended the connection"),
    (errors.LockNotAvailable,       StoreError, "another program keeps it locked: end that, or its transaction"),
    (errors.QueryCanceled,          StoreError, "it takes too long: another program keeps it locked, or it is overloaded"),
    (errors.ReadOnlySqlTransaction, StoreError, "it cannot be written: it is a replica, or read only; name the primary"),
    (errors.DataCorrupted,          Damaged,    "is damaged ({error}): put a copy in its place"),
    (errors.IndexCorrupted,         Damaged,    "is damaged ({error}): REINDEX DATABASE, or put a copy in its place"),
    (errors.InsufficientPrivilege,  StoreError, "{error}: this user needs the right to create a schema there, or to own the schema outpost"),
)
# What is raised because of what one message says.
REFUSED = (
    OverflowError,
    RecursionError,
    psycopg.DataError,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
)
# An error of the connection has no class of its own, so it is known by its text. Neither passes by itself.
_REFUSALS = (
    ("password",       "its password belongs into ~/.pgpass or $PGPASSWORD"),
    ("authentication", "give another user, as postgresql://user@host/database"),
    ("pg_hba.conf",    "its administrator has to let this user in"),
    ("role ",          "give another user, as postgresql://user@host/database"),
    ("database \"",    "make it with createdb"),
)
# fmt: on


def refusal(error: Exception) -> str | None:
    """What would be right, if the server does not let us in. None: it is away."""
    return next((words for mark, words in _REFUSALS if mark in str(error)), None)


def said(place: str, error: Exception) -> StoreError:
    """Return an error of a store in words."""
    if isinstance(error, StoreError):
        return error
    text = _line(error)
    for kind, what, words in _WORDS:
        if isinstance(error, kind):
            return what(f"{place}: {words.format(error=text)}")
    right = refusal(error) if isinstance(error, psycopg.OperationalError) else None
    return StoreError(f"{place}: {text}" + (f": {right}" if right else ""))


def _line(error: Exception) -> str:
    """The message alone, without the server's address before it and the statement behind it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    for mark in ("FATAL: ", "ERROR: "):
        text = text.rpartition(mark)[2].strip()
    return text.rpartition(" failed: ")[2]
