"""What an MQTT message says: a reading, the state of a node, or why it is neither.

Nothing is guessed: what is not as docs/topics.md has it is a `Bad`, with the reason in words.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from firmware.settings.kinds import LEVEL_BYTES
from firmware.topics import HISTORY, READING

STATES = ("status", "info", "health")  # topics of a node of which the last message counts
LONGEST = 65_536  # bytes of a payload; a reading has about a hundred
_MOST_BOOT = 2**32 - 1
_MOST_SEQ = 2**53 - 1  # no node comes near, and JSON says it the same everywhere [RFC 8259, 6]
_MOST_TS = 10**14  # the year 5138
_MOST_STATUS = 64
_MOST_DEPTH = 32  # brackets within brackets: every program that reads it has a stack
_TOO_DEEP = f"it is no JSON of a node: more than {_MOST_DEPTH} brackets within one another"
_MOST_DIGITS = 300  # of a whole number: with more it is none that a database can compare
# What JSON can write and no text in UTF-8 can be: half of a pair [RFC 8259, 8.2]. PostgreSQL takes no NUL, either.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class Reading(NamedTuple):
    """node, boot, seq: its identity; ts: Unix ms when it was taken, None: the node does not know.

    quantities: a JSON object as text, {"error": "…"} of a sensor that failed; late: it came on `history`;
    received: Unix ms.
    """

    node: str
    boot: int
    seq: int
    channel: str
    quantities: str
    ts: int | None
    received: int
    late: bool


class State(NamedTuple):
    """The newest `status`, `info` or `health` of a node. text: None: it was taken back (an empty retained message).

    retained: the broker kept it from before, so it may be older than `received`.
    """

    node: str
    kind: str
    text: str | None
    received: int
    retained: bool = False


class Bad(NamedTuple):
    """A message below the base that cannot be what its topic says. why: in words."""

    topic: str
    payload: bytes
    why: str
    received: int


class Other(NamedTuple):
    """A message that is not stored. kind: `retained`, or the branch of its topic."""

    kind: str


Message = Reading | State | Bad | Other


def filters(base: str) -> list[str]:
    """The topic filters of what is stored: + in place of the node, and of the channel."""
    branches = (READING + "+", HISTORY + "+", *STATES)
    return [f"{base}/+/{branch}" for branch in branches]


def read(base: str, topic: str, payload: bytes, retained: bool, received: int) -> Message:
    """Say what a message is. retained: it was kept by the broker from before; received: Unix ms."""
    begin = base + "/"
    node, _, rest = topic[len(begin) :].partition("/")
    if not topic.startswith(begin) or not node:
        return Bad(topic, payload, f"the topic is not below {base}/", received)
    # Most topics are short enough as a whole.
    if (len(topic) > LEVEL_BYTES or not topic.isascii()) and any(
        len(level.encode()) > LEVEL_BYTES for level in topic[len(begin) :].split("/")
    ):
        return Bad(topic, payload, f"a name in it has more than {LEVEL_BYTES} bytes", received)
    late = rest.startswith(HISTORY)
    try:
        if late or rest.startswith(READING):
            if retained:  # what a broker keeps of a channel has been delivered before
                return Other("retained")
            channel = rest.partition("/")[2]
            return _reading(node, channel, payload, late, received)
        if rest in STATES:
            return State(node, rest, _state(rest, payload), received, retained)
    except ValueError as e:
        return Bad(topic, payload, str(e), received)
    return Other(rest.partition("/")[0])


def _reading(node: str, channel: str, payload: bytes, late: bool, received: int) -> Reading:
    if not channel or "/" in channel:
        raise ValueError("the topic has to end with the name of a channel: one level")
    members = _object(payload)
    boot = _whole(members, "boot", 0, _MOST_BOOT)
    seq = _whole(members, "seq", 1, _MOST_SEQ)
    ts = _whole(members, "ts", 1, _MOST_TS) if "ts" in members else None
    quantities = {
        name: value for name, value in members.items() if name not in ("ts", "boot", "seq")
    }
    if not quantities:
        raise ValueError("it has neither a quantity nor an `error`")
    for name, value in quantities.items():
        if value is None or isinstance(value, (dict, list)):
            raise ValueError(f"`{name}` has to be a number, a text, true or false")
    text = json.dumps(quantities, separators=(",", ":"))
    return Reading(node, boot, seq, channel, text, ts, received, late)


def _state(kind: str, payload: bytes) -> str | None:
    if not payload:
        return None
    if kind != "status":
        return json.dumps(_object(payload), separators=(",", ":"))
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    _check_text(text)
    if len(text) > _MOST_STATUS:
        raise ValueError(f"a status of {len(text)} characters: it has to be a word")
    return text


def _object(payload: bytes) -> dict[str, Any]:
    """Return a JSON object. ValueError: it is none, or one that JSON does not carry the same everywhere."""
    if len(payload) > LONGEST:
        raise ValueError(f"it is too long: {len(payload)} bytes, the most is {LONGEST}")
    if not payload:
        raise ValueError("it is empty")
    try:
        members = parsed(payload.decode())
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    if not isinstance(members, dict):
        raise ValueError("it is JSON, but no object: { … }")
    if b"\\u" in payload:  # the only way in: JSON and UTF-8 have been checked
        for text in _texts(members):
            _check_text(text)
    return members


def parsed(text: str) -> Any:
    """Return what a text in JSON says. ValueError: it is none, or one that not every program can read."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except json.JSONDecodeError as e:
        raise ValueError(f"it is no JSON: {e}") from None
    if text.count("[") + text.count("{") > _MOST_DEPTH:  # a reading has one
        _check_depth(value, _MOST_DEPTH)
    return value


def _check_depth(value: Any, room: int) -> None:
    if not isinstance(value, (dict, list)):
        return
    if not room:
        raise ValueError(_TOO_DEEP)
    for each in value.values() if isinstance(value, dict) else value:
        _check_depth(each, room - 1)


def _texts(value: Any) -> Iterator[str]:
    """Every text within what JSON says."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _check_text(text: str) -> None:
    if _NO_TEXT.search(text):
        raise ValueError("a text in it has a character that no database keeps")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member is there twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number")
    return value


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


# Made once: json.loads() makes one at each call that has options.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_whole_number,
    parse_float=_number,
    parse_constant=_number,
)


def _whole(members: dict[str, Any], name: str, least: int, most: int) -> int:
    if name not in members:
        raise ValueError(f"`{name}` is missing")
    value = members[name]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"`{name}` has to be a whole number from {least} to {most}")
    return value
