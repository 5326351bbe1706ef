"""Where an Outbox has its records: in RAM, on flash, or both; and how they come from one to the other."""

import sys
from errno import ENOENT
from time import ticks_add

from flashfile import settle
from micropython import const
from outbox_backlog import LATEST, QOS, TAKEN
from outbox_log import HEAD, HIGH

_OVERHEAD = const(112)  # RAM of a record besides its body, 32 bits
_SLOTS = const(8192)  # bytes of RAM for the newest of all keys, which are written all at once
_LOSSES = const(64)  # records given up one by one after which the state is written
_RETRY_MS = const(10000)  # after a write that failed
_SOON_MS = const(1000)  # after one for want of memory: a power cut would take what waits
_ENOSPC = const(28)  # littlefs's own, on every port


def _ram(record):
    """Return the bytes of RAM that a record is taken for."""
    return _OVERHEAD + HEAD + len(record.body)


def _is_in(record, segment):
    """Is a record in a segment? Those of LATEST are in none: they have numbers of their own."""
    return record.number in segment and not record.flags & LATEST


class Store:
    def __init__(self, folder, limit, drop_newest, ram):
        """What outbox.py's Outbox stands on, and is given."""
        self.limit = limit
        self.drop_newest = drop_newest
        self.ram = min(ram, limit // 2)
        self.dropped = 0  # given up for want of room, ever
        self.superseded = 0  # made way for a newer one of the same key
        self.errors = 0  # writes that failed
        self.abandoned = False  # was one of QoS 2 given up that an earlier start may have sent?
        self._recent = []  # in RAM, oldest first; on flash, too, if numbered
        self._used = 0  # bytes of RAM they take, but for
        self._newest = 0  # those of LATEST
        self._unsynced = 0  # bytes of flash those will take that are not on it
        self._flying = []  # on flash and on their way
        self._changed = 0  # what the state on flash does not know yet
        self._changed_at = 0
        self._retry_at = None
        self._again_at = None  # when what could not be read is read again
        self._full = False  # whether the last failure was for want of room
        import outbox_open

        outbox_open.fill(self, folder)
        del sys.modules["outbox_open"]

    @property
    def unread(self):
        """Files, or the folder, that the flash fails to read: new records go beside them, and they are tried again."""
        n = self.state.unread + (not self.log.listed)
        for segment in self.log.segments:
            n += segment.unread
        return n

    def is_pending(self, number):
        """Is a record of the log still to be delivered?"""
        return not self.state.has(number)

    def is_older(self, one, other):
        """Was one Record appended before another? Those of `latest` have no place among the others: they always were."""
        if (one.flags | other.flags) & LATEST:
            return True
        if one.number and other.number:
            return one.number < other.number
        if one.number or other.number:
            return bool(one.number)
        return self._recent.index(one) < self._recent.index(other)

    def keep(self, record):
        """Have a record in RAM."""
        self._recent.append(record)
        self._use(record, 1)

    def _use(self, record, sign):
        size = sign * _ram(record)
        if record.flags & LATEST:
            self._newest += size
        else:
            self._used += size

    def _forget(self, record, now):
        """Let go of a record's copy in RAM; what is on flash stays, but for one of LATEST."""
        self._recent.remove(record)
        self._use(record, -1)
        if not record.number:
            self._unsynced -= HEAD + len(record.body)
        elif record.flags & LATEST:
            self._note_change(now)

    def _make_room(self, size, now):
        """Have room on flash. False: there is none."""
        log = self.log
        while log.bytes + self._unsynced + size > self.limit:
            if self.drop_newest or not self._give_up(now):
                return False
        return True

    def _give_up(self, now):
        """Drop the oldest segment that has nothing on its way: an exchange of QoS 2 must be able to end. False: there is none."""
        segments = [segment for segment in self.log.segments if not segment.unread]
        if not segments:  # make one of what is in RAM
            return self._unsynced > 0 and self._flush(now, True)
        for segment in segments:
            if not any(_is_in(record, segment) for record in self._flying):
                break
        else:
            segment = segments[0]
        self.abandoned = self.abandoned or self._may_have_begun(segment)
        self.dropped += segment.pending
        self._note_change(now)
        for record in self._recent[:]:
            if _is_in(record, segment):
                self._forget(record, now)
        # Counted and done in one write, before they are gone: a power cut finds both, or neither.
        self.state.close(segment)
        counted = self._save(now)
        self._backlog.remove(segment)
        if not counted:  # for want of room, perhaps, of which there is some now
            self._save(now)
        return True

    def _may_have_begun(self, segment):
        """Has a segment records of QoS 2 of before this start? Nobody knows which were sent."""
        log, offset = self.log, 0
        try:
            while segment.first < self.fresh_from and log.read(segment, offset):
                if log.flags & QOS == 2 and self.is_pending(log.number):
                    return True
                offset = log.end
        except MemoryError:
            return True
        return False

    def _lose(self, now):
        """A record is given up, of which the flash knows nothing: that it was need not cost a write each time."""
        self.dropped += 1
        if self.dropped - self.state.dropped >= _LOSSES:
            self._note_change(now)

    def _has_slot(self, record, old):
        """Is there room for the newest of a key, once the old one, or None, is gone?"""
        return self._newest + _ram(record) - (_ram(old) if old else 0) <= _SLOTS

    def _make_ram(self, size, now):
        """Have room in RAM: the oldest records go to flash, or are given up if that fails. False: there is none."""
        while self._used + _OVERHEAD + size > self.ram:
            for oldest in self._recent:
                if not oldest.flags & LATEST:
                    break
            else:
                return True  # one record, larger than that
            if oldest.number:
                self._leave(oldest, now)
            elif not self._flush(now, True):
                if self.drop_newest:
                    return False
                # If it was want of room, there is some where the oldest are.
                if not (self._full and self._give_up(now)):
                    if not oldest.flags & TAKEN:
                        self._lose(now)
                    self._forget(oldest, now)
        return True

    def _leave(self, record, now):
        """A record is on flash only from now on."""
        try:
            self._backlog.add(record.number)
        except MemoryError:
            self._backlog.come_back(self._flying)
            self._backlog.last = record.number
        self._forget(record, now)

    def spare(self, now):
        """There is no memory: let go of copies of what is on flash, as far as there is some to do that."""
        try:
            for record in self._recent[:]:
                if record.number and not record.flags & (LATEST | TAKEN):
                    self._leave(record, now)
        except MemoryError:
            pass

    def _fly(self, record, now):
        """A record is on flash and on its way: no copy in RAM is needed, but of the newest of a key."""
        self._flying.append(record)
        if not record.flags & LATEST and record in self._recent:
            self._forget(record, now)
            if self._backlog:
                self._backlog.ahead.add(record.number)

    def _held(self, segment):
        return sum([_is_in(record, segment) for record in self._flying + self._recent])

    def _flush(self, now, force=False):
        """Write what is in RAM only. Return whether nothing is, any more. MemoryError: only if it has to be now."""
        if not self._unsynced:
            return True
        if (self._retry_at is not None and not force) or not self._number(now):
            return False
        records = [r for r in self._recent if not r.number and not r.flags & LATEST]
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
        """If the numbers have come far, begin anew. The state must know before: it may take 1 for done. False: not written."""
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
            self._unsynced -= HEAD + len(record.body)
            if record.flags & TAKEN:
                self._fly(record, now)
        if not self._unsynced:
            self._retry_at = None

    def _note_change(self, now):
        if not self._changed:
            self._changed_at = now
        self._changed += 1

    def _save(self, now):
        """Write the state, the newest of every key in it. Return whether that worked."""
        state = self.state
        slots = [r for r in self._recent if r.flags & LATEST]
        fresh = [r for r in slots if not r.number]  # what they replace is not on flash any more
        following = state.next_slot
        for record in fresh:
            record.number = state.next_of_slots()
        save = state.save, self.log.next, slots, self.dropped, self.log.open
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
                self._note_change(now)  # the file may be there by half
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
            if error.errno == ENOENT:
                self._restore()

    def _restore(self):
        """The folder has vanished, perhaps."""
        try:
            import outbox_open

            outbox_open.make(self, self.log.folder)
        except MemoryError:
            pass  # the next write finds that out, too
        sys.modules.pop("outbox_open", None)
