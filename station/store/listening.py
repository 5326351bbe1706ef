"""When a collector listened: what a store notes of it, and those who judge the nodes read."""

from typing import NamedTuple, Protocol

LISTENING = "listening"  # the key that it is remembered by


class Listening(NamedTuple):
    """The newest connection of a collector to the broker. since, until: Unix ms; before: when the one before it ended, 0: not known.

    ended: it has ended since. Else it may go on, and `until` is when that was noted.
    """

    since: int
    until: int
    before: int = 0
    ended: bool = False

    def text(self) -> str:
        return f"{self.since} {self.until} {self.before} {self.ended:d}"


class _Remembers(Protocol):
    def recall(self, key: str) -> str | None: ...


def of(store: _Remembers) -> Listening | None:
    """None: no collector of this store has noted it."""
    noted = store.recall(LISTENING)
    if not noted:
        return None
    since, until, before, ended = map(int, f"{noted} 0 0".split()[:4])  # older ones have two
    return Listening(since, until, before, bool(ended))
