"""Earlier starts of this node: when they were, and under which name. Loaded when needed, then let go of.

state/boots has a line for each start that needs one, oldest first:

    11730017 1795219201312 outpost/attic

The number; the Unix time at uptime 0 in ms, `-` if it is not needed or not known; the topic prefix, left out where the line before has
the same. A start without a line has the prefix of the last line before it, and all its readings have their time. The file is
written when readings get their time later, and when the node's name has changed.
"""

import json
import os
from binascii import crc32

from flashfile import read, uninterrupted
from micropython import const

from firmware.files import write

_BOOTS = "state/boots"
_TIMES = "state/times"  # of versions before state/boots, see _earlier()
ABOVE_ALL = 1 << 30  # numbers of starts are below this: small integers on every board
# Numbers found in a line or a reading are below this: two random steps and 2^25 starts must fit above.
CREDIBLE = ABOVE_ALL - (1 << 26)
_LINES = const(128)  # an outbox of 128 KB holds 1,100 readings: eight of each of so many starts
_LINE_BYTES = const(192)  # base and name have at most 64 each


def last():
    """Return the number of the last start that is known, or 0."""
    return max([0] + [number for number, _, _ in _lines()[0]])


def find(boot):
    """Return (Unix ms at uptime 0, topic prefix) of a start. None: nobody knows. OSError: nobody knows now."""
    lines, error = _lines()
    if error:
        raise error
    return _find(lines, boot)


def _find(lines, boot):
    origin = prefix = None
    for number, at, name in lines:
        if number > boot:
            prefix = prefix or name  # it belongs to starts for whose lines there was no room
            break
        prefix = name or prefix
        if number == boot:
            origin = at or origin
    return origin, prefix


def begin(boot, oldest, prefix):
    """A start takes its readings under a topic prefix. oldest: the first start of which readings wait. OSError: not kept."""
    lines, error = _lines()
    if error:
        raise error  # it may be readable the next time
    if not lines:
        # The readings that wait are of a version that knew no names but today's.
        lines = [(0, None, prefix)] + _earlier()
    elif _find(lines, ABOVE_ALL)[1] != prefix:
        lines.append((boot, None, prefix))
    else:
        return
    _write(lines, oldest)
    try:
        with uninterrupted:
            os.remove(_TIMES)
    except OSError:
        pass  # it was not there


def note(boot, origin, oldest):
    """Give the readings of a start that lack their time one. origin: Unix ms at its uptime 0. OSError: not kept."""
    lines, error = _lines()
    if error:
        raise error
    _write(lines + [(boot, origin, None)], oldest)


def _write(lines, oldest):
    """Write the lines that are needed from the oldest start on, as many as fit."""
    while len(lines) > 1 and (len(lines) > _LINES or lines[1][0] <= oldest):
        _, _, before = lines.pop(0)
        number, origin, prefix = lines[0]
        lines[0] = number, origin, prefix or before
    text = []
    for number, origin, prefix in lines:
        text.append("%d %s%s\n" % (number, origin or "-", " " + prefix if prefix else ""))
    write(_BOOTS, "".join(text))


def _lines():
    """Return ([(number, Unix ms at uptime 0 or None, prefix or None)] of the valid lines, why the file cannot be read)."""
    lines = []

    def parse(f):
        """Fill the one list anew: there may be no room for two. Return a checksum."""
        lines.clear()
        crc = 0
        for _ in range(2 * _LINES):
            line = f.readline(_LINE_BYTES)
            if not line:
                break
            crc = crc32(line, crc)
            found = _parsed(line)
            if found:
                lines.append(found)
        return crc

    try:
        read(_BOOTS, parse)
    except OSError as e:
        return [], e
    return lines, None


def _parsed(line):
    """Return what a line says; None: we did not write it."""
    try:
        number, origin, *prefix = line.decode()[:-1].split(" ", 2)
        number = int(number)
        origin = None if origin == "-" else _moment(origin)
    except ValueError:
        return None
    prefix = prefix[0] if prefix else None
    if 0 <= number < CREDIBLE and not (prefix and _is_strange(prefix)):
        return number, origin, prefix


def _moment(text):
    """Return Unix ms. ValueError: no reading can have this time."""
    ms = int(text)
    if not 0 < ms < 1 << 48:
        raise ValueError
    return ms


def _is_strange(prefix):
    """Is this impossible as the first levels of a topic?"""
    return any(c < " " or c in "+#" for c in prefix)


def _earlier():
    """Return what state/times knows, which versions before state/boots kept: {"<boot>": Unix ms at uptime 0}. OSError: nobody knows now."""
    lines = []
    try:
        times = read(_TIMES, json.load)
    except ValueError:
        return lines  # we did not write this
    for boot in times if type(times) is dict else ():
        try:
            number, origin = int(boot), _moment(str(times[boot]))
        except ValueError:
            continue
        if 0 < number < CREDIBLE:
            lines.append((number, origin, None))
    return sorted(lines)
