"""Which faults are news: each is told once when it begins and once when it ends, over restarts.

Flapping is no news: a fault has to last for two looks before it is told, and to be away for a while before its end is. What exceeds a number
an hour is summed up. What cannot be delivered is kept, for each way of telling by itself, and tried again. A time that is in the future
counts as now: the clock was ahead.
"""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from station.fleet import judge
from station.fleet.judge import Judged
from station.fleet.words import lasting, plain

_LOOKS = 2  # so many in a row, before a fault is told
_AWAY_MS = 300_000  # how long it is away before its end is told
_HOUR_MS = 3_600_000
_KEPT_MS = 86_400_000  # how long messages that nobody took are kept
STATION = ""  # the node of what is wrong at our own end


class Message(NamedTuple):
    """What somebody is told. event: began, ended, or more: so many others were not told one by one."""

    event: str
    node: str
    kind: str
    text: str
    at: int

    @property
    def line(self) -> str:
        begin = f"{self.node}: " if self.node else ""
        return begin + (f"over: {self.text}" if self.event == "ended" else self.text)


Send = Callable[[Message], str | None]  # returns why it did not go


class Alarms:
    """state: what `remembered` returned before, or {}; an_hour: so many messages, others are summed up; ways: their names.

    ValueError: state is no such thing.
    """

    def __init__(self, state: dict[str, Any], an_hour: int, ways: Collection[str]) -> None:
        if not _is_state(state):
            raise ValueError("is damaged")
        self._an_hour = an_hour
        # {"node\nkind": {"text", "looks", "told", "since", "seen"}}
        self._faults: dict[str, dict[str, Any]] = state.get("faults", {})
        self._told: list[int] = state.get("told", [])
        self._held: int = state.get("held", 0)
        queues = state.get("waiting", {})
        # What waits for a way that is no more goes by one that is new.
        left = [each for way in queues if way not in ways for each in queues[way]]
        self.waiting: dict[str, list[Message]] = {
            way: [Message(*each) for each in queues.get(way, left)] for way in ways
        }

    def remembered(self) -> dict[str, Any]:
        return {
            "faults": self._faults,
            "told": self._told,
            "held": self._held,
            "waiting": {
                way: [list(each) for each in queue] for way, queue in self.waiting.items()
            },
        }

    def look(self, found: list[Judged], away: str | None, now_ms: int) -> list[Message]:
        """Compare what is wrong now with what was. Return what is to be told; `waiting` has it, too. away: as of judge.station."""
        self._forget_the_future(now_ms)
        present = {}
        if away:
            # Nothing is known of the nodes: none of their faults begins, and none ends.
            present[f"{STATION}\nstation"] = away
        else:
            for each in found:
                for fault in each.faults:
                    if fault.kind in judge.ALARMING:
                        present[f"{each.node}\n{fault.kind}"] = fault.text
        news: list[Message] = []
        for key, text in present.items():
            news += self._goes_on(key, text, now_ms)
        for key in [key for key in self._faults if key not in present]:
            if not away or key.startswith(STATION + "\n"):
                news += self._is_away(key, now_ms)
        return self._spend(news, now_ms)

    def _forget_the_future(self, now_ms: int) -> None:
        self._told = [min(at, now_ms) for at in self._told]
        for fault in self._faults.values():
            fault |= {name: min(fault[name], now_ms) for name in ("since", "seen")}
        for queue in self.waiting.values():
            queue[:] = [each._replace(at=min(each.at, now_ms)) for each in queue]

    def _goes_on(self, key: str, text: str, now_ms: int) -> list[Message]:
        new = {"text": text, "looks": 0, "told": False, "since": now_ms, "seen": now_ms}
        fault = self._faults.setdefault(key, new)
        fault["looks"] += 1
        fault["seen"] = now_ms
        if not fault["told"]:
            fault["text"] = text
        if fault["looks"] >= _LOOKS and not fault["told"]:
            fault["told"] = True
            return [_message("began", key, text, now_ms)]
        return []

    def _is_away(self, key: str, now_ms: int) -> list[Message]:
        fault = self._faults[key]
        if not fault["told"]:
            del self._faults[key]
        elif now_ms - fault["seen"] >= _AWAY_MS:
            del self._faults[key]
            lasted = lasting(fault["seen"] - fault["since"])
            return [_message("ended", key, f"{fault['text']} (it lasted {lasted})", now_ms)]
        return []

    def _spend(self, news: list[Message], now_ms: int) -> list[Message]:
        """Let go what the hour has room for. Its last message is one that sums up, so that nobody takes the first few for all."""
        self._told = [at for at in self._told if now_ms - at < _HOUR_MS]
        room = self._an_hour - len(self._told)
        alone = room if len(news) + bool(self._held) <= room else max(0, room - 1)
        more = self._held + max(0, len(news) - alone)
        sent = news[:alone]
        if more and room > len(sent):
            text = f"{more} more faults began or ended: make fleet lists what is wrong now"
            sent = [*sent, Message("more", STATION, "more", text, now_ms)]
            more = 0
        self._held = more
        self._told += [now_ms] * len(sent)
        for queue in self.waiting.values():
            queue.extend(sent)
        return sent

    def deliver(self, ways: dict[str, Send], keep: Callable[[], None], now_ms: int) -> str | None:
        """Send what waits by each way, in its order, until one does not go. Return why; None: all of it went. What is a day old is given up.

        keep(): called when the state has changed.
        """
        faults = [
            self._deliver(self.waiting[way], send, keep, now_ms) for way, send in ways.items()
        ]
        return "; ".join(fault for fault in faults if fault) or None

    def _deliver(
        self, queue: list[Message], send: Send, keep: Callable[[], None], now_ms: int
    ) -> str | None:
        while queue:
            fault = send(queue[0])
            if fault and now_ms - queue[0].at < _KEPT_MS:
                return fault
            queue.pop(0)
            keep()
        return None


def _message(event: str, key: str, text: str, now_ms: int) -> Message:
    node, _, kind = key.partition("\n")
    return Message(event, plain(node), kind, text, now_ms)


_FAULT = {"text": str, "looks": int, "told": bool, "since": int, "seen": int}


def _is_state(state: dict[str, Any]) -> bool:
    """Is it what `remembered` returns, or less of it?"""
    faults, told, waiting = (
        state.get("faults", {}),
        state.get("told", []),
        state.get("waiting", {}),
    )
    if not (isinstance(faults, dict) and isinstance(told, list) and isinstance(waiting, dict)):
        return False
    return (
        all("\n" in key and _is_fault(fault) for key, fault in faults.items())
        and all(type(at) is int for at in told)
        and type(state.get("held", 0)) is int
        and all(
            isinstance(queue, list) and all(map(_is_message, queue)) for queue in waiting.values()
        )
    )


def _is_fault(value: Any) -> bool:
    return isinstance(value, dict) and {k: type(v) for k, v in value.items()} == _FAULT


def _is_message(value: Any) -> bool:
    return isinstance(value, list) and [*map(type, value)] == [*Message.__annotations__.values()]
