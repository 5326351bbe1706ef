"""Records on flash, in order, in append-only segments: what outbox.py's Outbox stands on. Format: docs/outbox.md.

A segment is a file named by the number of its first record, in eight hexadecimal digits; the others have higher ones. It
is written by appending and closing, which littlefs makes one step that happens or does not, read through one buffer, and
removed whole. A frame that is damaged, or was written elsewhere, is skipped: reading goes on at the next byte at which a
sound one begins.
"""

import os
from errno import EIO, EISDIR, ENOENT
from struct import unpack_from

from micropython import const
from outbox_frame import HEAD, LONGEST, MARK, check_frame, write_frame
from outbox_reading import file_size, is_nothing, opened, patiently, segments, settle

_SHORTEST = const(13)  # bytes of a frame: its body begins with the length of the key
_NO_LIMIT = 1 << 32
_MOST = const(1261)  # records of a segment: 16 KB of the shortest


class Segment:
    def __init__(self, first):
        self.first = first  # number of its first record
        self.last = first - 1
        self.size = 0  # bytes that are known to be records
        self.pending = 0  # records not done yet
        self.below = _NO_LIMIT  # its numbers are
        self.sealed = False  # something is wrong behind `size`: nothing is appended
        self.unread = (
            False  # the flash fails there: it is neither written nor removed, and read again later
        )

    def __contains__(self, number):
        return self.first <= number <= self.last


class Log:
    def __init__(self, folder, segment_bytes):
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.segments = []  # oldest first
        self.next = 1  # number of the next record
        self.bytes = 0
        self.corrupt = 0  # damaged places met
        self.listed = True  # whether the names of the segments are known: else nothing is written
        self.seems_empty = False
        # the record that read() found
        self.number = self.flags = self.start = self.end = 0
        self._head = bytearray(HEAD)
        self._buf = bytearray(LONGEST)
        self._window = None  # (segment, offset) of what is in _buf
        self._wanted = self._filled = 0
        self._file = None  # the one that open() looks at: to open it for every piece would take ten times as long

    def open(self, pending, there=True):
        """Look at all there is. pending(number) → is this record still to be delivered? None: nobody knows. there: the folder is."""
        try:
            found = patiently(segments, self.folder)
        except OSError as e:
            self.listed = is_nothing(e) and not there
            return
        self.listed = True
        for name, size in found:
            segment = Segment(int(name, 16))
            segment.size = size
            self.segments.append(segment)
            self.bytes += size
        for segment in self.segments:
            self.look(segment, pending)
            if segment.last >= segment.first:
                self.next = max(self.next, segment.last + 1)
        for segment in [each for each in self.segments if not (each.pending or each.unread)]:
            self.remove(segment)

    def look(self, segment, pending):
        """Look what is in a segment, or find that it cannot be read."""
        following = self.after(segment)
        following = following.first if following else _NO_LIMIT
        self.bytes -= segment.size
        try:
            if pending is None:
                raise OSError(EIO)
            corrupt = self.corrupt
            self._scan(segment, following, pending)
            if self.corrupt != corrupt:
                self.corrupt = corrupt  # once more: an error may look like damage
                if not settle(self.folder):
                    raise OSError(EIO)
                self._scan(segment, following, pending)
            segment.unread = False
        except (OSError, MemoryError) as e:
            segment.sealed = True
            if isinstance(e, OSError) and e.errno == EISDIR:
                self.corrupt += 1
            else:  # ENOENT, too: it is listed
                segment.unread = True
                segment.pending = 0
                segment.below = following
                segment.last = min(following, segment.first + _MOST) - 1  # at most
        self._file = None
        self.bytes += segment.size

    def _identify(self, segment, following):
        """Its first record says whether a file is the one of this name, or a copy of another. following: the next name."""
        if segment.size < HEAD or not self._is_sound(segment, 0):
            segment.below = following  # who knows
        elif self.number != segment.first:
            segment.size = 0  # what is in a copy is there under its own name
            self.corrupt += 1

    def _scan(self, segment, following, pending):
        segment.last = segment.first - 1
        segment.pending = 0
        size = patiently(file_size, self._path(segment))
        if size != segment.size:  # as listed
            settle(self.folder)
            size = patiently(file_size, self._path(segment))
        segment.size = size
        segment.below = _NO_LIMIT
        segment.sealed = False
        self._window = None
        with patiently(opened, self._path(segment)) as self._file:
            self._identify(segment, following)
            self._count(segment, pending)

    def _count(self, segment, pending):
        i = self.segments.index(segment)
        last = self.segments[i - 1].last if i else 0
        offset = 0
        while self._read(segment, offset):
            if self.start != offset or self.number <= last:
                self.corrupt += 1
            if self.number > last:
                segment.last = last = self.number
                segment.pending += bool(pending(last))
            offset = self.end
        if offset < segment.size:
            self.corrupt += 1
            segment.sealed = True

    def append(self, records):
        """Write records behind the last, in one step, and number them. OSError: none was written."""
        if not self.listed:
            raise OSError(EIO)
        size = 0
        for record in records:
            size += HEAD + len(record.body)
        segment = self.segments[-1] if self.segments else None
        fresh = not segment or not self._takes(segment, size)
        if fresh:
            self._pass_by()
            segment = Segment(self.next)
        number = self.next
        offset = segment.size
        try:
            with open(self._path(segment), "wb" if fresh else "ab") as f:
                for record in records:
                    write_frame(f, self._head, offset, number, record.flags, record.body)
                    number += 1
                    offset += HEAD + len(record.body)
        except (OSError, MemoryError):
            if fresh:
                self._unlink(segment)  # it may be there, and empty
            raise
        for record in records:
            record.number = self.next
            self.next += 1
        if fresh:
            self.segments.append(segment)
        segment.last = self.next - 1
        segment.size += size
        segment.pending += len(records)
        self.bytes += size
        if self._window and self._window[0] is segment:
            self._window = None

    def _pass_by(self):
        """No file that is there is written over, whether it could be read or not."""
        try:
            while True:
                os.stat("%s/%08x" % (self.folder, self.next))
                self.next += _MOST
        except OSError as e:
            if not is_nothing(e):
                raise

    def _takes(self, segment, size):
        """Can records of that many bytes be appended to a segment?"""
        if segment.sealed or segment.size + size > self.segment_bytes:
            return False
        try:
            there = os.stat(self._path(segment))[6]
        except OSError:
            there = -1
        if there > segment.size:
            # An append ended half-way, by a MemoryError: its numbers may be on flash, and are not given again.
            self.next += (there - segment.size) // _SHORTEST + 1
        segment.sealed = there != segment.size
        return not segment.sealed

    def find(self, number):
        """Return the segment that holds a number, or None."""
        for segment in self.segments:
            if number in segment:
                return segment
        return None

    def remove(self, segment):
        """Remove a segment, whatever is in it."""
        self.segments.remove(segment)
        self.bytes -= segment.size
        if not self._unlink(segment):
            self.corrupt += 1

    def _unlink(self, segment):
        try:
            os.remove(self._path(segment))
            return True
        except OSError:
            return False

    def after(self, segment):
        """Return the segment behind one, or None."""
        for each in self.segments:
            if each.first > segment.first:
                return each
        return None

    def read(self, segment, offset):
        """Find the first sound frame at or behind offset: `number`, `flags`, `start`, `end`, body(). False: none.

        A segment that cannot be read from there on is `unread` then, and nothing is found in it until look() has.
        """
        try:
            return not segment.unread and self._read(segment, offset)
        except OSError:
            segment.unread = segment.sealed = True
            return False

    def _read(self, segment, offset):
        try:
            while offset + HEAD <= segment.size:
                if self._is_sound(segment, offset) and (
                    segment.first <= self.number < segment.below
                ):
                    return True
                at = offset - self._window[1]
                mark = self._buf.find(bytes((MARK,)), at + 1, self._filled)
                offset += (mark if mark >= 0 else self._filled) - at
        except OSError as e:
            if not is_nothing(e):
                raise
        return False  # the file, or a part of it, has vanished

    def _is_sound(self, segment, offset):
        at = self._load(segment, offset, HEAD)
        length = check_frame(self._buf, at, self._filled, offset)
        if length < 0 and offset - length <= segment.size:
            at = self._load(segment, offset, -length)
            length = check_frame(self._buf, at, self._filled, offset)
        if length <= 0:
            return False
        self.number = unpack_from("<I", self._buf, at + 4)[0]
        self.flags = self._buf[at + 1]
        self.start = offset
        self.end = offset + length
        return True

    def body(self):
        """Return the body of the record that read() has just found."""
        at = self.start - self._window[1]
        return bytes(memoryview(self._buf)[at + HEAD : at + self.end - self.start])

    def _load(self, segment, offset, n):
        """Have n bytes from offset on in the buffer. Return where they begin."""
        if self._window and self._window[0] is segment:
            at = offset - self._window[1]
            if at >= 0 and at + n <= self._filled:
                return at
        self._window = None
        self._wanted = offset
        patiently(self._fill, self._path(segment))
        if self._filled < n:
            raise OSError(ENOENT, "outbox: a segment is shorter than it was")
        self._window = segment, offset
        return 0

    def _fill(self, path):
        file = self._file or open(path, "rb")
        try:
            file.seek(self._wanted)
            self._filled = file.readinto(self._buf)
        finally:
            if not self._file:
                file.close()

    def _path(self, segment):
        return "%s/%08x" % (self.folder, segment.first)
