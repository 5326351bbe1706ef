"""What of the log is still to be delivered: State knows, in a file, which records are done; Backlog reads the others in order.

The file also says which exchanges of QoS 2 are released, and has the newest record of each `latest` key. It is small, and written whole and
in place: littlefs replaces it in one step, or not at all. With up to 128 bytes (512 on a Pico) it lives in the directory itself and costs
no block of its own. Format: docs/outbox.md.
"""

from binascii import crc32
from errno import EIO
from struct import pack, pack_into

from flashfile import uninterrupted
from micropython import const

from outbox.log import HEAD, LATEST, NO_LIMIT, ON_FLASH, QOS, RELEASED, Record, write_frame

_VERSION = const(2)
_FIXED = const(24)  # CRC, length, version, counts, next of log and slots, given up
_PIECE = const(128)  # bytes written at once


class State:
    """Which records of the log are done, and which exchanges are released."""

    def __init__(self, path, opened=open):
        """opened: what opens the file."""
        self.path = path
        self.open = opened
        self.done = []  # first and last of each range of numbers in the log that are done, ascending, apart
        self.released = []  # numbers in the log for which PUBREC came
        self.next = 1  # no number of the log from here on is in `done` or `released`
        self.next_slot = 1
        self.dropped = 0  # records given up, ever
        self.unread = False  # the flash fails there: never overwritten, read again later

    def save(self, following, slots, dropped):
        """Write the file. following: number of the log's next record; slots: records. OSError: it is as it was."""
        if self.unread:
            raise OSError(EIO)
        self.next = min(following, NO_LIMIT)
        self.dropped = dropped & 0xFFFFFFFF
        size = _FIXED + 4 * len(self.done) + 4 * len(self.released)
        for record in slots:
            size += record.frame_bytes
        # The CRC of everything stands first: the pieces go through it once without the file. In one piece they would need
        # a kilobyte or more, which a crowded heap may not have.
        crc = 0

        def count(piece):
            nonlocal crc
            crc = crc32(piece, crc)

        piece, head = bytearray(_PIECE), bytearray(HEAD)
        self._write(count, piece, head, size, slots)
        crc = pack("<I", crc)
        # In place: littlefs keeps what was there until the file is closed, and if the flash is full.
        with uninterrupted, self.open(self.path, "wb") as f:
            f.write(crc)
            self._write(f.write, piece, head, size, slots)

    def _write(self, write, piece, head, size, slots):
        numbers = len(self.done) // 2, len(self.released)
        numbers += self.next, self.next_slot, self.dropped
        pack_into("<HHHHIII", piece, 0, size, _VERSION, *numbers)
        at = _FIXED - 4
        for each in (self.done, self.released):
            for number in each:
                if at == _PIECE:
                    write(piece)
                    at = 0
                pack_into("<I", piece, at, number)
                at += 4
        write(memoryview(piece)[:at])
        at = _FIXED + 4 * len(self.done) + 4 * len(self.released)
        for record in slots:
            flags = record.flags & (ON_FLASH | RELEASED)
            at += write_frame(write, head, at, record.number, flags, record.body)

    def is_done(self, number):
        """Return whether a record of the log is done."""
        done = self.done
        for i in range(0, len(done), 2):
            if done[i] <= number <= done[i + 1]:
                return True
        return False

    def is_released(self, record, pids):
        """Has PUBREC come for a record? pids: the packet ids of those for which it has.

        No outbox has two of one id. If the flash says so, the later exchange begins anew: PUBREC was for one of them.
        """
        logged = not record.flags & LATEST
        if not (record.number in self.released if logged else record.flags & RELEASED):
            return False
        if record.pid in pids:
            record.flags &= ~RELEASED
            if logged:
                self.released.remove(record.number)
            return False
        record.flags |= RELEASED
        pids.add(record.pid)
        return True

    def add(self, number):
        """A record of the log is done. Return False if it was already."""
        if number in self.released:
            self.released.remove(number)
        if self.is_done(number):
            return False
        self._join(number, number)
        return True

    def _join(self, first, last):
        """Mark a range as done, and join it with those that it meets or follows."""
        done = self.done
        i = 0
        while i < len(done) and done[i] <= last + 1:
            if done[i + 1] + 1 < first:
                i += 2
            else:
                first, last = min(first, done.pop(i)), max(last, done.pop(i))
        done.insert(i, last)
        done.insert(i, first)

    def next_of_slots(self):
        """Return the number of the next `latest` record. They begin anew: few are there at a time."""
        number = self.next_slot
        self.next_slot = number + 1 if number + 1 < NO_LIMIT else 1
        return number

    def prune(self, segments):
        """Forget all numbers outside these segments: there are no others."""
        done = self.done
        kept = 0
        for i in range(0, len(done), 2):
            if _meets(done[i], done[i + 1], segments):
                done[kept], done[kept + 1] = done[i], done[i + 1]
                kept += 2
        while len(done) > kept:
            done.pop()
        for number in self.released[:]:
            if not _meets(number, number, segments):
                self.released.remove(number)

    def close(self, segment):
        """Mark a whole segment as done."""
        for number in self.released[:]:
            if number in segment:
                self.released.remove(number)
        self._join(segment.first, segment.last)


def _meets(first, last, segments):
    for segment in segments:
        if first <= segment.last and segment.first <= last:
            return True
    return False


class Backlog:
    """The records that are on flash: what is on its way, and what comes next."""

    def __init__(self, log, state, recent):
        """recent: the records in RAM, of which some are on flash, too."""
        self.log = log
        self.state = state
        self.recent = recent
        self.flying = []  # records that are on flash and on their way
        self.fresh_from = log.next  # below are the numbers of earlier starts
        self.restart(log.next - 1)

    def restart(self, last):
        """Nothing is on its way: read again from the oldest record, up to the one with this number."""
        self.flying.clear()
        self.last = last
        self.come_back()

    def come_back(self):
        """Read once more from the oldest record: something can be read again."""
        segments = self.log.segments
        ahead = set()
        for record in self.flying:
            if not record.flags & LATEST:
                ahead.add(record.number)
        self.ahead = ahead  # numbers of records not to be returned: they were taken before
        self.head = None  # the record that was read last, and is not taken yet
        self.cursor = (segments[0], 0) if segments else None

    def __bool__(self):
        return bool(self.cursor or self.head)

    # reading

    def add(self, number):
        """Take up the record of this number, newer than all others here: from now on it is only on flash."""
        try:
            if not self.cursor:
                log = self.log
                segment = log.find(number)
                offset = 0
                while log.read(segment, offset) and log.number < number:
                    offset = log.end  # it is done, or on its way
                if not segment.unread:
                    self.cursor = (segment, offset)
        except MemoryError:
            self.come_back()
        self.last = number

    def peek(self):
        """Return the oldest record that is not taken yet, or None. MemoryError: there is none to read it now."""
        while self.head is None and self.cursor:
            self.log.hold()  # here, where no caller has worked with a file
            self._read()
        return self.head

    def _read(self):
        log = self.log
        segment, offset = self.cursor
        if not log.read(segment, offset):
            self.pass_over(segment)
            if not segment.unread:
                self._leave(segment)
        elif log.number > self.last:
            self.cursor = None
        else:
            number = log.number
            self.cursor = (segment, log.end)
            if number in self.ahead:
                self.ahead.remove(number)
            elif not self.state.is_done(number):
                self.head = Record(log.body(), log.flags, number)
        if not self.cursor:
            self.ahead.clear()

    def _leave(self, segment):
        """Leave a segment that was read to its end: others hold its pending records, or they can no longer be read."""
        held = 0
        for record in self.flying + self.recent:
            held += segment.holds(record)
        if segment.pending > held:
            self.log.corrupt += 1
            segment.pending = held
            if not held:
                self.remove(segment)

    def pass_over(self, segment):
        """If reading has come to a segment, go on with the next."""
        if self.head and self.head.number in segment:
            self.head = None
        if self.cursor and self.cursor[0] is segment:
            following = self.log.after(segment)
            self.cursor = (following, 0) if following else None

    # on their way

    def take(self, record):
        """A record is on its way, read here or not."""
        if record is self.head:
            self.head = None
        if record.number:
            self.flying.append(record)

    def overtake(self, record):
        """A taken record is only on flash from now on: reading passes over it."""
        if self:
            self.ahead.add(record.number)

    def drop(self, record):
        """A record is acknowledged. Return 1: the state has to know; -1: it had been given up on its way, and has arrived; 0: neither."""
        if record is self.head:
            self.head = None
        known = record in self.flying
        if known:
            self.flying.remove(record)
        if not record.number or record.flags & LATEST:
            return 0
        segment = self.log.find(record.number)
        if not segment:
            return -known
        if not self.state.add(record.number):
            return 0
        self.ahead.discard(record.number)  # it may be gone before reading comes to it
        segment.pending -= 1
        if not segment.pending:
            self.remove(segment)
        return 1

    # giving up

    def oldest(self):
        """Return the oldest segment that has nothing on its way: an exchange of QoS 2 must be able to end. None: there is none to read."""
        first = None
        for segment in self.log.segments:
            if not segment.unread:
                for record in self.flying:
                    if segment.holds(record):
                        break
                else:
                    return segment
                first = first or segment
        return first

    def may_have_begun(self, segment):
        """Has a segment records of QoS 2 from before this start? Nobody knows which of them were sent."""
        log, offset = self.log, 0
        try:
            while segment.first < self.fresh_from and log.read(segment, offset):
                if log.flags & QOS == 2 and not self.state.is_done(log.number):
                    return True
                offset = log.end
        except MemoryError:
            return True
        return False

    def remove(self, segment):
        """Remove a segment, whatever is in it, and forget what is known of it."""
        self.pass_over(segment)
        self.log.remove(segment)
        if self.log.listed:
            self.state.prune(self.log.segments + self.log.left)
