"""A reading as one flat JSON object in bytes.

Written by hand rather than by `json`: MicroPython's dicts keep no order, and its floats are single precision on the
boards, so a quantity is printed with the decimals its table row gives and never as 21.370001.
"""

import json
from math import isfinite
from struct import pack

from micropython import const

_LONGEST_ERROR = const(160)
# What the data of a record in the outbox begin with: retain, boot, seq, uptime in ms when it was taken, Unix ms or 0. JSON members follow.
_HEAD = "<BIIQQ"
_HEAD_BYTES = const(25)


def _number(name, value, decimals):
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    if not isfinite(value):
        raise ValueError(name + " is not a number")
    return "%.*f" % (max(decimals, 1), value)  # 21.0 and never 21: a stored column keeps one type


def body(fields, values):
    """Return the quantities of a reading as JSON members.

    fields: tuples of (quantity, …, decimals); values: bool, int or float in the same order; None: left out.
    ValueError: a value that JSON cannot carry (NaN, infinity).
    """
    members = []
    for field, value in zip(fields, values):
        if value is None:
            continue
        name = field[0]
        members.append('"' + name + '":' + _number(name, value, field[-1]))
    return ",".join(members).encode()


def error(text):
    """Return a failure as JSON members: what is published instead of a value."""
    return b'"error":' + json.dumps(text[:_LONGEST_ERROR]).encode()


def reading(ts, boot, seq, members):
    """Return the payload. ts: Unix milliseconds (int), or None while the clock is not trusted."""
    head = '{"ts":%d,' % ts if ts is not None else "{"
    return b'%s"boot":%d,"seq":%d,%s}' % (head.encode(), boot, seq, members)


def record(retain, boot, seq, at, ts, members):
    """Return a reading as data of a record in the outbox. at: uptime in ms; ts: Unix ms, 0 while the clock is not trusted."""
    return pack(_HEAD, bool(retain), boot, seq, at, ts) + members


def is_reading(record):
    """Is a record long enough to be one of ours?"""
    return record.data_bytes > _HEAD_BYTES


def head(record):
    """Return retain, boot, seq, uptime and Unix ms, without a copy of the record. ValueError: it is too short."""
    return record.unpack(_HEAD)


def members(record):
    """Return the quantities of a reading, as body() made them."""
    return record.data[_HEAD_BYTES:]
