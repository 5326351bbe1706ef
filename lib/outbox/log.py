"""A record, its frame on flash, and the log: frames in order, in append-only segments. Format: docs/outbox.md.

A segment is a file named by the number of its first record, in eight hexadecimal digits; the others have higher ones. It is written by
appending and closing, which in littlefs happens in one step or not at all. It is read through one buffer, and removed whole. Damaged
frames, and frames written elsewhere, are skipped: reading goes on where the next sound one begins.
"""

import gc
import os
from binascii import crc32
from errno import EIO, ENOENT, ENOMEM
from struct import pack_into, unpack_from

from flashfile import is_nothing, patiently, uninterrupted
from micropython import const

# Flags of a record. A frame has those of ON_FLASH, and in the state RELEASED.
QOS = const(3)
LATEST = const(4)
RELEASED = const(8)  # PUBREC has come for it, and flash knows that
BEGUN = const(16)  # of LATEST and QoS 2: its exchange has begun, or may have
TAKEN = const(32)  # on its way
FLAGS = const(0x3F)  # all of these
MARKS = const(6)  # above them are two bits of the program's own
ON_FLASH = const(0x17)

_MARK = const(0xB5)  # a frame's first byte
HEAD = const(12)  # bytes of a frame before its body
LONGEST = const(1024)  # bytes of a frame
PIECE = const(128)  # read at once: a reading
# Of a list that keeps the place of a file, with room for four more: on a Pico a file takes 72 pieces of the heap, 1,148 bytes, in a row.
# Cleared, a list keeps one piece; the others are free at once, whatever the stack holds.
_PLACE = const(288)
_SHORTEST = const(13)  # bytes of a frame: its body begins with the length of the key
NO_LIMIT = 0xF0000000  # all numbers are below this: an outbox gets there after a century
HIGH = 0xE0000000  # from here on they begin anew as soon as no record is on flash
MOST = const(1261)  # records of a segment: 16 KB of the shortest


class Record:
    """A message. key: bytes, what it belongs to; data: bytes; qos; pid: the packet id of a record of QoS 2, 0 if it is not on flash.

    Four attributes take 48 bytes, seven would take 80, and thirty records may be on their way: the others are in these.
    """

    def __init__(self, body, flags, number=0, at=0):
        self.body = body  # length of key, key, data; None: see unload()
        self.flags = flags
        self.number = number  # in the log (of LATEST: among the slots), 0: it is in RAM only
        self.at = at  # ticks of append(), while in RAM only

    def __getattr__(self, name):
        if name == "frame_bytes":
            return HEAD + len(self.body)
        if name == "key":
            return self.body[1 : 1 + self.body[0]]
        if name == "data":
            return self.body[1 + self.body[0] :]
        if name == "qos":
            return self.flags & QOS
        if name == "latest":
            return bool(self.flags & LATEST)
        if name == "released":
            return bool(self.flags & RELEASED)
        if name == "pid":
            # From the upper half, which is no other message's; the same after a power cut.
            kind = 0xC000 if self.flags & LATEST else 0x8000
            return self.number and kind | self.number & 0x3FFF
        if name == "data_bytes":
            return len(self.body) - 1 - self.body[0]
        if name == "mark":
            return self.flags >> MARKS
        if name == "on_flash":
            return self.number > 0
        if name == "loaded":
            return self.body is not None
        raise AttributeError(name)

    def unpack(self, form):
        """Return the numbers that the data begins with, as struct's unpack() does, without a copy. ValueError: it is too short."""
        return unpack_from(form, self.body, 1 + self.body[0])

    def unload(self):
        """Let go of key and data, if they are on flash: Outbox.load() reads them again."""
        if self.number and not self.flags & LATEST:
            self.body = None


class Segment:
    below = NO_LIMIT  # its numbers are
    sealed = False  # something is wrong behind `size`: nothing is appended here
    unread = False  # the flash fails there: neither written nor removed, and read again later

    def __init__(self, first):
        self.first = first  # number of its first record
        self.last = first - 1
        self.size = 0  # bytes that are known to be records
        self.pending = 0  # records not done yet

    def __contains__(self, number):
        return self.first <= number <= self.last

    def holds(self, record):
        """Is a record in it? A LATEST is in no segment: it has a number of another kind."""
        return record.number in self and not record.flags & LATEST


class Log:
    def __init__(self, folder, segment_bytes):
        self.folder = folder
        self.segment_bytes = segment_bytes
        self.segments = []  # oldest first
        self.next = 1  # number of the next record
        self.left = []  # segments that the flash did not remove: their done records must stay known
        self.bytes = 0
        self.corrupt = 0  # damaged places met
        self.listed = True  # whether the names of the segments are known: else nothing is written
        self.seems_empty = False
        self.number = self.flags = self.start = self.end = 0  # of the record that read() found
        self._head = bytearray(HEAD)
        self.piece = self.buffer = bytearray(PIECE)  # a longer one for a longer record
        self._place, self._last = [], None  # the list, or the last file that took its place
        self.crowded = False  # had the last file no other place?
        self.window = None  # (segment, offset) of what is in `buffer`
        self._wanted = self._least = self._filled = 0
        self.file = None  # the one that opening.py looks at: to open it for every piece would take ten times as long
        self.hold()

    def append(self, records):
        """Write records behind the last, in one step, and number them. OSError: none was written. MemoryError: only those with a number were."""
        if not self.listed:
            raise OSError(EIO)
        size = 0
        for record in records:
            size += record.frame_bytes
        segment = self.segments[-1] if self.segments else None
        fresh = not segment or not self._takes(segment, size)
        if fresh:
            self._pass_by()
        if self.next + len(records) > NO_LIMIT:
            raise OSError(EIO)  # it could never be read
        if fresh:
            segment = Segment(self.next)
            self.segments.append(segment)
        offset, done = segment.size, 0
        try:
            with uninterrupted, self.open(self.path(segment), "wb" if fresh else "ab") as f:
                for record in records:
                    number = self.next + done
                    flags = record.flags & ON_FLASH
                    offset += write_frame(f.write, self._head, offset, number, flags, record.body)
                    done += 1
        except OSError:
            offset, done = segment.size, 0
            raise
        finally:  # a MemoryError, too, has closed the file: what was written is on flash
            if fresh and not done:
                self.segments.pop()
                self._unlink(segment)  # the file may be there, and empty
            for record in records:
                if not done:
                    break
                done -= 1
                record.number = segment.last = self.next
                self.next += 1
                segment.pending += 1
            self.bytes += offset - segment.size
            segment.size = offset
            if self.window and self.window[0] is segment:
                self.window = None

    def _pass_by(self):
        """No file that is there is written over, whether it could be read or not."""
        try:
            while True:
                patiently(os.stat, "%s/%08x" % (self.folder, self.next))
                self.next += MOST
        except OSError as e:
            if not is_nothing(e):
                raise

    def _takes(self, segment, size):
        """Can records of that many bytes be appended to a segment?"""
        if segment.sealed or segment.size + size > self.segment_bytes:
            return False
        try:
            there = os.stat(self.path(segment))[6]
        except OSError:
            there = -1
        if there > segment.size:
            # An append ended in the middle of a frame, or nobody knows why: numbers that may be there are not given again.
            self.next += (there - segment.size) // _SHORTEST + 1
        segment.sealed = there != segment.size
        return not segment.sealed

    def on_file(self, work, *args):
        """Return work(*args), which opens files with open(). One that took the place has it until the next call.

        The collector takes words for addresses that ended calls have left on the stack: those of work() are deeper than it looks here.
        And no call lies between it and the list: what a call takes might be of the place.
        """
        place = self._place
        if (self._last or len(place) < _PLACE) and not self.file:
            self._last = None
            gc.collect()
            try:
                while len(place) < _PLACE // 4:
                    place.append(None)
                while len(place) < _PLACE:
                    place.extend(place)  # where it is, if there is room
            except MemoryError:
                pass  # the next time
        return self._call(work, args)

    def _call(self, work, args):
        return work(*args)

    def open(self, path, mode):
        """Open a file, if need be in the place that is kept for one. MemoryError: that is not there either."""
        try:
            file = open(path, mode)
            self.crowded = not self._last and len(self._place) < _PLACE
        except MemoryError:
            self.crowded = True
            self._place.clear()
            self._last = None
            gc.collect()  # deeper than on_file(), where other words are left on the stack
            file = open(path, mode)
        if self.crowded:
            self._last = file  # in the place, or perhaps
        return file

    def hold(self):
        """Keep the place for a file, if there is memory. Best called where no caller has worked with a file."""
        self.on_file(len, self._place)

    def find(self, number):
        """Return the segment that holds a number, or None."""
        for segment in self.segments:
            if number in segment:
                return segment

    def remove(self, segment):
        """Remove a segment, whatever is in it."""
        self.segments.remove(segment)
        self.bytes -= segment.size
        if not self._unlink(segment):
            self.corrupt += 1
            self.left.append(segment)

    def _unlink(self, segment):
        try:
            with uninterrupted:
                patiently(os.remove, self.path(segment))
            return True
        except OSError:
            return False

    def after(self, segment):
        """Return the segment behind one, or None."""
        for each in self.segments:
            if each.first > segment.first:
                return each

    def read(self, segment, offset):
        """Find the first sound frame at or behind offset: `number`, `flags`, `start`, `end`, body(). False: none.

        A segment that cannot be read from there on is `unread` then, and nothing is found in it until look() of opening.py has.
        MemoryError: there is none to read it now.
        """
        try:
            return not segment.unread and self.scan(segment, offset)
        except OSError as e:
            if e.errno == ENOMEM:
                raise MemoryError()
            segment.unread = segment.sealed = True
            return False

    def scan(self, segment, offset):
        """As read(). OSError: it cannot be read."""
        try:
            while offset + HEAD <= segment.size:
                sound = self.is_sound(segment, offset)
                if sound and segment.first <= self.number < segment.below:
                    return True
                at = offset - self.window[1]
                mark = self.buffer.find(bytes((_MARK,)), at + 1, self._filled)
                offset += (mark if mark >= 0 else self._filled) - at
        except OSError as e:
            if not is_nothing(e):
                raise
        return False  # the file, or a part of it, has vanished

    def is_sound(self, segment, offset):
        """Is there a sound frame at offset? If so, it is the one that was found."""
        at = self._load(segment, offset, HEAD)
        length = check_frame(self.buffer, at, self._filled, offset)
        if length < 0 and offset - length <= segment.size:
            at = self._load(segment, offset, -length)
            length = check_frame(self.buffer, at, self._filled, offset)
        if length <= 0:
            return False
        self.number = unpack_from("<I", self.buffer, at + 4)[0]
        self.flags = self.buffer[at + 1] & ON_FLASH
        self.start, self.end = offset, offset + length
        return True

    def body(self):
        """Return the body of the record that read() has just found."""
        at = self.start - self.window[1]
        return bytes(memoryview(self.buffer)[at + HEAD : at + self.end - self.start])

    def _load(self, segment, offset, n):
        """Load n bytes from offset on into the buffer. Return where they begin."""
        if self.window and self.window[0] is segment:
            at = offset - self.window[1]
            if at >= 0 and at + n <= self._filled:
                return at
        self.window, self.buffer = None, self.piece
        self._wanted, self._least = offset, n
        self.on_file(patiently, self._fill, self.path(segment))
        if self._filled < n:
            raise OSError(ENOENT, "outbox: a segment is shorter than it was")
        self.window = segment, offset
        return 0

    def _fill(self, path):
        file = self.file or self.open(path, "rb")
        try:
            self.buffer = self.piece if self._least <= len(self.piece) else bytearray(self._least)
            file.seek(self._wanted)
            self._filled = file.readinto(self.buffer)
        finally:
            if not self.file:
                file.close()

    def path(self, segment):
        return "%s/%08x" % (self.folder, segment.first)


def write_frame(write, head, offset, number, flags, body):
    """Write one frame, which is sound at this offset of its file only. Return its length. write: of the file; head: a bytearray of HEAD bytes."""
    pack_into("<BBHI", head, 0, _MARK, flags, len(body), number)
    pack_into("<I", head, 8, crc32(body, crc32(memoryview(head)[:8], offset)))
    write(head)
    write(body)
    return HEAD + len(body)


def check_frame(buf, at, end, offset):
    """Return the length of the sound frame that begins at buf[at], or 0. More bytes than end - at may be needed: -length."""
    if end - at < HEAD or buf[at] != _MARK:
        return 0
    _, _, length, _, crc = unpack_from("<BBHII", buf, at)
    length += HEAD
    if not HEAD < length <= LONGEST:
        return 0
    if at + length > end:
        return -length
    whole = memoryview(buf)
    body = whole[at + HEAD : at + length]
    # It begins with the length of its key: one that has no room for that was written by another program.
    return length * (body[0] < len(body) and crc32(body, crc32(whole[at : at + 8], offset)) == crc)
