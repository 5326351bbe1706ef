"""Readings that a broker will not have: out of the way of the others, on flash, to be tried again.

In memory only while there are any. They go back to the outbox, the oldest first and one at a time, when all else is delivered
and nothing is known against the broker in use: another one, a day later, or after a restart. What does not fit is dropped from
the oldest on, and counted.
"""

import os

from micropython import const

from firmware import forget
from outbox import Outbox

FOLDER = "state/aside"  # parts.py looks for it

_BYTES = const(32768)
_RAM = const(2048)
# That are told: there may be a thousand readings, and the count is in `health`.
_REASONS = const(16)


class Aside:
    def __init__(self, log):
        self.log = log
        self.outbox = Outbox(FOLDER, _BYTES, 0, False, _RAM)
        self._told = []  # why, as far as it was told

    def __len__(self):
        return len(self.outbox)

    def take(self, record, why, now):
        """Keep a record of the other outbox. Return False if the flash does not take it."""
        outbox = self.outbox
        outbox.append(record.key, record.data, now, record.qos, record.latest)
        if not outbox.sync(now):
            return False
        if why not in self._told and len(self._told) < _REASONS:
            self._told.append(why)
            self.log.warning("outbox: set aside: %s: %s" % (record.key.decode(), why))
        return True

    def give_back(self, delivery, now):
        """Move the oldest to the delivery's outbox. After the last one nothing is left of it all."""
        record = self.outbox.peek(now)
        if record is None:
            self._remove()
            delivery.aside = None
            forget("aside")
            return
        to = delivery.outbox
        # Twice rather than never, if the power fails between the two.
        if to.append(record.key, record.data, now, record.qos, record.latest) and to.sync(now):
            self.outbox.take(record, now)
            self.outbox.drop(record, now)
            self.outbox.sync(now)

    def _remove(self):
        try:
            for name in os.listdir(FOLDER):
                os.remove(FOLDER + "/" + name)
            os.rmdir(FOLDER)
        except OSError:
            pass  # then it is found empty after the next start


def put(record, delivery, now):
    """Take a record out of the delivery's outbox. Return False: the flash takes no more, it has to stay there."""
    if not delivery.aside:
        delivery.aside = Aside(delivery.log)
    if not delivery.aside.take(record, delivery.uplink.why, now):
        return False
    if not record.taken:
        delivery.outbox.take(record, now)
    delivery.outbox.drop(record, now)
    return True
