"""Looks up records of an Outbox on flash: those appended last, and unloaded ones. Loaded for it only."""

from outbox.log import LATEST, Record


def last(outbox):
    """Return the last record of the log that is still on flash, dropped or not, and the newest of each `latest` key."""
    found = [record for record in outbox.recent if record.flags & LATEST]
    log = outbox.log
    if log.segments:
        segment = log.segments[-1]
        start = end = 0
        while log.read(segment, end):
            start, end = log.start, log.end
        if end and log.read(segment, start):
            found.append(Record(log.body(), log.flags, log.number))
    return found


def load(outbox, records):
    """Read key and data of unloaded records again."""
    for found in outbox:
        for record in records:
            if record.number == found.number and not found.flags & LATEST:
                record.body = found.body
