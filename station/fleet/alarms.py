"""Which faults are news: each is told once when it begins and once when it ends, over restarts.

Flapping is no news: a fault has to last for two looks before it is told, and to be away for a while before its end is. What exceeds a number
an hour is summed up. What cannot be delivered is kept, and tried again.
"""

from collections.abc import Callable
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


class Alarms:
    """state: what `remembered` returned before, or {}; an_hour: so many messages, others are summed up."""

    def __init__(self, state: dict[str, Any], an_hour: int) -> None:
        self._an_hour = an_hour
        # {"node\nkind": {"text", "looks", "told", "since", "seen"}}
        self._faults: dict[str, dict[str, Any]] = state.get("faults", {})
        self._told: list[int] = state.get("told", [])
        self._held: int = state.get("held", 0)
        self.waiting: list[Message] = [Message(*each) for each in state.get("waiting", [])]

    def remembered(self) -> dict[str, Any]:
        return {
            "faults": self._faults,
            "told": self._told,
            "held": self._held,
            "waiting": [list(each) for each in self.waiting],
        }

    def look(self, found: list[Judged], away: str | None, now_ms: int) -> None:
        """Compare what is wrong now with what was; `waiting` gets what is to be told. away: as of judge.station."""
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
        self._spend(news, now_ms)

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

    def _spend(self, news: list[Message], now_ms: int) -> None:
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
        self.waiting += sent

    def deliver(
        self, send: Callable[[Message], str | None], keep: Callable[[], None], now_ms: int
    ) -> str | None:
        """Send what waits, in its order, until one does not go. Return why; None: all of it went. What is a day old is given up.

        keep(): called when the state has changed.
        """
        while self.waiting:
            fault = send(self.waiting[0])
            if fault and now_ms - self.waiting[0].at < _KEPT_MS:
                return fault
            self.waiting.pop(0)
            keep()
        return None


def _message(event: str, key: str, text: str, now_ms: int) -> Message:
    node, _, kind = key.partition("\n")
    return Message(event, plain(node), kind, text, now_ms)
