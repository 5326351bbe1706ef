"""The table `node`, as nodes.py has it for SQLite."""

import json
from collections.abc import Iterable

from psycopg import Connection

from station.messages import Reading, State
from station.store.contract import MOST_COUNT, Account
from station.store.nodes import EXPLAIN, HEARD, arrivals, number, waiting
from station.store.postgres.times import from_ms


def heard(db: Connection, readings: Iterable[Reading]) -> None:
    """Note when readings came."""
    at = arrivals(readings)
    if at:
        db.execute(
            "insert into node (node, reading_at) select * from unnest(%s::text[], %s::timestamptz[])"
            " on conflict (node) do update set reading_at = greatest(node.reading_at, excluded.reading_at)",
            (list(at), [from_ms(each) for each in at.values()]),
        )


def take(db: Connection, state: State) -> None:
    """Keep the newest document of its kind, and count on from `health`. What the broker kept, and is here, keeps its time."""
    kind = state.kind  # one of messages.STATES: safe as the name of a column
    db.execute(
        f"insert into node (node, {kind}, {kind}_at) values (%(node)s, %(text)s, %(at)s)"
        f" on conflict (node) do update set {kind} = excluded.{kind}, {kind}_at = case"
        f"   when %(retained)s and node.{kind} is not distinct from excluded.{kind} then node.{kind}_at"
        f"   else excluded.{kind}_at end",
        {
            "node": state.node,
            "text": state.text,
            "at": from_ms(state.received),
            "retained": state.retained,
        },
    )
    if kind == "health" and state.text:
        document = json.loads(state.text)
        for name in EXPLAIN:
            db.execute(
                f"update node set {name} = %(now)s, {name}_here = least(%(most)s, {name}_here + case"
                f"   when {name} is null then 0 when %(now)s >= {name} then %(now)s - {name} else %(now)s end)"
                " where node = %(node)s",
                {"now": number(document, name), "node": state.node, "most": MOST_COUNT},
            )


def set_right(db: Connection, now_ms: int) -> None:
    for column in HEARD:
        db.execute(
            f"update node set {column} = %(now)s where {column} > %(now)s",
            {"now": from_ms(now_ms)},
        )


def account(db: Connection, node: str, missing: int) -> Account:
    row = db.execute(
        "select dropped_here + superseded_here, health from node where node = %s", (node,)
    ).fetchone()
    if not row:
        return Account(missing, 0, 0)
    return Account(missing, row[0], waiting(row[1] or {}))
