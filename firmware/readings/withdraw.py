"""Takes readings back from the client after the link died: the current ones, or all. Loaded when anything is in flight."""

import time

from firmware.payload import head


def late(delivery, uptime, anew, forgotten):
    """Find readings that have become late: they are sent anew, to history. Their packet ids are added to forgotten.

    anew: the broker has no earlier session. While it has one, an exchange of QoS 2 goes on as it was: on another topic the broker would
    have the reading twice. MemoryError: those that are left go on, too.
    """
    sent = delivery.sent
    pids = [
        pid
        for pid in delivery.client.in_flight
        if pid in sent and sent[pid].mark in ((1, 2) if anew else (1,))
    ]
    unloaded = [sent[pid] for pid in pids if not sent[pid].loaded]
    if unloaded:  # what is on flash needs no copy in memory
        delivery.outbox.load(unloaded)
    for pid in pids:
        record = sent[pid]
        if not record.loaded:
            continue  # the flash could not be read
        # Only readings of this start go to `reading/…`.
        if uptime - head(record)[3] > delivery.live_ms:
            delivery.again.append(record)
            forgotten.append(pid)
            del sent[pid]
        else:
            record.unload()


def everything(delivery):
    """Have the client forget all but exchanges that have come to PUBREL, which have to end. The rest is sent again.

    With a broker that ends no exchange of QoS 2 all begin anew, at QoS 1: it may hand on what it has of them, too.
    """
    client, outbox = delivery.client, delivery.outbox
    limits = delivery.uplink.brokers.limits
    if limits.abandoned:
        if not outbox.unrelease(time.ticks_ms()):
            delivery.log.error("outbox: not written; a power cut now may double a reading")
        client.released.clear()
        delivery.restored.clear()
        limits.abandoned = False
    for pid in list(client.in_flight):
        if pid not in client.released:
            client.forget(pid)
    delivery.again.clear()
    delivery.sent.clear()
    outbox.rewind()
    if client.released:
        for record in outbox.unfinished(time.ticks_ms()):
            if record.pid in client.released:
                delivery.sent[record.pid] = record
            else:
                delivery.again.append(record)
