"""Readings that a store lacks: which numbers, and which of those a node itself has given up.

A node numbers the readings of each start from 1 on, so a number between that never came is a reading that is not here. It may be
on its way: after an outage new readings come between old ones, and `health` says how many still wait (`outbox`). It may have been
given up, and counted: `dropped` where the outbox was full, `superseded` by `"delivery": "latest"`. A reading of QoS 0 takes a number,
too, and is lost without a word. What remains is lost: somebody has to hear of it.
"""

from station.store.contract import Account, Start, Store
from station.store.opening import open_store
from tools import tables
from tools.numbers import whole

LOST = 6  # exit code: readings are missing that no node explains
_RANGES = 12  # of missing numbers that are listed of a start
# `health` may overtake readings (it is QoS 0): a gap is one if it is there for so long, at two of them
_SETTLE_S = 30


class Watch:
    """Says once when readings are lost that nobody explains. `now`: seconds, of time.monotonic()."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Account]] = {}

    def look(self, node: str, account: Account, told: int, now: float) -> int | None:
        """A node's `health` has come: return how many readings are lost, if that is to be told.

        told: of how many somebody has heard before.
        """
        if account.lost <= told:
            self._seen.pop(node, None)
            return None
        since, before = self._seen.setdefault(node, (now, account))
        if account.missing < before.missing or account.lost < before.lost:
            self._seen[node] = now, account  # it still fills
            return None
        if now - since < _SETTLE_S:
            return None
        del self._seen[node]
        return account.lost


def words(node: str, account: Account, starts: list[Start], store: Store) -> str:
    """One sentence about a node's gap."""
    where = "; ".join(f"boot {start.boot}: {listed(store, start)}" for start in starts[-3:])
    return (
        f"{node}: {account.lost} readings are missing that the node does not explain ({where})."
        " Readings of QoS 0 may be lost; others should not be"
    )


def listed(store: Store, start: Start) -> str:
    """The missing numbers of a start: `3-7, 12`."""
    found = store.absent(start, _RANGES + 1)
    texts = [f"{a}-{b}" if a < b else str(a) for a, b in found[:_RANGES]]
    return ", ".join(texts) + (", …" if len(found) > _RANGES else "")


def with_gaps(store: Store, node: str | None = None) -> list[Start]:
    return [start for start in store.starts(node) if start.missing > 0]


def add_arguments(parser):
    parser.add_argument("--store", default="readings.sqlite", help="SQLite file (%(default)s)")
    parser.add_argument("--node", help="of this node only")
    parser.add_argument(
        "--least", type=whole(1), default=1, help="leave out starts that lack fewer (%(default)s)"
    )
    parser.epilog = f"Exit code: 0 nothing is lost, {LOST} readings are missing that no node explains, 1 the store cannot be read."


def run(args):
    store = open_store(args.store)
    try:
        gaps = [start for start in with_gaps(store, args.node) if start.missing >= args.least]
        rows = [
            (s.node, str(s.boot), str(s.life), f"{s.missing:,}", listed(store, s)) for s in gaps
        ]
        accounts = {node: store.account(node) for node in dict.fromkeys(s.node for s in gaps)}
    finally:
        store.close()
    if not rows:
        print("no number is missing")
        return 0
    heads = ("node", "boot", "life", "missing", "numbers")
    tables.show(tables.table(heads, rows, right=(1, 2, 3)))
    for node, a in accounts.items():
        print(
            f"{node}: {a.missing:,} missing: the node gave up {a.explained:,}, keeps {a.waiting:,} that wait; {a.lost:,} lost"
        )
    return LOST if any(account.lost for account in accounts.values()) else 0
