"""What is wrong with which node, as far as a store knows: the one list that the terminal, the page and the alarms show.

A fault follows from what is in the store, and from nothing else; what is not known is no fault. Nobody is called silent for the time
in which no collector listened.

A broker that ends publishes the last wills of all its nodes, and keeps them: what is told then is of the broker, and says nothing of a node.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from station.fleet.words import lasting, plain
from station.store import listening
from station.store.listening import Listening
from station.store.nodes import number
from station.store.opening import AnyReader
from station.store.reader import Habit, Known, Newest

_MINUTE_MS, _DAY_MS = 60_000, 86_400_000


class Fault(NamedTuple):
    """rank: the place in KINDS, 0 is the worst; text: what is wrong, and what to do."""

    rank: int
    kind: str
    text: str


class Judged(NamedTuple):
    """A node and its faults, the worst first. state: online, silent, offline, asleep, or unknown: it has published no `status`.

    seen_at: when anything came last, Unix ms; waiting: readings that are still on the node; missing: lost ones.
    None: not known.
    """

    node: str
    state: str
    faults: list[Fault]
    seen_at: int | None
    reading_at: int | None
    version: str | None
    board: str | None
    ip: str | None
    uptime_s: int | None
    rssi: int | None
    battery: float | None
    reset_cause: str | None
    waiting: int
    missing: int


class _Case(NamedTuple):
    """What a fault is judged by. now: Unix ms; listened: when a collector did; newest: version of the fleet."""

    known: Known
    now: int
    listened: Listening
    newest: tuple[int, ...]

    @property
    def until(self) -> int:
        """The time that the faults are of."""
        return self.listened.until

    @property
    def boot(self) -> int | None:
        """The start that the newest reading is of."""
        channels = self.known.channels
        # What came in the future came while the clock was ahead: nobody knows when.
        newest = max(
            channels, key=lambda each: (each.received <= self.now, each.received), default=None
        )
        return newest.boot if newest else None

    def current(self) -> list[Newest]:
        """The channels of this start: others may have been taken out of the settings."""
        return [each for each in self.known.channels if each.boot == self.boot]

    def reports(self) -> bool:
        """Its `health` is of now."""
        heard = self.known.health_at
        return (
            heard is not None
            and self.known.status != "offline"
            and self.until - heard <= LIMITS["health_ms"]
        )

    def doubted(self) -> bool:
        """Its `offline` is of a broker that ended, and it has not had the time to connect again."""
        at, (since, until, before, ended) = self.known.status_at, self.listened
        if self.known.status != "offline" or at is None:
            return False
        if ended:
            return at >= until - LIMITS["wills_ms"]
        told = before and before - LIMITS["wills_ms"] <= at <= since + LIMITS["wills_ms"]
        return bool(told) and self.now - since < LIMITS["return_ms"]


# Thresholds, one a row:
LIMITS: dict[str, int] = {
    "times": 3,  # a usual distance of readings is exceeded so many times,
    "margin_ms": _MINUTE_MS,  # and by this, before a node is silent, or a channel has stopped
    "health_ms": 5 * _MINUTE_MS,  # `health` that is older says nothing of now
    "waiting_s": 900,  # age of the oldest reading that waits on a node
    "gap_ms": 7 * _DAY_MS,  # how long after the last reading of its start a gap is a fault
    "battery": 20,  # %: from here on it is low
    "rssi": -80,  # dBm: weaker is weak
    "listening_ms": 3 * _MINUTE_MS,  # a collector that listens notes it each minute
    "wills_ms": 3_000,  # so near to the end of a collector's connection, an `offline` may be of the broker's own end
    "return_ms": 2 * _MINUTE_MS,  # a node is back so long after its broker
}


def judged(store: AnyReader, now_ms: int, node: str | None = None) -> list[Judged]:
    """Return every node, or one, the worst first. now_ms: Unix ms."""
    everybody = store.known()
    listened = _listened(store, everybody, now_ms)
    newest = max((_version(each.info.get("version")) for each in everybody), default=())
    chosen = [each for each in everybody if node is None or each.node == node]
    found = [_one(_Case(each, now_ms, listened, newest)) for each in chosen]
    return sorted(found, key=lambda each: ([f.rank for f in each.faults[:1]] or [99], each.node))


def station(store: AnyReader, now_ms: int) -> str | None:
    """Return what is wrong at our own end, so that nothing is known of the nodes; None: nothing."""
    noted = listening.of(store)
    if noted is None:
        return None
    passed_ms = now_ms - noted.until
    if passed_ms < -_DAY_MS:  # one that runs would have noted another time
        return (
            "no collector is connected to the broker: the last one had a clock that was ahead, so nothing newer is known"
            " of any node: see whether make collect runs, and what it says"
        )
    if noted.ended:
        at = datetime.fromtimestamp(noted.until / 1000)
        return (
            f"the broker cannot be reached since {at:%H:%M}, so nothing newer is known of any node: what is shown is as it was then."
            " See whether it runs, and what make collect says"
        )
    if passed_ms > LIMITS["listening_ms"]:
        passed = lasting(passed_ms)
        return (
            f"no collector has been connected to the broker for {passed}, so nothing newer is known of any node:"
            " see whether make collect runs, and what it says"
        )
    return None


def _listened(store: AnyReader, everybody: list[Known], now_ms: int) -> Listening:
    noted = listening.of(store)
    if noted:
        return noted._replace(until=min(now_ms, noted.until))
    heard = [at for each in everybody for at in (each.reading_at, each.health_at) if at]
    return Listening(0, min(now_ms, max(heard, default=0)))


def _one(case: _Case) -> Judged:
    known, info, health = case.known, case.known.info, case.known.health
    faults = []
    for rank, (kind, _, find) in enumerate(KINDS):
        text = find(case)
        if text:
            faults.append(Fault(rank, kind, plain(text)))
    state = known.status if known.status in ("online", "offline", "asleep") else "unknown"
    if any(fault.kind == "silent" for fault in faults):
        state = "silent"
    elif case.doubted():
        state = "unknown"
    seen = [at for at in (known.reading_at, known.health_at) if at]
    return Judged(
        node=known.node,
        state=state,
        faults=faults,
        seen_at=max(seen, default=None),
        reading_at=known.reading_at,
        version=_text(info.get("version")),
        board=_text(info.get("hardware")) or _text(info.get("board")),
        ip=_text(info.get("ip")),
        uptime_s=_whole(health.get("uptime_s")),
        rssi=_whole(health.get("rssi")),
        battery=_battery(case),
        reset_cause=_text(info.get("reset_cause")),
        waiting=known.account.waiting,
        missing=_lost(case),
    )


def _tolerated(habit: Habit) -> int:
    """How long no reading may come of a channel, ms."""
    return LIMITS["times"] * (habit.usual_ms + habit.delay_ms) + LIMITS["margin_ms"]


def _silent(case: _Case) -> str | None:
    known = case.known
    habits = [each.habit for each in case.current() if each.habit and each.habit.regular]
    if not habits or known.status == "offline" or known.reading_at is None:
        return None
    habit = min(habits, key=_tolerated)
    passed = case.until - max(known.reading_at, case.listened.since)
    if passed <= _tolerated(habit):
        return None
    told = f"no reading for {lasting(case.until - known.reading_at)}, usually one each {lasting(habit.usual_ms)}"
    if known.status == "asleep":
        return f"{told}: it sleeps, and has not woken up. Look at its battery"
    if case.reports():
        return f"{told}; it is connected: its log says why (mosquitto_sub -t …/{known.node}/log)"
    return f"{told}. Look at its power and its Wi-Fi"


def _offline(case: _Case) -> str | None:
    known = case.known
    if known.status != "offline" or known.status_at is None or case.doubted():
        return None
    passed = lasting(case.now - known.status_at)
    return f"offline for {passed}: it was switched off, or lost power or Wi-Fi"


def _failing(case: _Case) -> str | None:
    failed = [each for each in case.current() if "error" in each.quantities]
    if not failed:
        return None
    each = "; ".join(f"{one.channel}: {one.quantities['error']}" for one in failed)
    return f"{each}. Look at the wires and the power of the sensor"


def _stopped(case: _Case) -> str | None:
    newest = case.known.reading_at
    stopped, going = [], False
    for each in case.current():
        if newest is None or not each.habit:
            continue
        quiet = newest - each.received > _tolerated(each.habit)
        going = going or not quiet
        if quiet and each.habit.regular and "error" not in each.quantities:
            stopped.append(each.channel)
    if not going or not stopped:  # all at once is a clock that was set back
        return None
    return f"nothing more comes of {', '.join(stopped)}, while others go on: restart the node, and look at its log"


def _lost(case: _Case) -> int:
    """Readings that are missing, and have been for so long that the collector has told it: others may be on their way."""
    return min(case.known.account.lost, case.known.gap_told)


def _recent(case: _Case) -> bool:
    at = case.known.gap_at
    return at is not None and case.until - at <= LIMITS["gap_ms"]


def _gap(case: _Case) -> str | None:
    lost = _lost(case)
    if not lost or not _recent(case):
        return None
    return f"{lost:,} readings are lost, and the node does not say why: make gaps NODE={case.known.node} lists them"


def _full(case: _Case) -> str | None:
    if not case.known.given_up or not case.known.account.missing or not _recent(case):
        return None
    return (
        f"the node had no room for {case.known.given_up:,} readings and gave them up: shorten its outages,"
        " or raise outbox.bytes or the intervals of its sensors"
    )


def _waiting(case: _Case) -> str | None:
    count, age = number(case.known.health, "outbox"), number(case.known.health, "outbox_age_s")
    if not case.reports() or age < LIMITS["waiting_s"]:
        return None
    return (
        f"{count:,} readings wait on the node, the oldest for {lasting(age * 1000)}: it catches up after an outage,"
        " or the broker does not take them"
    )


def _aside(case: _Case) -> str | None:
    count = number(case.known.health, "set_aside")
    why = _text(case.known.health.get("set_aside_why"))
    return (
        f"the broker does not have {count:,} readings{f' ({why})' if why else ''}: mend its rules, the node tries again"
        if count
        else None
    )


def _corrupt(case: _Case) -> str | None:
    count = number(case.known.health, "corrupt")
    return (
        f"{count:,} records were damaged on its flash: replace the board if there are more of them"
        if count
        else None
    )


def _flash(case: _Case) -> str | None:
    count = number(case.known.health, "outbox_errors")
    return f"{count:,} writes to its flash failed: it is full, or worn out" if count else None


def _access(case: _Case) -> str | None:
    said = _text(case.known.health.get("access"))
    return f"the broker's rules are in its way: {said}" if said else None


def _battery(case: _Case) -> float | None:
    values = [
        each.quantities.get("battery")
        for each in case.current()
        if type(each.quantities.get("battery")) in (int, float)
    ]
    return min((value for value in values if value is not None), default=None)


def _low(case: _Case) -> str | None:
    left = _battery(case)
    if left is None or left > LIMITS["battery"]:
        return None
    return f"{left:.0f} % left in its battery: charge or replace it"


def _clock(case: _Case) -> str | None:
    if not case.reports() or case.known.health.get("clock") != "unset":
        return None
    return "it does not know the time, so its readings have none: it needs a way to an NTP server (ntp.host)"


def _taken(case: _Case) -> str | None:
    said = _text(case.known.health.get("name_taken")) or _text(case.known.info.get("name_taken"))
    return (
        f"two boards have this name: {said}. Give one another node.name"
        if said and case.known.status != "offline"
        else None
    )


def _safe(case: _Case) -> str | None:
    if case.known.info.get("safe_mode") is not True or case.known.status == "offline":
        return None
    return "it crashed four times in a row and leaves its sensors alone for 15 minutes: its log and `crash` of its info say where"


def _settings(case: _Case) -> str | None:
    faults = case.known.info.get("config_faults")
    return (
        f"its config.json: {'; '.join(map(str, faults))}"
        if isinstance(faults, list) and faults
        else None
    )


def _trial(case: _Case) -> str | None:
    said = _text(case.known.info.get("trial_failed"))
    return f"an image did not pass its trial: {said}" if said else None


def _crash(case: _Case) -> str | None:
    said = _text(case.known.info.get("crash"))
    if said:
        return f"its last crash: {said.strip().splitlines()[-1]}"
    cause = _text(case.known.info.get("reset_cause")) or ""
    return f"its last start was by the {cause}" if "watchdog" in cause else None


def _weak(case: _Case) -> str | None:
    rssi = _whole(case.known.health.get("rssi"))
    if rssi is None or rssi >= LIMITS["rssi"] or not case.reports():
        return None
    return f"its Wi-Fi is weak, {rssi} dBm: move it or the access point"


def _old(case: _Case) -> str | None:
    mine = _version(case.known.info.get("version"))
    if not mine or mine >= case.newest:
        return None
    newest = ".".join(map(str, case.newest))
    return f"version {case.known.info['version']}, others have {newest}: update it"


def _version(text: Any) -> tuple[int, ...]:
    """Numbers of `1.12.0`; none of what has others in it."""
    return (
        tuple(map(int, text.split(".")))
        if isinstance(text, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})*", text)
        else ()
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


Find = Callable[[_Case], str | None]

# What can be wrong, the worst first. A table, one kind a row:
# fmt: off
KINDS: tuple[tuple[str, bool, Find], ...] = (
    # kind       alarm   what tells it
    ("silent",   True,   _silent),
    ("offline",  True,   _offline),
    ("name",     True,   _taken),
    ("safe",     True,   _safe),
    ("failing",  True,   _failing),
    ("stopped",  True,   _stopped),
    ("gap",      True,   _gap),
    ("full",     True,   _full),
    ("waiting",  True,   _waiting),
    ("aside",    True,   _aside),
    ("access",   True,   _access),
    ("flash",    True,   _flash),
    ("corrupt",  True,   _corrupt),
    ("battery",  True,   _low),
    ("clock",    True,   _clock),
    ("settings", True,   _settings),
    ("trial",    True,   _trial),
    ("crash",    False,  _crash),
    ("weak",     False,  _weak),
    ("version",  False,  _old),
)
# fmt: on
ALARMING = frozenset(kind for kind, alarm, _ in KINDS if alarm)
