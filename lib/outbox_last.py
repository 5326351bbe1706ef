"""Which records of an Outbox were appended last: for a program that numbers them itself. Loaded when it is needed."""

from outbox_backlog import LATEST, Record


def last(outbox):
    """Return the last record of the log that is still on flash, dropped or not, and the newest of each `latest` key."""
    found = [record for record in outbox._recent if record.flags & LATEST]
    log = outbox.log
    if log.segments:
        segment = log.segments[-1]
        start = end = 0
        while log.read(segment, end):
            start, end = log.start, log.end
        if end and log.read(segment, start):
            found.append(Record(log.body(), log.flags, log.number))
    return found
