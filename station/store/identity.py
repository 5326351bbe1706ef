"""Whether a reading is there already: the rules of contract.py, for every store that can look it up."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from station.messages import Reading
from station.store.contract import SAME_MS, Outcome

NEW, DOUBLED, COMPLETED, RETIMED = "stored", "doubled", "completed", "retimed"


class Kept(NamedTuple):
    """What a store has under one number, in one life."""

    life: int
    channel: str
    quantities: str  # JSON, its members in any order
    ts: int | None


def judge(new: Reading, kept: Sequence[Kept], newest: int, outcome: Outcome) -> tuple[str, int]:
    """Say what a reading is, and of which life; count it in `outcome`.

    kept: what is there under its number, by life; newest: the newest life of this start of the node.
    """
    what, life = _judged(new, kept, newest, outcome.told)
    setattr(outcome, what, getattr(outcome, what) + 1)
    return what, life


def _judged(new: Reading, kept: Sequence[Kept], newest: int, told: list[str]) -> tuple[str, int]:
    for life, channel, quantities, ts in kept:
        if channel != new.channel or not _same(quantities, new.quantities):
            continue
        if ts is None and new.ts is not None:
            return COMPLETED, life
        if ts is None or new.ts is None or abs(new.ts - ts) <= SAME_MS:
            return DOUBLED, life
        if newest == 1:
            told.append(f"{_name(new)}: its time is corrected from {ts} to {new.ts}")
            return RETIMED, life
    if all(each.life != newest for each in kept):
        return NEW, newest
    life = max(each.life for each in kept) + 1
    told.append(new_life(new, life))
    return NEW, life


def new_life(new: Reading, life: int) -> str:
    """What somebody has to hear of the first reading of a new life."""
    return (
        f"{_name(new)}: this number has come with other content: a new life of the node"
        f" (its flash was erased, or another board has its name). Its readings are kept as life {life}"
    )


def _same(one: str, other: str) -> bool:
    # As floats: a database may write 1e23 as a whole number, which is another one than the float.
    return one == other or json.loads(one, parse_int=float) == json.loads(other, parse_int=float)


def _name(reading: Reading) -> str:
    return f"{reading.node}/{reading.channel}, boot {reading.boot}, seq {reading.seq}"
