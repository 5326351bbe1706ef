"""What an Outbox could not read when it was opened, or since: tried again. Loaded for it only."""

import outbox_open
from flashfile import patiently, settle
from outbox_backlog import BEGUN
from outbox_state import State


def read(store):
    """Try everything that could not be read, once more, and take up what can."""
    log, state = store.log, store.state
    if not settle(log.folder):
        return
    if state.unread and not _read_state(store):
        return  # without it nobody knows what is done
    if not log.listed:
        outbox_open.list_all(log, store.is_pending, outbox_open.make(store, log.folder))
        if not (log.segments or log.seems_empty):
            # After an error: it is believed the next time.
            log.listed, log.seems_empty = False, True
            return
        # While the folder was unknown nothing was written: all there is, is of before.
        store.fresh_from = log.next
        store._backlog.last = log.next - 1
    try:
        there = [int(name, 16) for name, _ in patiently(outbox_open.segments, log.folder)]
    except OSError:
        return
    for segment in log.segments[:]:
        if segment.unread and segment.first not in there:
            store._backlog.remove(segment)
        elif segment.unread:
            known = segment.pending
            outbox_open.look(log, segment, store.is_pending)
            if not segment.unread:
                store.recovered += max(segment.pending - known, 0)
                if not segment.pending:
                    store._backlog.remove(segment)
    store._backlog.come_back(store._flying)


def _read_state(store):
    """Add what the file knows of what was there before this start."""
    state = store.state
    found = State(state.path)
    if not outbox_open.load(found, lambda *slot: _take_up(store, *slot), store.log.open):
        store.log.corrupt += 1
        store.abandoned = True
    if found.unread:
        return False
    below = store.fresh_from
    if not store.log.listed:  # nor has any number been given
        below = store.log.next = max(store.log.next, found.next)
    done = []
    for i in range(0, len(found.done), 2):
        if found.done[i] < below:
            done.append(found.done[i])
            done.append(min(found.done[i + 1], below - 1))
    released = [number for number in found.released if number < below]
    # All of it, or nothing: without the memory it is done once more.
    state.done, state.released = done + state.done, released + state.released
    state.next_slot = max(state.next_slot, found.next_slot)
    state.unread = False
    state.dropped = found.dropped
    store.dropped += found.dropped
    return True


def _take_up(store, number, flags, body):
    """The newest of a key, unless there is a newer one by now. An exchange of QoS 2 has to end."""
    key = body[1 : 1 + body[0]]
    if not flags & BEGUN and store._newest_of(key):
        store.superseded += 1
    else:
        outbox_open.take_up(store, number, flags, body)
