"""What readings of this start, and of others, need to be known of it later: see boots.py. Loaded when it is needed, then let go of."""

from firmware import boots
from firmware.log import reason
from firmware.payload import head, is_reading


def note(delivery, origin):
    """Keep the Unix time at uptime 0, in ms: for readings of this start that lack theirs."""
    try:
        boots.note(delivery.boot, origin, oldest(delivery.outbox, delivery.boot))
    except OSError as e:
        delivery.log.warning("boots: when this start was is not kept: %s" % reason(e))


def oldest(outbox, boot):
    """Return the boot of the oldest reading that waits, this one if none does."""
    for record in outbox:
        if is_reading(record):
            return min(head(record)[1], boot)
    return boot
