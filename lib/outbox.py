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
many at a time. Over a power cut nothing that is on flash is lost, and of what was dropped within the last sync_ms at most 16
come back. A record of QoS 2 is on flash before peek() returns it, and its release() before its PUBREL is sent, so that its
exchange goes on after a power cut where it was, with the same packet id.

Nothing here raises for what the flash does: what cannot be written stays in RAM, within bounds, and is counted. `now` is
ticks_ms everywhere. The format is in docs/outbox.md. MicroPython from 1.25 on; littlefs makes each write one step.
"""

import sys
from time import ticks_add, ticks_diff

from micropython import const
from outbox_backlog import BEGUN, LATEST, RELEASED, TAKEN, Record
from outbox_log import HEAD, LONGEST
from outbox_store import Store

_DROPS = const(16)  # dropped records after which the state is written
_AGAIN_MS = const(10000)  # between two attempts to read
_AHEAD = const(32)  # records on their way before older ones
_FEW = const(8)  # from flash on their way, in a crowded heap


class Outbox(Store):
    def __init__(self, folder, limit=131072, sync_ms=5000, drop_newest=False, ram=4096):
        """Open what is there, or make it.

        limit: bytes of flash, at least 8192; ram: bytes, at most half of limit, and up to 8 KB besides for the newest of keys; sync_ms: how long a
        record may be in RAM only, 0: until peek() returns it; drop_newest: when full append() refuses, instead of dropping
        the oldest, a sixteenth of all at a time (what is on its way is kept, and what shares a file with it).
        """
        super().__init__(folder, limit, drop_newest, ram)
        self.sync_ms = sync_ms
        self.appended = 0
        self.recovered = len(self)  # found on flash

    # appending

    def append(self, key, data, now, qos=1, latest=False):
        """Take a record. Return the Record, or None when it was refused for want of room.

        key, data: bytes, together at most 1,011; latest: it replaces one of its key that is not on its way yet.
        """
        if len(key) > 255:
            raise ValueError("outbox: a key has 255 bytes at most")
        record = Record(bytes((len(key),)) + key + data, qos | (LATEST if latest else 0), 0, now)
        size = HEAD + len(record.body)
        if size > LONGEST:
            raise ValueError("outbox: a record takes %d bytes at most" % LONGEST)
        old = self._newest_of(key) if latest else None
        if latest and not self._has_slot(record, old):
            record.flags = qos  # one like any other: too many keys
        if not (
            record.flags & LATEST or (self._make_room(size, now) and self._make_ram(size, now))
        ):
            self._lose(now)
            return None
        if old:
            self.superseded += 1
            if not old.number:
                record.at = old.at  # however often it is replaced, in sync_ms one is on flash
            self._forget(old, now)
        self.appended += 1
        self._unsynced += size
        self.keep(record)
        return record

    def _newest_of(self, key):
        for record in self._recent:
            # An exchange that is left alone takes one of the broker's few places for ever.
            if record.flags & (LATEST | BEGUN | TAKEN) == LATEST and record.key == key:
                return record

    # delivering

    def peek(self, now):
        """Return the oldest Record that is not on its way, or None: there is none, or no memory to read it."""
        if self.log.crowded and self._backlog and len(self._flying) >= _FEW:
            return None
        try:
            return self._backlog.peek() or self._safe(self._waiting(), now)
        except MemoryError:
            self.spare(now)
            return None

    def fresh(self, now, late=None, exchanges=True):
        """Return the oldest Record in RAM that may overtake the one of peek(), or None.

        Records of QoS 2 never overtake: those whose exchanges are unfinished are then always the oldest (not exchanges: they
        all go at QoS 1). Nor do those of which late(record) is true: they wait on flash until it is their turn.
        """
        if not self._backlog or len(self._backlog.ahead) >= _AHEAD:
            return None
        for record in self._recent[:]:
            if record.flags & TAKEN:
                continue
            if not (late and late(record)):
                return None if exchanges and record.qos == 2 else self._safe(record, now)
            if not record.flags & LATEST:
                if not (record.number or self._flush(now)):
                    return None
                self._leave(record, now)

    def _waiting(self):
        for record in self._recent:
            if not record.flags & TAKEN:
                return record

    def _safe(self, record, now):
        """Have a record on flash that must be there before it is sent, if the flash takes it."""
        if record is None:
            return None
        if record.flags & (LATEST | BEGUN) == LATEST and record.qos == 2:
            # That it may be sent is on flash, too: of those that only wait, over many restarts, the newest does.
            record.flags |= BEGUN
            if record.number:
                self._save(now)
        if not record.number and (not self.sync_ms or record.qos == 2):
            self._flush(now)
        return record

    def take(self, record, now):
        """A record that peek() or fresh() returned is on its way."""
        record.flags |= TAKEN
        if record is self._backlog.head:
            self._backlog.head = None
        if record.number:
            self._fly(record, now)

    def release(self, records, now):
        """PUBREC has come for records of QoS 2: have that on flash before PUBREL is sent. False: it was not written."""
        released = self.state.released
        for record in records:
            record.flags |= RELEASED
            number = record.number
            if number and number not in released and not record.flags & LATEST:
                released.append(number)
        return self._save(now)

    def unrelease(self, now):
        """The broker has forgotten the session: the exchanges of QoS 2 begin anew."""
        known = bool(self.state.released)
        for records in (self._flying, self._recent):
            for record in records:
                known = known or record.released
                record.flags &= ~RELEASED
        self.state.released.clear()
        return not known or self._save(now)

    def drop(self, record, now):
        """A record is acknowledged (PUBACK, PUBCOMP)."""
        if record is self._backlog.head:
            self._backlog.head = None
        known = record in self._flying
        if known:
            self._flying.remove(record)
        if record in self._recent:
            self._forget(record, now)
        if not record.number or record.flags & LATEST:
            return
        segment = self.log.find(record.number)
        if known and not segment:  # it was given up on its way, and has arrived
            self.dropped -= 1
            self._note_change(now)
        if segment and self.state.add(record.number):
            self._backlog.ahead.discard(record.number)  # it may be gone before reading comes to it
            segment.pending -= 1
            if not segment.pending:
                self._backlog.remove(segment)
            self._note_change(now)
            if self._changed >= _DROPS and self._retry_at is None:
                self._save(now)

    def unfinished(self, now):
        """Return the records of QoS 2 for which PUBREC had come, and take them: only PUBREL is still to be sent."""
        found, pids = [], set()
        for record in self:
            if self.state.is_released(record, pids):
                if not record.flags & LATEST:
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
            record.flags &= ~TAKEN
            if record.number and not record.flags & LATEST:
                last = record.number - 1
        self._backlog.restart(last)

    # writing

    def due(self, now):
        """Return ms until step() wants to be called, at most a minute."""
        if self._retry_at is not None:
            return max(0, ticks_diff(self._retry_at, now))
        wait = 60000
        if self._unsynced:
            wait = min(wait, self._left(self._unsynced_since(now), now))
        if self._changed:
            wait = min(wait, self._left(self._changed_at, now))
        return max(0, wait)

    def step(self, now):
        """Write what is due: records that have been in RAM only for sync_ms, and what was dropped.

        After a write that failed all is due: while the flash takes nothing, what waits grows older than ticks can tell.
        """
        self.log.hold()
        if self.unread:
            self.log.on_file(self._read_again, now)
        failed = self._retry_at is not None
        if failed and ticks_diff(self._retry_at, now) > 0:
            return
        self._retry_at = None
        if self._unsynced and (failed or self._left(self._unsynced_since(now), now) <= 0):
            self._flush(now)
        if self._changed and (failed or self._left(self._changed_at, now) <= 0):
            self._save(now)

    def sync(self, now):
        """Write everything now: before sleep, a reset, an update. Return whether all of it is on flash."""
        counted = not self._changed and self.dropped == self.state.dropped
        return self._flush(now, True) and (counted or self._save(now))

    def _read_again(self, now):
        """From time to time try what could not be read."""
        if self._again_at is not None and ticks_diff(self._again_at, now) > 0:
            return
        if self._again_at is not None:
            try:
                import outbox_again

                outbox_again.read(self)
            except MemoryError:
                pass  # the next time
            for name in ("outbox_again", "outbox_open"):
                sys.modules.pop(name, None)
        self._again_at = ticks_add(now, _AGAIN_MS) if self.unread else None

    def _left(self, since, now):
        return self.sync_ms - ticks_diff(now, since)

    def _unsynced_since(self, now):
        for record in self._recent:
            if not record.number and ticks_diff(record.at, now) < 0:
                now = record.at
        return now

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
