"""What a Delivery has to do with other starts of the node than this one. Loaded when it is needed, then let go of."""

import time

from firmware import boots, forget
from firmware.log import reason
from firmware.payload import head, is_reading

_NOTHING = b"-"  # topic of a message that is only an id in the client, and never sent


def begin(delivery):
    """Keep the name under which readings are taken from now on. Go on with exchanges that are unfinished."""
    try:
        boots.begin(delivery.boot, _oldest(delivery), delivery.topics.prefix)
    except OSError as e:
        delivery.log.warning("boots: the node's name is not kept: %s" % reason(e))
    for record in delivery.outbox.unfinished(time.ticks_ms()):
        _restore(delivery, record)


def note(delivery, origin):
    """Keep the Unix time at uptime 0, in ms: for readings of this start that lack theirs."""
    try:
        boots.note(delivery.boot, origin, _oldest(delivery))
    except OSError as e:
        delivery.log.warning("boots: when this start was is not kept: %s" % reason(e))


def drop():
    """Forget this module, and what only it needs."""
    forget("earlier", "boots")


def _oldest(delivery):
    """Return the boot of the oldest reading that waits, this one if none does."""
    for record in delivery.outbox:
        if is_reading(record):
            return min(head(record)[1], delivery.boot)
    return delivery.boot


def _restore(delivery, record):
    """PUBREC had come before the restart: PUBREL is to be sent, and PUBLISH only if the broker has forgotten the session.

    The message would then come from the outbox again: all that are unfinished may not fit into the client's buffer.
    """
    try:
        delivery.client.restore(record.pid, _NOTHING, b"", False, 2, True)
    except ValueError:  # so many that not even that fits
        delivery.again.append(record)
        return
    delivery.sent[record.pid] = record
    delivery.restored.append(record.pid)
