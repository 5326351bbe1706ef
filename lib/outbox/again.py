"""Reads again what an Outbox could not read when it was opened, or since. Loaded for it only."""

from flashfile import patiently, settle

from outbox import opening
from outbox.backlog import State
from outbox.log import BEGUN


def read(outbox):
    """Try everything that could not be read, once more, and take up what can."""
    log, state, backlog = outbox.log, outbox.state, outbox.backlog
    if not settle(log.folder):
        return
    if state.unread and not _read_state(outbox):
        return  # without the state nobody knows what is done
    if not log.listed:
        there = opening.make(log.folder)
        outbox.errors += not there
        opening.list_all(log, state.is_done, there)
        if not (log.segments or log.seems_empty):
            # After an error: it is believed the next time.
            log.listed, log.seems_empty = False, True
            return
        # While the folder was unknown nothing was written: everything in it is from before.
        backlog.fresh_from = log.next
        backlog.last = log.next - 1
    try:
        there = [int(name, 16) for name, _ in patiently(opening.segments, log.folder)]
    except OSError:
        return
    for segment in log.segments[:]:
        if segment.unread and segment.first not in there:
            backlog.remove(segment)
        elif segment.unread:
            known = segment.pending
            opening.look(log, segment, state.is_done)
            if not segment.unread:
                outbox.recovered += max(segment.pending - known, 0)
                if not segment.pending:
                    backlog.remove(segment)
    backlog.come_back()


def _read_state(outbox):
    """Add what the file knows of what was there before this start."""
    log, state = outbox.log, outbox.state
    found = State(state.path, state.open)
    if not opening.load(found, lambda *slot: _take_up(outbox, *slot)):
        log.corrupt += 1
        outbox.abandoned = True
    if found.unread:
        return False
    below = outbox.backlog.fresh_from
    if not log.listed:  # and no number has been given
        below = log.next = max(log.next, found.next)
    done = []
    for i in range(0, len(found.done), 2):
        if found.done[i] < below:
            done.append(found.done[i])
            done.append(min(found.done[i + 1], below - 1))
    released = [number for number in found.released if number < below]
    # All or nothing: without memory it is done once more.
    state.done, state.released = done + state.done, released + state.released
    state.next_slot = max(state.next_slot, found.next_slot)
    state.unread = False
    state.dropped = found.dropped
    outbox.dropped += found.dropped
    return True


def _take_up(outbox, number, flags, body):
    """Take the newest of a key, unless there is a newer one by now. An exchange of QoS 2 has to end."""
    key = body[1 : 1 + body[0]]
    if not flags & BEGUN and outbox.newest_of(key):
        outbox.superseded += 1
    else:
        outbox.keep(opening.newest(number, flags, body))
