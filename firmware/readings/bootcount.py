"""A start of the node: its number, in state/boot, and the name it takes readings under. Loaded once, then let go of."""

import os

from flashfile import read

from firmware import forget
from firmware.files import write
from firmware.readings import boots, earlier
from firmware.readings.boots import ABOVE_ALL, CREDIBLE
from firmware.readings.earlier import known, oldest
from firmware.upkeep.log import reason

_COUNT = "state/boot"


def begin(outbox, aside, prefix, log):
    """Return the number of this start, and whether it is kept under which topic prefix it takes readings.

    outbox, aside: with readings of others, perhaps; aside: an Aside, or None.
    """
    boot = count(known(outbox, aside), log)
    try:
        boots.begin(boot, oldest(outbox, aside, boot), prefix)
    except OSError as e:
        log.warning("boots: the node's name is not kept yet: %s" % reason(e))
        return boot, False
    return boot, True


def drop():
    """Forget this module, and what only it needs."""
    earlier.drop()
    forget("readings", "bootcount")


def count(seen, log):
    """Return the number of this start, which no other start has had. seen: numbers that records in the outbox have.

    It is one more than the last. Where the last is not known, because the flash is new or the file damaged, it is drawn: a board
    that was erased, or stands in for another, must not number its readings as they were numbered before.
    """
    last = 0
    for number in seen:
        if last < number < CREDIBLE:
            last = number
    last = max(last, boots.last())
    n = _counted(log)
    boot = max(n, last) + 1 if n else _drawn(last)
    try:
        write(_COUNT, str(boot))
    except OSError as e:
        log.error("boots: %s cannot be written: %s" % (_COUNT, reason(e)))
        boot = _drawn(boot)  # the next start finds the old count
    return boot


def _counted(log):
    """Return the number of the last start, or None: there was none, or nobody knows."""
    try:
        data = read(_COUNT, lambda f: f.read(16))
        if data is None:
            return None
        n = int(data)
        if 0 < n < ABOVE_ALL - 1:
            return n
        why = "is damaged"
    except ValueError:
        why = "is damaged"
    except OSError as e:
        why = "cannot be read: " + reason(e)
    log.error("boots: %s %s; the count goes on from a random number" % (_COUNT, why))
    return None


def _drawn(last):
    """Return a number that is above the last by a random one of 24 bits."""
    n = int.from_bytes(os.urandom(3), "big") + 1
    return last + n if last + n < ABOVE_ALL - 1 else n
