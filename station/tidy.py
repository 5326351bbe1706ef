"""`make tidy`: removes readings that are older than so many days. Their hourly means and their numbers stay.

Days count back from the newest reading, at the latest from now: a clock of this computer that is ahead removes nothing that is young.
In small steps with pauses, so that a collector that writes to the same file goes on meanwhile; it may be ended at any moment.
"""

import time
from datetime import UTC, datetime

from station.store.contract import StoreError
from station.store.hours import HOUR_MS
from station.store.sqlite import SqliteStore
from tools import CommandError, shell
from tools.numbers import whole

_DAY_MS = 86_400_000
_AT_ONCE = 12  # hours of a node in one transaction: a tenth of a second
_TRIES = 60


def add_arguments(parser):
    parser.add_argument("--store", default="readings.sqlite", help="SQLite file (%(default)s)")
    parser.add_argument(
        "--keep-days",
        type=whole(1, 36_500),
        required=True,
        help="remove readings that are older than this; counted back from the newest one, at the latest from now",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed")
    parser.add_argument(
        "--shrink",
        action="store_true",
        help="then make the file smaller: the collector waits meanwhile, and the disk needs room for what is left",
    )


def run(args):
    if "://" in args.store:
        raise CommandError(
            "make tidy removes readings from a SQLite file; another database has ways of its own, as drop_chunks() of TimescaleDB"
        )
    store = SqliteStore(args.store)
    older = f"older than {args.keep_days} day{'s' if args.keep_days > 1 else ''}"
    try:
        before = _before(store, args.keep_days)
        nodes = store.nodes()
        if args.dry_run:
            found = {node: store.old(node, before) for node in nodes}
            for node, count in found.items():
                if count:
                    print(f"{node}: {count:,} readings would be removed")
            print(f"{sum(found.values()):,} readings {older} would be removed")
            return 0
        gone = 0
        for number, node in enumerate(nodes):
            for count in _steps(store, node, before):
                gone += count
                shell.show(f"{number + 1} of {len(nodes)} nodes, {gone:,} readings removed")
        shell.show("")
        print(f"{gone:,} readings {older} removed; their hourly means stay")
        if args.shrink:
            _again(store.shrink)
            print(f"{args.store} takes {store.path.stat().st_size / 1e6:,.1f} MB now")
    finally:
        store.close()
    return 0


def _before(store, keep_days):
    """The hour, Unix ms, before which readings are removed."""
    now = time.time_ns() // 1_000_000
    newest = store.newest() or now
    if now - newest > _DAY_MS:
        at = datetime.fromtimestamp(newest / 1000, UTC)
        print(f"the newest reading is of {at:%Y-%m-%d %H:%M} UTC: days count back from that")
    return (min(now, newest) - keep_days * _DAY_MS) // HOUR_MS * HOUR_MS


def _steps(store, node, before):
    """Yield how many readings each step removed."""
    while True:
        began = time.monotonic()
        hours, count = _again(lambda: store.remove(node, before, _AT_ONCE))
        if not hours:
            return
        yield count
        time.sleep(time.monotonic() - began)  # the collector's turn


def _again(step):
    """A store that another program keeps locked is tried again for a minute or two."""
    for _ in range(_TRIES):
        try:
            return step()
        except StoreError as e:
            fault = e
            time.sleep(1)
    raise CommandError(f"{fault}. What was removed until now is; call it again for the rest")
