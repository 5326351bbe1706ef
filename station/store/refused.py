"""What a database does not take because of what it says: found among the others by halves, so that one message does not hold up all."""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from station.messages import HISTORY, READING, Bad, Reading, State
from station.store.contract import Batch, Outcome

Item = TypeVar("Item")


def halves(
    items: Sequence[Item],
    take: Callable[[Sequence[Item]], None],
    faults: type[Exception] | tuple[type[Exception], ...],
) -> list[tuple[Item, str]]:
    """Have take() take all items, in their order and in few parts. Return those that it does not take, and why.

    faults: what take() raises because of some items of a part.
    """
    refused: list[tuple[Item, str]] = []
    waiting = [items] if items else []
    while waiting:
        part = waiting.pop()
        try:
            take(part)
        except faults as e:
            if len(part) == 1:
                refused.append((part[0], str(e).partition("\n")[0] or type(e).__name__))
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return refused


def keep(
    batch: Batch,
    base: str,
    take: Callable[[Batch], Outcome],
    faults: tuple[type[Exception], ...],
) -> Outcome:
    """Have take() keep a batch within one transaction; in place of a message that it refuses a `Bad` with the reason.

    faults: what take() raises because of some message; then it has kept nothing of what it was given.
    """
    outcome = Outcome()

    def part(messages: Sequence[Reading | State]) -> None:
        readings = [each for each in messages if isinstance(each, Reading)]
        states = [each for each in messages if isinstance(each, State)]
        outcome.add(take(Batch(readings, states)))

    messages: list[Reading | State] = [*batch.readings, *batch.states]
    refused = halves(messages, part, faults)
    bad = [as_bad(base, message, why) for message, why in refused]
    if bad or batch.bad:
        outcome.add(take(Batch(bad=[*batch.bad, *bad])))
    outcome.told += [f"{text}. It is kept in the table `bad`" for text in words(refused)]
    return outcome


def words(refused: Sequence[tuple[Reading | State, str]]) -> list[str]:
    """What somebody has to hear of messages that were refused: one sentence, or none."""
    more = f", and {len(refused) - 1} more" if refused[1:] else ""
    return [
        f"{_name(message)}{more}: the database refuses it: {why}" for message, why in refused[:1]
    ]


def as_bad(base: str, message: Reading | State, why: str) -> Bad:
    """A message that was refused, as what is kept of it."""
    if isinstance(message, State):
        topic, payload = message.kind, message.text or ""
    else:
        topic = (HISTORY if message.late else READING) + message.channel
        members = {"ts": message.ts, "boot": message.boot, "seq": message.seq}
        payload = json.dumps(members | json.loads(message.quantities))
    return Bad(f"{base}/{message.node}/{topic}", payload.encode(), why, message.received)


def _name(message: Reading | State) -> str:
    if isinstance(message, State):
        return f"{message.node}/{message.kind}"
    return f"{message.node}/{message.channel}, boot {message.boot}, seq {message.seq}"
