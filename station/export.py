"""`make export`: readings or hourly means of a store as CSV or Parquet, in a stream: memory stays flat however many there are.

A text that a spreadsheet would take for a formula begins with ' in CSV: channel names and sensors' errors come from strangers.
"""

import csv
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from station.store.opening import AnyReader, open_reader
from tools import CommandError, shell

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # OWASP's list of what begins one
_AT_ONCE = 20_000  # rows of Parquet's groups
_EACH = 50_000  # rows between two lines of progress
_LAST = 2**53
_PARQUET = ".parquet"
_KINDS = (".csv", _PARQUET)

# Tables of columns, (name, Parquet's type) each:
READINGS = (
    *(("time", "string"), ("ts", "int64"), ("node", "string"), ("channel", "string")),
    *(("quantity", "string"), ("value", "float64"), ("text", "string"), ("late", "bool_")),
    *(("boot", "int64"), ("seq", "int64")),
)
HOURS = (
    *(("time", "string"), ("ts", "int64"), ("node", "string"), ("channel", "string")),
    *(("quantity", "string"), ("least", "float64"), ("mean", "float64"), ("most", "float64")),
    *(("readings", "int64"), ("late", "int64")),
)


def add_arguments(parser):
    parser.add_argument("--store", default="readings.sqlite", help="SQLite file (%(default)s)")
    parser.add_argument(
        "--out", help="file.csv or file.parquet, complete or not there at all; else CSV is printed"
    )
    parser.add_argument("--node", help="of this node only")
    parser.add_argument("--channel", help="of this channel only")
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="from this moment on, as 2026-11-30 or 2026-11-30T18:00+01:00; UTC if it does not say",
    )
    parser.add_argument("--to", dest="end", metavar="TIME", help="before this moment")
    parser.add_argument(
        "--hourly",
        action="store_true",
        help="means of hours in place of readings: also of those that make tidy removed",
    )


def run(args):
    begin, end = _moment(args.begin, "FROM", 0), _moment(args.end, "TO", _LAST)
    if begin >= end:
        raise CommandError("FROM= has to be before TO=")
    if args.out and Path(args.out).suffix not in _KINDS:
        raise CommandError(
            f"OUT={args.out} is a kind of file that is not written here: give file.csv or file.parquet"
        )
    reader = open_reader(args.store)
    try:
        nodes = [args.node] if args.node else reader.nodes()
        if args.node and args.node not in reader.nodes():
            raise CommandError(f"NODE={args.node} is unknown to {args.store}")
        rows = _rows(reader, nodes, args.channel, (begin, end), args.hourly)
        columns = HOURS if args.hourly else READINGS
        if args.out and Path(args.out).suffix == _PARQUET:
            count = _parquet(Path(args.out), columns, rows)
        elif args.out:
            with _whole(Path(args.out)) as beside, beside.open("w", newline="") as file:
                count = _csv(file, columns, _shown(rows))
        else:
            _print(columns, rows)
    finally:
        reader.close()
    if args.out:
        shell.show("")
        print(f"{args.out}: {count:,} rows")
    return 0


def _rows(
    reader: AnyReader, nodes: list[str], channel: str | None, when: tuple[int, int], hourly: bool
) -> Iterator[tuple[Any, ...]]:
    """Rows as of READINGS or HOURS, by node, channel and time."""
    for node in nodes:
        for name in reader.channels(node):
            span = reader.span(node, name)
            if (channel and name != channel) or not span:
                continue
            begin, end = max(when[0], span[0]), min(when[1], span[1] + 1)
            if hourly:
                for ts, *rest in reader.hours(node, name, begin, end):
                    yield (_iso(ts), ts, node, name, *rest)
                continue
            for ts, text, late, boot, seq in reader.readings(node, name, begin, end):
                time = _iso(ts)
                for quantity, value in json.loads(text).items():
                    number, said = _value(value)
                    yield (
                        *(time, ts, node, name, quantity),
                        *(number, said, bool(late), boot, seq),
                    )


def _value(value: Any) -> tuple[float | None, str | None]:
    """A quantity as (number, text): one of them is None. true is 1."""
    try:
        return (None, value) if isinstance(value, str) else (float(value), None)
    except OverflowError:
        return None, str(value)


def _csv(file, columns, rows):
    writer = csv.writer(file)
    writer.writerow(name for name, _ in columns)
    count = 0
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        count += 1
    return count


def _print(columns, rows):
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        _csv(sys.stdout, columns, rows)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cell(value):
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return "'" + value if value.startswith(_FORMULA) else value
    return "" if value is None else value


def _parquet(path, columns, rows):
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise CommandError(
            "Parquet needs pyarrow, which is not installed: .venv/bin/pip install pyarrow, or give OUT=file.csv"
        ) from None
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in columns])
    count = 0
    with _whole(path) as beside, parquet.ParquetWriter(beside, schema) as writer:
        for group in _groups(_shown(rows)):
            values = [list(column) for column in zip(*group, strict=True)]
            arrays = [
                arrow.array(column, field.type)
                for column, field in zip(values, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(group)
    return count


def _groups(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    group = []
    for row in rows:
        group.append(row)
        if len(group) == _AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _shown(rows):
    """Say how far it is."""
    for count, row in enumerate(rows):
        if count % _EACH == 0:
            shell.show(f"{count:,} rows, {row[0]}, {row[2]}")
        yield row


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside, which takes the other's place when it is complete."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        yield beside
        beside.replace(path)
    except OSError as e:
        raise CommandError(f"{path} cannot be written: {e.strerror or e}") from None
    finally:
        with suppress(OSError):
            os.unlink(beside)


def _iso(ts: int) -> str:
    moment = datetime.fromtimestamp(ts // 1000, UTC)
    return f"{moment.replace(tzinfo=None).isoformat()}.{ts % 1000:03}Z"


def _moment(text, name, otherwise):
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{name}={text} is no time: give a date, as 2026-11-30, or a time, as 2026-11-30T18:00 or 2026-11-30T18:00+01:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
