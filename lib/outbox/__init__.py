"""A durable store-and-forward queue for messages: an appended message stays until it is acknowledged.

    outbox = Outbox("queue")
    outbox.append(b"attic", b"21.3", ticks_ms())
    while True:
        outbox.step(ticks_ms())                      # writes what is due
        record = outbox.peek(ticks_ms())             # the oldest that is not on its way
        if record:
            client.publish(record.key, record.data, qos=1)
            outbox.drop(record, ticks_ms())          # it is acknowledged

A record is in RAM first. If it is acknowledged within `sync_ms`, it never costs a write; the others are written by then, many
at a time. A power cut loses nothing that is on flash, and of the records dropped within the last sync_ms at most 16 come back. A
record of QoS 2 is on flash before peek() returns it, and its release() before its PUBREL is sent. So after a power cut its
exchange goes on where it was, with the same packet id.

Nothing here raises for what the flash does: a record that cannot be written stays in RAM, within bounds, and is counted. `now` is
ticks_ms everywhere. The format is in docs/outbox.md. MicroPython from 1.25 on; littlefs makes each write one step.
"""

import sys
from errno import ENOENT
from time import ticks_add, ticks_diff

from flashfile import settle
from micropython import const

from outbox.backlog import Backlog
from outbox.log import BEGUN, FLAGS, HIGH, LATEST, LONGEST, MARKS, RELEASED, TAKEN, Record

_DROPS = const(16)  # dropped records before the state is written
_LOSSES = const(64)  # records given up one by one before it is
_RETRY_MS = const(10000)  # after a write that failed
_SOON_MS = const(1000)  # after one that lacked memory: a power cut would take what waits
_AGAIN_MS = const(10000)  # between two attempts to read
_AHEAD = const(32)  # records on their way before older ones
_FEW = const(8)  # records from flash on their way, in a crowded heap
_OVERHEAD = const(112)  # RAM of a record besides its frame's bytes, 32 bits
_SLOTS = const(8192)  # bytes of RAM for the newest of all keys, which are written all at once
_ENOSPC = const(28)  # littlefs's own, on every port


def _forget_modules():
    """Let go of the modules that are in memory only while they work."""
    for name in ("opening", "again", "lookup"):
        sys.modules.pop("outbox." + name, None)
        globals().pop(name, None)


class Outbox:
    def __init__(self, folder, limit=131072, sync_ms=5000, drop_newest=False, ram=4096):
        """Open the queue in a folder, or make it.

        limit: bytes of flash, at least 8192; ram: bytes, at most half of limit, and up to 8 KB besides for the newest of keys; sync_ms: how long a
        record may be in RAM only, 0: until peek() returns it; drop_newest: when full append() refuses, instead of dropping
        the oldest, a sixteenth of all at a time (what is on its way is kept, and what shares a file with it).
        """
        self.limit = limit
        self.sync_ms = sync_ms
        self.drop_newest = drop_newest
        self.ram = min(ram, limit // 2)
        self.appended = 0
        self.superseded = 0  # made way for a newer one of the same key
        self._changed = 0  # what the state on flash does not know yet
        self._changed_at = 0
        self._retry_at = None
        self._again_at = None  # when to read again what could not be read
        self._full = False  # whether the last failure was for want of room
        self.recent = []  # records in RAM, oldest first; those with a number are on flash, too
        self._used = 0  # bytes of RAM they take, but for
        self._slots = 0  # those of LATEST
        self._unsynced = 0  # bytes of flash those will take that are not on it
        try:
            from outbox import opening

            there = opening.make(folder)
            self.log, self.state, sound = opening.find(folder, limit, there, self.keep)
        finally:
            _forget_modules()
        self.backlog = Backlog(self.log, self.state, self.recent)
        # Was a record of QoS 2 given up that an earlier start may have sent?
        self.abandoned = not sound
        self.dropped = self.state.dropped  # given up for want of room, ever
        # Writes that failed, and files that could not be read.
        self.errors = self.unread + (not there)
        self.recovered = len(self)  # found on flash

    # appending

    def append(self, key, data, now, qos=1, latest=False):
        """Take a record. Return the Record, or None when it was refused for want of room.

        key, data: bytes, together at most 1,011; latest: it replaces one of its key that is not on its way yet.
        """
        if len(key) > 255:
            raise ValueError("outbox: a key has 255 bytes at most")
        record = Record(bytes((len(key),)) + key + data, qos | (LATEST if latest else 0), 0, now)
        size = record.frame_bytes
        if size > LONGEST:
            raise ValueError("outbox: a record takes %d bytes at most" % LONGEST)
        old = None
        if latest:
            old = self.newest_of(key)
            others = self._slots - (_OVERHEAD + old.frame_bytes if old else 0)
            if others + _OVERHEAD + size > _SLOTS:
                record.flags = qos  # as any other record: there are too many keys
        if not (
            record.flags & LATEST or (self._make_room(size, now) and self._make_ram(size, now))
        ):
            self._lose(now)
            return None
        if old:
            self.superseded += 1
            if not old.number:
                record.at = old.at  # however often it is replaced: within sync_ms one is on flash
            self._forget(old, now)
        self.appended += 1
        self.keep(record)
        return record

    def newest_of(self, key):
        """Return the record of LATEST that a newer one of its key replaces, or None."""
        for record in self.recent:
            # An abandoned exchange takes one of the broker's few places for ever.
            if record.flags & (LATEST | BEGUN | TAKEN) == LATEST and record.key == key:
                return record

    def keep(self, record):
        """Keep a record in RAM."""
        self.recent.append(record)
        self._count(record, 1)

    def _forget(self, record, now):
        """Let go of a record's copy in RAM; its copy on flash stays, but not that of a LATEST."""
        self.recent.remove(record)
        self._count(record, -1)
        if record.number and record.flags & LATEST:
            self._note_change(now)

    def _count(self, record, sign):
        size = sign * record.frame_bytes
        if not record.number:
            self._unsynced += size
        size += sign * _OVERHEAD
        if record.flags & LATEST:
            self._slots += size
        else:
            self._used += size

    def _make_room(self, size, now):
        """Make room on flash. False: there is none."""
        while self.log.bytes + self._unsynced + size > self.limit:
            if self.drop_newest or not self._give_up(now):
                return False
        return True

    def _give_up(self, now):
        """Drop the oldest segment. False: there is none."""
        segment = self.backlog.oldest()
        if not segment:  # make a segment of what is in RAM
            return self._unsynced > 0 and self._flush(now, True)
        self.abandoned = self.abandoned or self.backlog.may_have_begun(segment)
        self.dropped += segment.pending
        self._note_change(now)
        for record in self.recent[:]:
            if segment.holds(record):
                self._forget(record, now)
        # Their count and their end are in one write, before they are gone: after a power cut both are there, or neither.
        self.state.close(segment)
        counted = self._save(now)
        self.backlog.remove(segment)
        if not counted:  # perhaps it lacked room, of which there is some now
            self._save(now)
        return True

    def _make_ram(self, size, now):
        """Make room in RAM: the oldest records go to flash, or are given up if that fails. False: there is none."""
        while self._used + _OVERHEAD + size > self.ram:
            for oldest in self.recent:
                if not oldest.flags & LATEST:
                    break
            else:
                return True  # one record, larger than that
            if oldest.number:
                self._leave(oldest, now)
            elif not self._flush(now, True):
                if self.drop_newest:
                    return False
                # If it lacked room: there is some where the oldest are.
                if not (self._full and self._give_up(now)):
                    if not oldest.flags & TAKEN:
                        self._lose(now)
                    self._forget(oldest, now)
        return True

    def _lose(self, now):
        """Give up a record that never reached flash. Its count is not written each time."""
        self.dropped += 1
        if self.dropped - self.state.dropped >= _LOSSES:
            self._note_change(now)

    def _leave(self, record, now):
        """Keep a record on flash only."""
        self.backlog.add(record.number)
        self._forget(record, now)

    def spare(self, now):
        """Let go of copies in RAM of what is on flash: there is no memory. Stops where there is not enough even for that."""
        try:
            for record in self.recent[:]:
                if record.number and not record.flags & (LATEST | TAKEN):
                    self._leave(record, now)
        except MemoryError:
            pass

    # delivering

    def peek(self, now):
        """Return the oldest Record that is not on its way, or None: there is none, or no memory to read it."""
        if self.log.crowded and self.backlog and len(self.backlog.flying) >= _FEW:
            return None
        try:
            return self.backlog.peek() or self._safe(self._waiting(), now)
        except MemoryError:
            self.spare(now)
            return None

    def fresh(self, now, late=None, exchanges=True):
        """Return the oldest Record in RAM that may overtake the one of peek(), or None.

        Records of QoS 2 never overtake, so that those with unfinished exchanges are always the oldest (exchanges false: all
        go at QoS 1). Nor do records for which late(record) is true: they wait on flash for their turn.
        """
        if not self.backlog or len(self.backlog.ahead) >= _AHEAD:
            return None
        for record in self.recent[:]:
            if record.flags & TAKEN:
                continue
            if not (late and late(record)):
                return None if exchanges and record.qos == 2 else self._safe(record, now)
            if not record.flags & LATEST:
                if not (record.number or self._flush(now)):
                    return None
                self._leave(record, now)

    def _waiting(self):
        for record in self.recent:
            if not record.flags & TAKEN:
                return record

    def _safe(self, record, now):
        """Write a record, if there is one, that must be on flash before it is sent. Return it, even if the flash does not take it."""
        if record is None:
            return None
        if record.flags & (LATEST | BEGUN) == LATEST and record.qos == 2:
            # From now on its exchange may have begun, so a newer one of its key must not replace it. Flash has to know that, too.
            record.flags |= BEGUN
            if record.number:
                self._save(now)
        if not record.number and (not self.sync_ms or record.qos == 2):
            self._flush(now)
        return record

    def is_older(self, one, other):
        """Was one Record appended before another? Records of `latest` have no place in the order: always yes."""
        if (one.flags | other.flags) & LATEST:
            return True
        if one.number and other.number:
            return one.number < other.number
        if one.number or other.number:
            return bool(one.number)
        return self.recent.index(one) < self.recent.index(other)

    def take(self, record, now, mark=0):
        """Note that a record of peek() or fresh() is on its way, perhaps once more. mark: 0 to 3, kept with it for the program."""
        taken = record.flags & TAKEN
        record.flags = record.flags & FLAGS | TAKEN | mark << MARKS
        if not taken:
            self._fly(record, now)

    def _fly(self, record, now):
        """A record is on its way. If it is on flash it needs no copy in RAM, unless it is the newest of a key."""
        self.backlog.take(record)
        if record.number and not record.flags & LATEST and record in self.recent:
            self._forget(record, now)
            self.backlog.overtake(record)

    def release(self, records, now):
        """Write that PUBREC has come for records of QoS 2, before PUBREL is sent. False: it was not written."""
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
        for records in (self.backlog.flying, self.recent):
            for record in records:
                known = known or record.released
                record.flags &= ~RELEASED
        self.state.released.clear()
        return not known or self._save(now)

    def drop(self, record, now, damaged=False):
        """A record is acknowledged (PUBACK, PUBCOMP). damaged: the program did not write it; count it in `corrupt`."""
        self.log.corrupt += damaged
        if record in self.recent:
            self._forget(record, now)
        news = self.backlog.drop(record)
        if news:
            self._note_change(now)
        if news < 0:
            self.dropped -= 1
        elif news and self._changed >= _DROPS and self._retry_at is None:
            self._save(now)

    def unfinished(self, now):
        """Return the records of QoS 2 for which PUBREC had come, and take them: only PUBREL is still to be sent."""
        found, pids = [], set()
        for record in self:
            if self.state.is_released(record, pids):
                if not record.flags & LATEST:
                    self.backlog.overtake(record)
                found.append(record)
        for record in found:
            self.take(record, now)
        return found

    def rewind(self):
        """Nothing is on its way any more: everything not dropped is to be sent, from the oldest on."""
        last = self.log.next - 1
        for record in reversed(self.recent):
            record.flags &= ~TAKEN
            if record.number and not record.flags & LATEST:
                last = record.number - 1
        self.backlog.restart(last)

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
        """Write what is due: records that have been only in RAM for sync_ms, and drops.

        After a failed write everything is due: while the flash takes nothing, records grow older than ticks can tell.
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

    def _left(self, since, now):
        return self.sync_ms - ticks_diff(now, since)

    def _unsynced_since(self, now):
        for record in self.recent:
            if not record.number and ticks_diff(record.at, now) < 0:
                now = record.at
        return now

    def sync(self, now):
        """Write everything now: before sleep, a reset, an update. Return whether all of it is on flash."""
        counted = not self._changed and self.dropped == self.state.dropped
        return self._flush(now, True) and (counted or self._save(now))

    def _flush(self, now, force=False):
        """Write the records that are only in RAM. Return whether none is left. MemoryError: only if it has to be now."""
        if not self._unsynced:
            return True
        if (self._retry_at is not None and not force) or not self._number(now):
            return False
        records = []
        for record in self.recent:
            if not (record.number or record.flags & LATEST):
                records.append(record)
        try:
            if records:
                try:
                    try:
                        self.log.on_file(self.log.append, records)
                    except MemoryError:
                        if records[0].number:
                            raise
                        self.spare(now)
                        self.log.on_file(self.log.append, records)
                finally:  # after a MemoryError some are numbered
                    self._written(records, now)
        except (OSError, MemoryError) as e:
            if force and isinstance(e, MemoryError):
                raise
            self._failed(e, now)
            return False
        return not self._unsynced or self._save(now)

    def _number(self, now):
        """Begin the numbers anew if they have come far. The state must know first: it may take 1 for done. False: not written."""
        log, following = self.log, self.log.next
        if following >= HIGH and not (log.segments or self.state.unread):
            log.next = 1
            if not self._save(now):
                log.next = following
                return False
        return True

    def _written(self, records, now):
        for record in records:
            if not record.number:
                break
            self._unsynced -= record.frame_bytes
            if record.flags & TAKEN:
                self._fly(record, now)
        if not self._unsynced:
            self._retry_at = None

    def _note_change(self, now):
        if not self._changed:
            self._changed_at = now
        self._changed += 1

    def _save(self, now):
        """Write the state, with the newest of every key. Return whether that worked."""
        state = self.state
        slots, fresh = [], []
        for record in self.recent:
            if record.flags & LATEST:
                slots.append(record)
                if not record.number:  # the one that it replaces is no longer on flash
                    fresh.append(record)
        following = state.next_slot
        for record in fresh:
            record.number = state.next_of_slots()
        save = state.save, self.log.next, slots, self.dropped
        try:
            try:
                self.log.on_file(*save)
            except MemoryError:
                self.spare(now)
                self.log.on_file(*save)
        except (OSError, MemoryError) as e:
            for record in fresh:
                record.number = 0
            state.next_slot = following
            if isinstance(e, MemoryError):
                self._note_change(now)  # the file may be half there
            self._failed(e, now)
            return False
        self._changed = 0
        self._written(fresh, now)
        return True

    def _failed(self, error, now):
        """A write failed: the flash took nothing, or a file needed 1.2 KB in one piece, which may be free again soon."""
        self.errors += 1
        self._retry_at = ticks_add(now, _RETRY_MS if isinstance(error, OSError) else _SOON_MS)
        self._full = False
        if isinstance(error, OSError):
            settle(self.log.folder)
            self._full = error.errno == _ENOSPC
            if error.errno == ENOENT:  # perhaps the folder has vanished
                try:
                    from outbox import opening

                    self.errors += not opening.make(self.log.folder)
                except MemoryError:
                    pass  # the next write finds that out, too
                _forget_modules()

    def _read_again(self, now):
        """From time to time try what could not be read."""
        if self._again_at is not None and ticks_diff(self._again_at, now) > 0:
            return
        if self._again_at is not None:
            try:
                from outbox import again

                again.read(self)
            except MemoryError:
                pass  # the next time
            _forget_modules()
        self._again_at = ticks_add(now, _AGAIN_MS) if self.unread else None

    # looking

    def __len__(self):
        """Return how many records are not dropped yet."""
        n = 0
        for segment in self.log.segments:
            n += segment.pending
        for record in self.recent:
            n += not record.number or bool(record.flags & LATEST)
        return n

    def __iter__(self):
        """Yield all records that are not dropped, oldest first; the newest of keys after what is on flash."""
        log = self.log
        for segment in log.segments[:]:
            offset = 0
            while log.read(segment, offset):
                offset = log.end
                if not self.state.is_done(log.number):
                    yield Record(log.body(), log.flags, log.number)
        for record in self.recent:
            if not record.number or record.flags & LATEST:
                yield record

    def last(self):
        """Return the last record of the log that is still on flash, dropped or not, and the newest of each `latest` key."""
        try:
            from outbox import lookup

            return lookup.last(self)
        finally:
            _forget_modules()

    def load(self, records):
        """Read key and data of unloaded records again, as far as the flash can be read. MemoryError: perhaps only of some."""
        try:
            from outbox import lookup

            lookup.load(self, records)
        finally:
            _forget_modules()

    @property
    def bytes(self):
        """Bytes of flash that the queue takes, or will take."""
        return self.log.bytes + self._unsynced

    @property
    def corrupt(self):
        """Damaged places met."""
        return self.log.corrupt

    @property
    def unread(self):
        """How many files, or the folder, the flash fails to read. New records go into other files; these are tried again."""
        n = self.state.unread + (not self.log.listed)
        for segment in self.log.segments:
            n += segment.unread
        return n
