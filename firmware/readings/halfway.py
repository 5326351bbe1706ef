"""Removes one of the two copies of a reading that a power cut left in both outboxes, while it was set aside or given back (aside.py).

Loaded at a start that finds readings set aside, then let go of. While one outbox cannot be read, nobody knows which readings are in both:
meanwhile a Doubt stands in for the delivery's Starts.
"""

import os
import time
from errno import EIO

from flashfile import uninterrupted
from micropython import const

from firmware import forget
from firmware.files import read, write
from firmware.payload import head, is_reading
from firmware.readings import Starts
from firmware.readings.aside import SUM, forget_sum

# How many of those set aside are compared: at most 16 drops of an outbox are not on flash (lib/outbox), more if the flash took nothing.
_LAST = const(32)
_AGAIN_MS = const(10000)  # between two looks
_LONGEST_MS = const(600000)
_DOUBTS = "state/aside/doubts"  # how many starts in a row could not compare
_STARTS = const(3)  # wait for at most this many starts: some nodes never stay up ten minutes


def begin(delivery, uptime, now):
    """See that each reading of a Delivery is in one place, before any is sent. Without memory: twice rather than never."""
    try:
        if mend(delivery, now):
            _forget_doubts()
        elif _count_doubts() <= _STARTS:
            delivery.starts = Doubt(delivery, uptime)
        else:
            delivery.log.error(
                "outbox: what is set aside cannot be compared: readings may go twice"
            )
    except MemoryError:
        pass


def mend(delivery, now):
    """See that each reading is in one place, and that dropped ones are counted once. Return False: one outbox cannot be read now."""
    aside, outbox = delivery.aside.outbox, delivery.outbox
    if aside.unread or outbox.unread:
        return False
    try:
        _count_once(aside, outbox.dropped, now)
    except OSError:
        return False
    while _keep_once(aside, outbox, delivery.boot, now):
        pass
    return not (aside.unread or outbox.unread)


class Doubt(Starts):
    """Lets readings of earlier starts wait until both outboxes can be read; those set aside stay there.

    It waits at most ten minutes, in at most three starts in a row: then twice rather than never.
    """

    def __init__(self, delivery, uptime):
        self._starts = starts = delivery.starts
        super().__init__(starts.boot, starts.prefix, starts.log)
        _hand_on(starts, self)
        self._look_at = uptime + _AGAIN_MS
        self._ends_at = uptime + _LONGEST_MS
        self.log.error(
            "outbox: what is set aside cannot be compared yet: readings of earlier starts wait"
        )
        delivery.aside.in_doubt = True

    def find(self, boot):
        if boot != self.boot:
            raise OSError(EIO)
        return super().find(boot)

    def defer(self, uptime):
        pass  # the log has it

    def step(self, uptime, delivery):
        super().step(uptime, delivery)
        if uptime < self._look_at:
            return
        self._look_at = uptime + _AGAIN_MS
        try:
            mended = mend(delivery, time.ticks_ms())
        except MemoryError:
            mended = False
        if mended:
            _forget_doubts()
        elif uptime < self._ends_at:
            return
        _hand_on(self, self._starts)
        delivery.starts = self._starts
        delivery.aside.in_doubt = False


def _count_doubts():
    """Return how many starts in a row could not compare, with this one."""
    try:
        n = int(read(_DOUBTS) or "0") + 1
    except ValueError:
        n = 1
    try:
        write(_DOUBTS, str(n))
    except OSError:
        pass  # the next start counts as this one
    return n


def _forget_doubts():
    try:
        with uninterrupted:
            os.remove(_DOUBTS)
    except OSError:
        pass  # there were none


def _hand_on(starts, to):
    to.origin, to.untimed, to.unnamed = starts.origin, starts.untimed, starts.unnamed


def _count_once(aside, dropped, now):
    """OSError: it cannot be read."""
    whole = _sum_kept()
    if whole is not None and dropped >= whole:
        aside.dropped = 0
        if not aside.sync(now):
            return
    forget_sum()


def _sum_kept():
    """Return the sum that was meant to be reached, or None."""
    try:
        from firmware import reading

        return int(reading.whole(SUM, 16) or b"")
    except ValueError:
        return None
    finally:
        forget("", "reading")


def _keep_once(aside, outbox, boot, now):
    """Keep the copy in the outbox: its exchange may have begun. Return whether there may be more behind those that were found."""
    found = []  # (boot, seq), record
    more = False
    oldest = 1  # which may have been on its way back; at the other end are those that had just been set aside
    for record in aside:
        if is_reading(record):
            identity = head(record)[1:3]
            if identity[0] == boot:
                continue  # since this start the power has not failed
            record.unload()  # the number is enough
            if len(found) > _LAST:
                found.pop(oldest)
                more = True
            found.append((identity, record))
    once = True
    for record in outbox if found else ():
        if is_reading(record):
            identity = head(record)[1:3]
            for each in found:
                if each[0] == identity:
                    found.remove(each)
                    aside.drop(each[1], now)
                    once = False
                    break
    aside.sync(now)
    return more and not once
