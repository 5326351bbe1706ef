"""What a power cut left in both outboxes, while it was set aside or given back (aside.py): one is let go of.

Loaded at a start that finds readings set aside, then let go of.
"""

from micropython import const

from firmware.aside import forget_sum, sum_kept
from firmware.payload import head, is_reading

# Of those set aside: of drops in the outbox 16 at most are not on flash, see outbox.py.
_LAST = const(32)


def mend(aside, outbox, now):
    """Have each reading in one place, and how many were dropped counted in one. Without memory: twice rather than never."""
    try:
        _count_once(aside.outbox, outbox.dropped, now)
        _keep_once(aside.outbox, outbox, now)
    except MemoryError:
        pass


def _count_once(aside, dropped, now):
    whole = sum_kept()
    if whole is not None and dropped >= whole:
        aside.dropped = 0
        if not aside.sync(now):
            return
    forget_sum()


def _keep_once(aside, outbox, now):
    """The one in the outbox stays: its exchange may have begun."""
    found = []  # (boot, seq), record
    oldest = 1  # which may have been on its way back; at the other end are those that had just been set aside
    for record in aside:
        if is_reading(record):
            identity = head(record)[1:3]
            if not record.latest:
                record.body = None  # the number is enough
            if len(found) > _LAST:
                found.pop(oldest)
            found.append((identity, record))
    for record in outbox:
        if is_reading(record):
            identity = head(record)[1:3]
            for each in found:
                if each[0] == identity:
                    found.remove(each)
                    aside.drop(each[1], now)
                    break
    aside.sync(now)
