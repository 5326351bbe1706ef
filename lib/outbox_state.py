"""What of the log is done, which exchanges of QoS 2 are released, and the newest record of each `latest` key.

One small file, `state`, written whole and in place: littlefs replaces it in one step, or not at all. While it has up to
128 bytes (512 on a Pico) it lives in the directory itself and costs no block of its own.
"""

import os
from binascii import crc32
from struct import pack_into, unpack_from

from micropython import const
from outbox_log import HEAD, check_frame, write_frame

_VERSION = const(1)
_FIXED = const(20)  # CRC, length, version, counts, next of log and slots
_RELEASED = const(8)  # flag of a slot's frame
_MOST = const(16384)  # bytes of a state that is believed


class State:
    def __init__(self, path):
        self.path = path
        self.done = []  # [first, last] of numbers in the log that are done, ascending, apart
        self.released = []  # numbers in the log for which PUBREC came
        self.next = 1  # no number of the log from here on is in `done` or `released`
        self.next_slot = 1

    def load(self, slot):
        """Read the file. slot(number, flags, body) is given each record of a key. False: damaged; nothing is known."""
        try:
            data = bytearray(min(os.stat(self.path)[6], _MOST))
            with open(self.path, "rb") as f:
                f.readinto(data)
        except OSError as e:
            return e.errno == 2  # ENOENT
        if not data:
            return True  # the power failed when it had just been made
        if len(data) < _FIXED:
            return False
        crc, length, version, ranges, released, following, slots = unpack_from("<IHHHHII", data)
        at = _FIXED
        if not _FIXED + 8 * ranges + 4 * released <= length <= len(data) or version != _VERSION:
            return False
        whole = memoryview(data)
        if crc32(whole[4:length]) != crc:
            return False
        self.next, self.next_slot = following, slots
        for _ in range(ranges):
            self.done.append(list(unpack_from("<II", data, at)))
            at += 8
        for _ in range(released):
            self.released.append(unpack_from("<I", data, at)[0])
            at += 4
        while at < length:
            n = check_frame(data, at, length, at)
            if n <= 0:
                self.done.clear()
                self.released.clear()
                return False
            slot(
                unpack_from("<I", data, at + 4)[0], data[at + 1], bytes(whole[at + HEAD : at + n])
            )
            at += n
        return True

    def save(self, following, slots):
        """Write the file. following: number of the log's next record; slots: records. OSError: it is as it was."""
        self.next = following
        size = _FIXED + 8 * len(self.done) + 4 * len(self.released)
        for record in slots:
            size += HEAD + len(record.body)
        data = bytearray(size)
        counts = len(self.done), len(self.released)
        pack_into("<HHHHII", data, 4, size, _VERSION, *counts, following, self.next_slot)
        at = _FIXED
        for first, last in self.done:
            pack_into("<II", data, at, first, last)
            at += 8
        for number in self.released:
            pack_into("<I", data, at, number)
            at += 4
        into = _Into(data, at)
        head = bytearray(HEAD)
        for record in slots:
            flags = record.flags | (_RELEASED if record.released else 0)
            write_frame(into, head, into.at, record.number, flags, record.body)
        pack_into("<I", data, 0, crc32(memoryview(data)[4:]))
        # In place: littlefs keeps what was there until the file is closed, and if the flash is full.
        with open(self.path, "wb") as f:
            f.write(data)

    def has(self, number):
        """Return whether a record of the log is done."""
        for first, last in self.done:
            if first <= number <= last:
                return True
        return False

    def add(self, number):
        """A record of the log is done. Return False if it was already."""
        if number in self.released:
            self.released.remove(number)
        done = self.done
        i = len(done)
        while i and done[i - 1][0] > number:
            i -= 1
        if i and number <= done[i - 1][1]:
            return False
        if i and done[i - 1][1] == number - 1:
            i -= 1
            done[i][1] = number
        else:
            done.insert(i, [number, number])
        if i + 1 < len(done) and done[i + 1][0] == number + 1:
            done[i][1] = done.pop(i + 1)[1]
        return True

    def prune(self, segments):
        """These are all segments there are: nothing needs to be known of other numbers."""
        self.done = [each for each in self.done if _meets(each, segments)]
        self.released = [number for number in self.released if _meets((number, number), segments)]


def _meets(numbers, segments):
    first, last = numbers
    for segment in segments:
        if first <= segment.last and segment.first <= last:
            return True
    return False


class _Into:
    """A file's write() into a bytearray."""

    def __init__(self, data, at):
        self.data = data
        self.at = at

    def write(self, piece):
        self.data[self.at : self.at + len(piece)] = piece
        self.at += len(piece)
