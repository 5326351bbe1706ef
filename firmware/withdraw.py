"""Readings that were in flight as readings of now when the link died. Loaded before a connection, if anything is in flight."""


def late(delivery, head, uptime):
    """Take those that have become late out of the client. Return their records, to be sent anew: to history.

    head(record): flags, boot, seq, uptime and Unix ms. Only of QoS 1, at which the broker may have a reading from both topics. At QoS 2 it goes out again as it was.
    """
    sent = delivery.sent
    pids = [
        pid
        for pid in delivery.client.in_flight
        if pid in sent and getattr(sent[pid], "live", False)
    ]
    lost = [sent[pid] for pid in pids if sent[pid].body is None]
    if lost:  # what is on flash is not kept in memory, too
        for found in delivery.outbox:
            for record in lost:
                if record.number == found.number and not found.latest:
                    record.body = found.body
    records = []
    for pid in pids:
        record = sent[pid]
        if record.body is None:
            continue  # the flash could not be read
        _, boot, _, at, ts = head(record)
        age = delivery._age(boot, at, ts, uptime)
        if age is None or age > delivery.live_ms:
            delivery.client.forget(pid)
            records.append(sent.pop(pid))
        elif record.number and not record.latest:
            record.body = None
    return records
