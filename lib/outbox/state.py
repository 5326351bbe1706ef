"""What of the log is done, which exchanges of QoS 2 are released, and the newest record of each `latest` key.

One small file, `state`, written whole and in place: littlefs replaces it in one step, or not at all. While it has up to
128 bytes (512 on a Pico) it lives in the directory itself and costs no block of its own.
"""

from binascii import crc32
from errno import EIO
from struct import pack, pack_into

from micropython import const

from outbox.log import HEAD, LATEST, NO_LIMIT, ON_FLASH, RELEASED, write_frame

_VERSION = const(2)
_FIXED = const(24)  # CRC, length, version, counts, next of log and slots, given up
_PIECE = const(128)  # bytes written at once


class State:
    def __init__(self, path, opened=open):
        """opened: what opens the file."""
        self.path = path
        self.open = opened
        self.done = []  # first and last of each range of numbers in the log that are done, ascending, apart
        self.released = []  # numbers in the log for which PUBREC came
        self.next = 1  # no number of the log from here on is in `done` or `released`
        self.next_slot = 1
        self.dropped = 0  # records given up, ever
        self.unread = False  # the flash fails there: it is not written over, and read again later

    def save(self, following, slots, dropped):
        """Write the file. following: number of the log's next record; slots: records. OSError: it is as it was."""
        if self.unread:
            raise OSError(EIO)
        self.next = min(following, NO_LIMIT)
        self.dropped = dropped & 0xFFFFFFFF
        size = _FIXED + 4 * len(self.done) + 4 * len(self.released)
        for record in slots:
            size += record.frame_bytes
        # What is before it is the CRC of all: it goes through the pieces once, without the file. In one piece they would need
        # a kilobyte or more, which a crowded heap may not have.
        crc = 0

        def count(piece):
            nonlocal crc
            crc = crc32(piece, crc)

        piece, head = bytearray(_PIECE), bytearray(HEAD)
        self._write(count, piece, head, size, slots)
        crc = pack("<I", crc)
        # In place: littlefs keeps what was there until the file is closed, and if the flash is full.
        with self.open(self.path, "wb") as f:
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

    def has(self, number):
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
        if self.has(number):
            return False
        self._join(number, number)
        return True

    def _join(self, first, last):
        """These are done: one range with those that they meet, or follow."""
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
        """These are all segments there are: nothing needs to be known of other numbers."""
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
        """All of a segment is done."""
        for number in self.released[:]:
            if number in segment:
                self.released.remove(number)
        self._join(segment.first, segment.last)


def _meets(first, last, segments):
    for segment in segments:
        if first <= segment.last and segment.first <= last:
            return True
    return False
