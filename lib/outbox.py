"""A durable store-and-forward queue for messages: what was appended is there until it is acknowledged.

    outbox = Outbox("outbox")
    outbox.append(b"attic", b"21.3", ticks_ms())
    while True:
        outbox.step(ticks_ms())                      # writes what is due
        record = outbox.peek(ticks_ms())             # the oldest that is not on its way
        if record:
            client.publish(record.key, record.data, qos=1)
            outbox.drop(record, ticks_ms())          # it is acknowledged

A record is in RAM first. One that is acknowledged within `sync_ms` never costs a write; the others are on flash by then,
many at a time. Over a power cut nothing that is on flash is lost, and of what was dropped at most the last few come back:
16, or what was dropped within sync_ms. A record of QoS 2 is on flash before peek() returns it, and its release() before
its PUBREL is sent, so that its exchange goes on after a power cut where it was, with the same packet id.

Nothing here raises for what the flash does: what cannot be written stays in RAM, within bounds, and is counted. `now` is
ticks_ms everywhere. The format is in docs/outbox.md. MicroPython from 1.25 on; littlefs makes each write one step.
"""

import os
from time import ticks_add, ticks_diff

from micropython import const
from outbox_backlog import LATEST, Backlog, Record
from outbox_log import HEAD, LONGEST, Log
from outbox_state import State

_OVERHEAD = const(112)  # RAM of a record besides its body, 32 bits
_DROPS = const(16)  # dropped records after which the state is written
_AHEAD = const(32)  # records on their way before older ones
_SEGMENTS = const(16)  # a full outbox has so many
_LARGEST = const(16384)  # bytes of a segment: less RAM and time for fewer, larger ones
_RETRY_MS = const(10000)  # after a write that failed
_ENOSPC = const(28)  # littlefs's own, on every port


class Outbox:
    def __init__(self, folder, limit=131072, sync_ms=5000, drop_newest=False, ram=4096):
        """Open what is there, or make it.

        limit: bytes of flash, at least 8192; ram: bytes; sync_ms: how long a record may be in RAM only, 0: until peek()
        returns it; drop_newest: when full append() refuses, instead of dropping the oldest, a sixteenth of all at a time
        (what is on its way is kept, and what shares a file with it).
        """
        self.limit = limit
        self.sync_ms = sync_ms
        self.drop_newest = drop_newest
        self.ram = ram
        self.appended = 0
        self.dropped = 0  # given up for want of room
        self.superseded = 0  # made way for a newer one of the same key
        self.errors = 0  # writes that failed
        self._recent = []  # in RAM, oldest first; on flash, too, if numbered
        self._used = 0  # bytes of RAM they take
        self._unsynced = 0  # bytes of flash those will take that are not on it
        self._flying = []  # on flash and on their way
        self._changed = 0  # what the state on flash does not know yet
        self._changed_at = 0
        self._retry_at = None
        self._full = False  # whether the last failure was for want of room
        self._open(folder)
        self.recovered = len(self)

    def _open(self, folder):
        self._make(folder)
        self.log = log = Log(folder, min(_LARGEST, self.limit // _SEGMENTS))
        self.state = state = State(folder + "/state")
        try:
            if not state.load(self._found):
                log.corrupt += 1
            log.next = state.next
            log.open(lambda number: not state.has(number))
        except OSError:
            self.errors += 1
        state.released = [number for number in state.released if log.find(number)]
        self._backlog = Backlog(log, state, self._held)
        self._backlog.restart(log.next - 1)

    def _make(self, folder):
        try:
            try:
                if os.stat(folder)[0] & 0x4000:
                    return
                os.rename(folder, folder + ".bad")  # a file of this name is not ours
            except OSError as e:
                if e.errno != 2:  # ENOENT
                    raise
            os.mkdir(folder)
        except OSError:
            self.errors += 1

    def _found(self, number, flags, body):
        record = Record(body, flags & 7, number)
        record.released = bool(flags & 8)
        self._keep(record)

    # appending

    def append(self, key, data, now, qos=1, latest=False):
        """Take a record. Return False when it was refused for want of room.

        key, data: bytes, together under 1,000; latest: it replaces one of its key that is not on its way yet.
        """
        record = Record(bytes((len(key),)) + key + data, qos | (LATEST if latest else 0), 0, now)
        size = HEAD + len(record.body)
        if size > LONGEST:
            raise ValueError("outbox: a record takes %d bytes at most" % LONGEST)
        if latest:
            self._supersede(key, now)  # which makes room
        if not (latest or self._make_room(size, now)) or not self._make_ram(size, now):
            self.dropped += 1
            return False
        self.appended += 1
        self._unsynced += size
        self._keep(record)
        return True

    def _keep(self, record):
        self._recent.append(record)
        self._used += _OVERHEAD + HEAD + len(record.body)

    def _forget(self, record, now):
        """Let go of a record's copy in RAM; what is on flash stays, but for one of LATEST."""
        self._recent.remove(record)
        self._used -= _OVERHEAD + HEAD + len(record.body)
        if not record.number:
            self._unsynced -= HEAD + len(record.body)
        elif record.flags & LATEST:
            self._note_change(now)

    def _supersede(self, key, now):
        for record in self._recent:
            if record.flags & LATEST and not record.taken and record.key == key:
                self.superseded += 1
                self._forget(record, now)
                return

    def _make_room(self, size, now):
        """Have room on flash. False: there is none."""
        log = self.log
        while log.bytes + self._unsynced + size > self.limit:
            if self.drop_newest or not log.segments:
                return False
            self._give_up(now)
        return True

    def _give_up(self, now):
        """Drop the oldest segment that has nothing on its way: an exchange of QoS 2 must be able to end."""
        segments = self.log.segments
        for segment in segments:
            if not any(r.number in segment and not r.flags & LATEST for r in self._flying):
                break
        else:
            segment = segments[0]
        self.dropped += segment.pending
        for record in self._recent[:]:
            if record.number in segment and not record.flags & LATEST:
                self._forget(record, now)
        self._remove(segment)

    def _remove(self, segment):
        self._backlog.pass_over(segment)
        self.log.remove(segment)
        self.state.forget(segment)

    def _make_ram(self, size, now):
        """Have room in RAM: the oldest records go to flash, or are given up if that fails. False: there is none."""
        while self._used + _OVERHEAD + size > self.ram:
            for oldest in self._recent:
                if not oldest.flags & LATEST:
                    break
            else:
                return True  # only the newest of some keys: they are few
            if oldest.number:
                self._backlog.add(oldest.number)
                self._forget(oldest, now)
            elif not self._flush(now, True):
                if self.drop_newest:
                    return False
                if self._full and self.log.segments:  # there is room where the oldest are
                    self._give_up(now)
                else:
                    self.dropped += not oldest.taken
                    self._forget(oldest, now)
        return True

    # delivering

    def peek(self, now):
        """Return the oldest Record that is not on its way, or None."""
        return self._backlog.peek() or self._waiting(now)

    def fresh(self, now):
        """Return the oldest Record in RAM that may overtake the one of peek(), or None.

        Records of QoS 2 never overtake: those whose exchanges are unfinished are then always the oldest.
        """
        if not self._backlog or len(self._backlog.ahead) >= _AHEAD:
            return None
        record = self._waiting(now)
        return None if record is None or record.qos == 2 else record

    def _waiting(self, now):
        for record in self._recent:
            if not record.taken:
                if not record.number and (not self.sync_ms or record.qos == 2):
                    self._flush(now)
                return record

    def take(self, record, now):
        """A record that peek() or fresh() returned is on its way."""
        record.taken = True
        if record is self._backlog.head:
            self._backlog.head = None
        if record.number:
            self._fly(record, now)

    def _fly(self, record, now):
        """A record is on flash and on its way: no copy in RAM is needed, but of the newest of a key."""
        self._flying.append(record)
        if not record.flags & LATEST and record in self._recent:
            self._forget(record, now)
            if self._backlog:
                self._backlog.ahead.add(record.number)

    def _held(self, segment):
        n = 0
        for records in (self._flying, self._recent):
            for record in records:
                n += record.number in segment and not record.flags & LATEST
        return n

    def release(self, records, now):
        """PUBREC has come for records of QoS 2: have that on flash before PUBREL is sent. False: it was not written."""
        for record in records:
            record.released = True
            if record.number and not record.flags & LATEST:
                self.state.released.append(record.number)
        return self._save(now)

    def unrelease(self, now):
        """The broker has forgotten the session: the exchanges of QoS 2 begin anew."""
        known = bool(self.state.released)
        for records in (self._flying, self._recent):
            for record in records:
                known = known or record.released
                record.released = False
        self.state.released.clear()
        return not known or self._save(now)

    def drop(self, record, now):
        """A record is acknowledged (PUBACK, PUBCOMP)."""
        if record is self._backlog.head:
            self._backlog.head = None
        if record in self._flying:
            self._flying.remove(record)
        if record in self._recent:
            self._forget(record, now)
        if not record.number or record.flags & LATEST:
            return
        segment = self.log.find(record.number)
        if segment and self.state.add(record.number):
            segment.pending -= 1
            if not segment.pending:
                self._remove(segment)
            self._note_change(now)
            if self._changed >= _DROPS:
                self._save(now)

    def unfinished(self, now):
        """Return the records of QoS 2 for which PUBREC had come, and take them: only PUBREL is still to be sent."""
        found = [record for record in self._recent if record.released]
        for record in self:
            if record.number in self.state.released and not record.flags & LATEST:
                record.released = True
                self._backlog.ahead.add(record.number)
                found.append(record)
        for record in found:
            self.take(record, now)
        return found

    def rewind(self):
        """Whatever was on its way is not any more: all that is not dropped is to be sent, from the oldest on."""
        self._flying.clear()
        last = self.log.next - 1
        for record in reversed(self._recent):
            record.taken = False
            if record.number and not record.flags & LATEST:
                last = record.number - 1
        self._backlog.restart(last)

    # writing

    def due(self, now):
        """Return ms until step() wants to be called, at most a minute."""
        wait = 60000
        if self._unsynced:
            wait = min(wait, self._left(self._first_unsynced(), now))
        if self._changed:
            wait = min(wait, self._left(self._changed_at, now))
        if self._retry_at is not None:
            wait = max(wait, ticks_diff(self._retry_at, now))
        return max(0, wait)

    def step(self, now):
        """Write what is due: records that have been in RAM only for sync_ms, and what was dropped."""
        if self._retry_at is not None:
            if ticks_diff(self._retry_at, now) > 0:
                return
            self._retry_at = None
        if self._unsynced and self._left(self._first_unsynced(), now) <= 0:
            self._flush(now)
        if self._changed and self._left(self._changed_at, now) <= 0:
            self._save(now)

    def sync(self, now):
        """Write everything now: before sleep, a reset, an update. Return whether all of it is on flash."""
        return self._flush(now, True) and (not self._changed or self._save(now))

    def _left(self, since, now):
        return self.sync_ms - ticks_diff(now, since)

    def _first_unsynced(self):
        for record in self._recent:
            if not record.number:
                return record.at

    def _flush(self, now, force=False):
        """Write what is in RAM only. Return whether nothing is, any more."""
        if not self._unsynced:
            return True
        if self._retry_at is not None and not force:
            return False
        records = [r for r in self._recent if not r.number and not r.flags & LATEST]
        slots = [r for r in self._recent if not r.number and r.flags & LATEST]
        try:
            if records:
                self.log.append(records)
                self._written(records, now)
        except OSError as e:
            self._failed(e, now)
            return False
        if slots:
            first = self.state.next_slot
            for record in slots:
                record.number = self.state.next_slot
                self.state.next_slot += 1
            if not self._save(now):
                self.state.next_slot = first
                for record in slots:
                    record.number = 0
                return False
            self._written(slots, now)
        return True

    def _written(self, records, now):
        for record in records:
            self._unsynced -= HEAD + len(record.body)
            if record.taken:
                self._fly(record, now)

    def _note_change(self, now):
        if not self._changed:
            self._changed_at = now
        self._changed += 1

    def _save(self, now):
        """Write the state. Return whether that worked."""
        if not self.log.segments:
            self.state.done.clear()
        slots = [r for r in self._recent if r.number and r.flags & LATEST]
        try:
            self.state.save(self.log.next, slots)
        except OSError as e:
            self._failed(e, now)
            return False
        self._changed = 0
        return True

    def _failed(self, error, now):
        self.errors += 1
        self._full = error.errno == _ENOSPC
        self._retry_at = ticks_add(now, _RETRY_MS)

    # looking

    def __len__(self):
        """Return how many records are not dropped yet."""
        n = 0
        for segment in self.log.segments:
            n += segment.pending
        for record in self._recent:
            n += not record.number or bool(record.flags & LATEST)
        return n

    def __iter__(self):
        """Yield all records that are not dropped, oldest first; the newest of keys after what is on flash."""
        log = self.log
        for segment in log.segments[:]:
            offset = 0
            while log.read(segment, offset):
                offset = log.end
                if not self.state.has(log.number):
                    yield Record(log.body(), log.flags, log.number)
        for record in self._recent:
            if not record.number or record.flags & LATEST:
                yield record

    @property
    def bytes(self):
        """Bytes of flash it takes, or will take."""
        return self.log.bytes + self._unsynced

    @property
    def corrupt(self):
        """Damaged places met."""
        return self.log.corrupt
