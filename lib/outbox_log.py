"""Records on flash, in order, in append-only segments: what outbox.py's Outbox stands on. Format: docs/outbox.md.

A segment is a file named by the number of its first record, in eight hexadecimal digits; the others have higher ones. It
is written by appending and closing, which littlefs makes one step that happens or does not, read through one buffer, and
removed whole. A frame that is damaged, or was written elsewhere, is skipped: reading goes on at the next byte at which a
sound one begins.
"""

import os
from binascii import crc32
from struct import pack_into, unpack_from

from micropython import const

_MARK = const(0xB5)  # a frame's first byte
HEAD = const(12)  # bytes of a frame before its body
_SHORTEST = const(13)  # bytes of a frame: its body begins with the length of the key
LONGEST = const(1024)  # bytes of a frame; the buffer holds one
_NO_LIMIT = 1 << 32


class Segment:
    def __init__(self, first):
        self.first = first  # number of its first record
        self.last = first - 1
        self.size = 0  # bytes that are known to be records
        self.pending = 0  # records not done yet
        self.below = _NO_LIMIT  # its numbers are
        self.sealed = False  # something is wrong behind `size`: nothing is appended

    def __contains__(self, number):
        return self.first <= number <= self.last


def write_frame(file, head, offset, number, flags, body):
    """Write one frame, which is sound at this offset of its file only. head: a bytearray of HEAD bytes."""
    pack_into("<BBHI", head, 0, _MARK, flags, len(body), number)
    pack_into("<I", head, 8, crc32(body, crc32(memoryview(head)[:8], offset)))
    file.write(head)
    file.write(body)


def check_frame(buf, at, end, offset):
    """Return the length of the sound frame that begins at buf[at], or 0. More bytes than end - at may be needed: -length."""
    if end - at < HEAD or buf[at] != _MARK:
        return 0
    _, _, length, _, crc = unpack_from("<BBHII", buf, at)
    length += HEAD
    if length > LONGEST:
        return 0
    if at + length > end:
        return -length
    whole = memoryview(buf)
    body = whole[at + HEAD : at + length]
    return length if crc32(body, crc32(whole[at : at + 8], offset)) == crc else 0


class Log:
    def __init__(self, folder, segment_bytes):
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.segments = []  # oldest first
        self.next = 1  # number of the next record
        self.bytes = 0
        self.corrupt = 0  # damaged places met
        # the record that read() found
        self.number = self.flags = self.start = self.end = 0
        self._head = bytearray(HEAD)
        self._buf = bytearray(LONGEST)
        self._window = None  # (segment, offset) of what is in _buf
        self._filled = 0
        self._file = None  # the one that open() looks at: to open it for every piece would take ten times as long

    def open(self, pending):
        """Look at all there is. pending(number) → is this record still to be delivered?"""
        names = sorted(self._names())
        for i, name in enumerate(names):
            segment = Segment(int(name, 16))
            try:
                segment.size = os.stat(self._path(segment))[6]
                with open(self._path(segment), "rb") as self._file:
                    self._identify(segment, int(names[i + 1], 16) if names[i + 1 :] else _NO_LIMIT)
                    self._scan(segment, pending)
            except OSError:
                self.corrupt += 1
                segment.sealed = True
            self._file = None
            self.segments.append(segment)
            self.bytes += segment.size
            if segment.last >= segment.first:
                self.next = max(self.next, segment.last + 1)
        for segment in self.segments[:]:
            if not segment.pending:
                self.remove(segment)

    def _names(self):
        for entry in os.ilistdir(self.folder):
            name = entry[0]
            if len(name) == 8 and all(c in "0123456789abcdef" for c in name):
                yield name

    def _identify(self, segment, following):
        """Its first record says whether a file is the one of this name, or a copy of another. following: the next name."""
        if segment.size < HEAD or not self._is_sound(segment, 0):
            segment.below = following  # who knows
        elif self.number != segment.first:
            segment.size = 0  # what is in a copy is there under its own name
            self.corrupt += 1

    def _scan(self, segment, pending):
        last = self.segments[-1].last if self.segments else 0
        offset = 0
        while self.read(segment, offset):
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
        size = 0
        for record in records:
            size += HEAD + len(record.body)
        segment = self.segments[-1] if self.segments else None
        fresh = not segment or not self._takes(segment, size)
        if fresh:
            segment = Segment(self.next)
        number = self.next
        offset = segment.size
        try:
            with open(self._path(segment), "wb" if fresh else "ab") as f:
                for record in records:
                    write_frame(f, self._head, offset, number, record.flags, record.body)
                    number += 1
                    offset += HEAD + len(record.body)
        except OSError:
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
        """Find the first sound frame at or behind offset: `number`, `flags`, `start`, `end`, body(). False: none."""
        try:
            while offset + HEAD <= segment.size:
                if self._is_sound(segment, offset) and (
                    segment.first <= self.number < segment.below
                ):
                    return True
                at = offset - self._window[1]
                mark = self._buf.find(bytes((_MARK,)), at + 1, self._filled)
                offset += (mark if mark >= 0 else self._filled) - at
        except OSError:
            pass  # the file, or a part of it, has vanished
        return False

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
        if self._file:
            self._fill(self._file, offset)
        else:
            with open(self._path(segment), "rb") as f:
                self._fill(f, offset)
        if self._filled < n:
            raise OSError(5, "outbox: a segment is shorter than it was")
        self._window = segment, offset
        return 0

    def _fill(self, file, offset):
        file.seek(offset)
        self._filled = file.readinto(self._buf)

    def _path(self, segment):
        return "%s/%08x" % (self.folder, segment.first)
