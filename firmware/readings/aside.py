"""Readings that a broker refuses: kept on flash, out of the way of the others, to be tried again.

In memory only while there are any. They go back to the outbox one at a time, the oldest first, when nothing waits there and
the broker in use is not known to refuse anything: another broker, a day later, or after a restart. When there is no room, the
oldest are dropped, logged and counted; once nothing is left here, the outbox goes on with the count. halfway.py finds readings
that a power cut left in both.
"""

import os

from flashfile import BESIDE, uninterrupted
from micropython import const

from firmware import forget
from firmware.files import read, write
from firmware.upkeep.log import reason
from outbox import Outbox

FOLDER = "state/aside"  # parts.py looks for it
_WHY = "state/aside/why"  # the last reason, over a restart
SUM = "state/aside/sum"  # the outbox's count of dropped readings, once it includes ours
# without readings there are no other files
_OURS = ("state", "why", "sum", "doubts")

_BYTES = const(32768)
_RAM = const(2048)
# Log lines: there may be a thousand readings, and `health` has the count.
_REASONS = const(16)
_LONGEST = const(240)  # characters of a reason in `health`
# Between two failed attempts: one in each pass of the loop would wear the flash.
_AGAIN_MS = const(10000)
# Packet id in Delivery.sent of a reading that must not be sent yet: no message in flight has it.
_HELD = const(0)


class Aside:
    def __init__(self, log):
        self.log = log
        self.outbox = outbox = Outbox(FOLDER, _BYTES, 0, False, _RAM)
        self._why = read(_WHY)
        self._told = []  # those of why that the log has
        self._lost = outbox.dropped  # how many of them the log has
        self.wait_until = 0  # uptime: nothing is written before
        self.in_doubt = False  # whether the other outbox may have some of it, see halfway.py
        if outbox.unread:
            log.error("outbox: %d files of %s cannot be read, yet" % (outbox.unread, FOLDER))

    @property
    def why(self):
        """Why the last reading was set aside, None: there is none."""
        return (self._why or "before this start")[:_LONGEST] if len(self.outbox) else None

    def take(self, record, why, now):
        """Keep a record of the other outbox. Return False if the flash does not take it."""
        outbox = self.outbox
        if not _move(record, outbox, now):
            return False
        if why not in self._told and len(self._told) < _REASONS:
            self._told.append(why)
            self.log.warning("outbox: set aside: %s: %s" % (record.key.decode(), why))
            if why != self._why:
                self._keep(why)
        self._why = why
        if outbox.dropped >= 2 * self._lost + 1:  # one line each would be too many
            self._lost = outbox.dropped
            self.log.warning(
                "outbox: no more room for what is set aside: %d readings dropped" % self._lost
            )
        return True

    def _keep(self, why):
        try:
            write(_WHY, why)
        except (OSError, MemoryError) as e:
            self.log.error("outbox: %s cannot be written: %s" % (_WHY, reason(e)))

    def give_back(self, delivery, now):
        """Move the oldest to the delivery's outbox, which has nothing to send now. After the last one remove the files."""
        uptime = delivery.clock.uptime_ms(now)
        if self.in_doubt or uptime < self.wait_until:
            return
        try:
            done = self._give_back(delivery, now)
        except MemoryError:
            done = False
        if not done:
            self.wait_until = uptime + _AGAIN_MS

    def _give_back(self, delivery, now):
        """Return False if the flash does not take it."""
        outbox = self.outbox
        to = delivery.outbox
        if _HELD in delivery.sent:
            if not outbox.sync(now):
                return False
            delivery.again.append(delivery.sent.pop(_HELD))
            return True
        if len(to) > len(delivery.sent) and not to.unread:
            return True  # There was no memory to read what waits: an older reading would replace a newer one of `latest`.
        record = outbox.peek(now)
        if record:
            # If the power fails now, it is in both rather than in none: see halfway.py. Only this one: flash knows that those before are gone.
            moved = outbox.sync(now) and _move(record, to, now)
            if not moved:
                return False
            outbox.take(record, now)
            outbox.drop(record, now)
            if _synced(outbox, now):
                return True
            # Once it is acknowledged there, a power cut would bring it back from here.
            to.take(moved, now)
            delivery.sent[_HELD] = moved
            return False
        if len(outbox) or outbox.unread:
            return True
        if not self._hand_over(to, now):
            return False
        _remove()
        delivery.aside = None
        forget("readings", "aside")
        return True

    def _hand_over(self, to, now):
        """Let the other outbox go on with the count of dropped readings. Return False if the flash does not take it."""
        lost = self.outbox.dropped
        if lost:
            try:
                write(SUM, str(to.dropped + lost))
            except OSError:
                return False
        to.dropped += lost
        counted = False
        try:
            counted = to.sync(now)
        finally:
            if not counted:
                to.dropped -= lost
        if not counted:
            forget_sum()
            return False
        self.outbox.dropped = 0
        return self.outbox.sync(now)


def _move(record, to, now):
    """Append a record to another outbox, on flash. Return it there; None: it could not be written and stays where it is."""
    taken = to.append(record.key, record.data, now, record.qos, record.latest)
    if not taken:
        to.dropped -= 1  # it is not
        return None
    if _synced(to, now) or taken.on_flash:  # or only how many were dropped is not
        return taken
    to.drop(taken, now)
    return None


def _synced(outbox, now):
    try:
        return outbox.sync(now)
    except MemoryError:
        return False


def forget_sum():
    try:
        with uninterrupted:
            os.remove(SUM)
    except OSError:
        pass  # there is none


def _remove():
    try:
        names = os.listdir(FOLDER)
        if any(name.replace(BESIDE, "") not in _OURS for name in names):
            return  # There may be readings that cannot be read now: the next start looks again.
        with uninterrupted:
            for name in names:
                os.remove(FOLDER + "/" + name)
            os.rmdir(FOLDER)
    except OSError:
        pass  # the next start finds it empty


def put(record, delivery, now):
    """Take a record out of the delivery's outbox. Return False: the flash takes no more, so it stays there."""
    if not delivery.aside:
        delivery.aside = Aside(delivery.log)
    uptime = delivery.clock.uptime_ms(now)
    if uptime < delivery.aside.wait_until:
        return False
    if not delivery.aside.take(record, delivery.uplink.why, now):
        delivery.aside.wait_until = uptime + _AGAIN_MS
        return False
    delivery.outbox.take(record, now)
    delivery.outbox.drop(record, now)
    return True
