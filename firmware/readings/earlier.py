"""Which starts the waiting readings are from: see boots.py. Loaded when it is needed, then let go of."""

from micropython import const

from firmware import forget
from firmware.payload import head, is_reading
from firmware.readings import boots
from firmware.upkeep.log import reason

# A reading that was set aside and comes back stands behind younger ones: at most the 64 that were on their way then.
_FIRST = const(100)


def note(starts, delivery):
    """Keep what readings of this start need later: the topic prefix they are taken under, and when it was. Return False: not yet."""
    boot = starts.boot
    first = oldest(delivery.outbox, delivery.aside, boot)
    try:
        if starts.unnamed:
            boots.begin(boot, first, starts.prefix)
            starts.unnamed = False
        if starts.untimed and starts.origin is not None:
            boots.note(boot, starts.origin, first)
            starts.untimed = False
    except OSError as e:
        delivery.log.warning("boots: name and time of this start are not kept yet: %s" % reason(e))
        return False
    return True


def drop():
    """Forget this module, and what only it needs."""
    forget("readings", "earlier", "boots")


def oldest(outbox, aside, boot):
    """Return the first boot of which a reading waits, or is set aside; this one, `boot`, if there is none; 0 if nobody can tell."""
    if outbox.unread or (aside and aside.outbox.unread):
        return 0
    found = [boot]
    left = _FIRST
    for record in outbox:
        if is_reading(record):
            found[0] = min(found[0], head(record)[1])
            left -= 1
        if not left:
            break
    # The newest of a key comes last and may be older than all in the log. Readings set aside are in no order.
    return min(found + known(outbox, aside))


def known(outbox, aside):
    """Return the boots of the last readings in the outbox, and of those in an Aside, which may be None."""
    return _boots(outbox.last()) + _boots(aside.outbox if aside else ())


def _boots(records):
    return [head(record)[1] for record in records if is_reading(record)]
