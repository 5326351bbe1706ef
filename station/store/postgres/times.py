"""Unix milliseconds and PostgreSQL's `timestamptz`, to the millisecond in both directions."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_ms(value: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=value)


def ms(column: str) -> str:
    """An expression in SQL: the milliseconds of a column."""
    return f"(extract(epoch from {column}) * 1000)::bigint"
