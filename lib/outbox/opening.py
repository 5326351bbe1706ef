"""Finds the segments and the state of an Outbox on flash, when it is opened or looks again. Loaded for that only. Format: docs/outbox.md."""

import os
from binascii import crc32
from errno import EIO, EISDIR, ENOENT
from struct import unpack_from

from flashfile import is_nothing, patiently, settle, uninterrupted
from micropython import const

from outbox.backlog import State
from outbox.log import (
    HEAD,
    MOST,
    NO_LIMIT,
    ON_FLASH,
    PIECE,
    RELEASED,
    Log,
    Record,
    Segment,
    check_frame,
)

_SEGMENTS = const(16)  # a full outbox has so many
_LARGEST = const(16384)  # bytes of a segment: less RAM and time for fewer, larger ones
_FIXED = const(24)  # of the state: CRC, length, version, counts, next of log and slots, given up
_FIXED_1 = const(20)  # of version 1: without the last
_HEAD = "<IHHHHII"
_AT_ONCE = const(1024)  # bytes that are read, while everything is
_LONGEST = const(16384)  # bytes of a state that is believed


def make(folder):
    """Make the folder, if need be. Return whether it is there."""
    try:
        try:
            if patiently(os.stat, folder)[0] & 0x4000:
                return True
            with uninterrupted:
                os.rename(folder, folder + ".bad")  # a file of this name is not ours
        except OSError as e:
            if e.errno != ENOENT:
                raise
        with uninterrupted:
            os.mkdir(folder)
        return True
    except OSError:
        return False


def find(folder, limit, there, keep):
    """Return the Log and the State with what is in the folder, if it is there, and whether the state was sound.

    limit: bytes of flash of the outbox; keep(record) is given the newest of each key.
    """
    log = Log(folder, min(_LARGEST, limit // _SEGMENTS))
    state = State(folder + "/state", log.open)
    sound = load(state, lambda *slot: keep(newest(*slot)))
    if not sound:
        # The numbers of `latest` begin anew, and the broker may have unfinished exchanges of them.
        log.corrupt += 1
    log.next = state.next
    log.piece = bytearray(_AT_ONCE)
    # Without the state nobody knows what is done: the records are left for later.
    list_all(log, None if state.unread else state.is_done, there)
    log.piece = log.buffer = bytearray(PIECE)
    log.window = None
    if log.listed:
        state.prune(log.segments + log.left)
    return log, state, sound


def newest(number, flags, body):
    """Return the newest record of a key, as load() finds it."""
    return Record(body, flags & (ON_FLASH | RELEASED), number)


# segments


def list_all(log, done, there):
    """Look at all segments. done(number) → is this record done? None: nobody knows. there: the folder is."""
    try:
        found = patiently(segments, log.folder)
    except OSError as e:
        log.listed = is_nothing(e) and not there
        return
    made = []
    size = 0
    for name, length in found:
        segment = Segment(int(name, 16))
        segment.size = length
        made.append(segment)
        size += length
    log.segments = made
    log.bytes += size
    log.listed = True
    for segment in made:
        look(log, segment, done)
        if segment.last >= segment.first:
            log.next = max(log.next, segment.last + 1)
    for segment in [each for each in made if not (each.pending or each.unread)]:
        log.remove(segment)


def look(log, segment, done):
    """Look at what is in a segment, or find that it cannot be read."""
    following = log.after(segment)
    following = following.first if following else NO_LIMIT
    last, waiting = segment.last, segment.pending
    log.bytes -= segment.size
    try:
        if done is None:
            raise OSError(EIO)
        corrupt = log.corrupt
        _scan(log, segment, following, done)
        if log.corrupt != corrupt:
            log.corrupt = corrupt  # once more: an error may look like damage
            if not settle(log.folder):
                raise OSError(EIO)
            _scan(log, segment, following, done)
        segment.unread = False
    except (OSError, MemoryError) as e:
        segment.sealed = True
        if isinstance(e, OSError) and e.errno == EISDIR:
            log.corrupt += 1
        else:  # ENOENT, too: it is listed
            segment.unread = True
            segment.below = following
            # What was known stays known; otherwise no number that may be there is given again.
            segment.pending = waiting
            segment.last = last
            if last < segment.first:
                segment.last = min(following, segment.first + MOST) - 1
    log.file = None
    log.bytes += segment.size


def _scan(log, segment, following, done):
    path = log.path(segment)
    segment.last = segment.first - 1
    segment.pending = 0
    size = patiently(_size, path)
    if size != segment.size:  # as listed
        settle(log.folder)
        size = patiently(_size, path)
    segment.size = size
    segment.below = NO_LIMIT
    segment.sealed = False
    log.window = None
    with patiently(lambda path: log.open(path, "rb"), path) as log.file:
        _identify(log, segment, following)
        _count(log, segment, done)


def _identify(log, segment, following):
    """Find by its first record whether a file belongs to its name or is a copy of another. following: the next name."""
    if segment.size < HEAD or not log.is_sound(segment, 0):
        segment.below = following  # who knows
    elif log.number != segment.first:
        segment.size = 0  # the records of a copy are there under their own name
        log.corrupt += 1


def _count(log, segment, done):
    i = log.segments.index(segment)
    last = log.segments[i - 1].last if i else 0
    offset = 0
    while log.scan(segment, offset):
        if log.start != offset or log.number <= last:
            log.corrupt += 1
        if log.number > last:
            segment.last = last = log.number
            segment.pending += not done(last)
        offset = log.end
    if offset < segment.size:
        log.corrupt += 1
        segment.sealed = True


def segments(folder):
    """Return (name, size) of the segments, sorted. An error just ends a listing, so it counts when it comes out the same twice."""
    found = _listing(folder)
    if not settle(folder) or _listing(folder) != found:
        raise OSError(EIO)
    return found


def _listing(folder):
    names = [entry[0] for entry in os.ilistdir(folder)]
    return sorted(
        [
            (name, _size(folder + "/" + name))
            for name in names
            if len(name) == 8 and all(c in "0123456789abcdef" for c in name)
        ]
    )


def _size(path):
    return os.stat(path)[6]


# the state


def load(state, slot):
    """Read a State's file. slot(number, flags, body) is given each record of a key. False: damaged; nothing is known.

    `unread` says that it cannot be read, now.
    """

    def read(path):
        data = bytearray(min(os.stat(path)[6], _LONGEST))
        with state.open(path, "rb") as f:
            f.readinto(data)
        return data

    try:
        data = patiently(read, state.path)
    except OSError as e:
        state.unread = not is_nothing(e) or (e.errno == ENOENT and _is_listed(state.path))
        return state.unread or e.errno == ENOENT
    if not _is_sound(data):  # once more: an error may look like damage
        try:
            if not settle(state.path):
                raise OSError(EIO)
            data = patiently(read, state.path)
        except OSError:
            state.unread = True
            return True
    if not data:
        return True  # the power failed when it had just been made
    return _is_sound(data) and _parse(state, data, slot)


def _parse(state, data, slot):
    """Take up what a file with a right CRC says. False: no outbox writes such numbers, or no number is left for a new record."""
    _, length, version, ranges, released, following, slots = unpack_from(_HEAD, data)
    at = _FIXED_1 if version == 1 else _FIXED
    if version != 1:
        state.dropped = unpack_from("<I", data, _FIXED_1)[0]
    sound = 0 < following <= NO_LIMIT and 0 < slots < NO_LIMIT
    if sound:
        state.next, state.next_slot = following, slots
    last = -1
    for i in range(2 * ranges):
        first, last = last + 1 - (i & 1), unpack_from("<I", data, at)[0]
        sound = sound and first <= last < following
        state.done.append(last)
        at += 4
    for _ in range(released):
        number = unpack_from("<I", data, at)[0]
        sound = sound and 0 < number < following
        state.released.append(number)
        at += 4
    whole = memoryview(data)
    while at < length:
        n = check_frame(data, at, length, at)
        number = unpack_from("<I", data, at + 4)[0] if n > 0 else 0
        if not 0 < number < NO_LIMIT:
            sound = False
            break
        state.next_slot = max(state.next_slot, (number + 1) % NO_LIMIT)
        slot(number, data[at + 1], bytes(whole[at + HEAD : at + n]))
        at += n
    if not sound:
        state.done.clear()
        state.released.clear()
    return sound


def _is_listed(path):
    folder, _, name = path.rpartition("/")
    try:
        return any(entry[0] == name for entry in os.ilistdir(folder))
    except OSError as e:
        return e.errno != ENOENT


def _is_sound(data):
    if len(data) < _FIXED_1:
        return not data
    crc, length, version, ranges, released, _, _ = unpack_from(_HEAD, data)
    at = _FIXED_1 if version == 1 else _FIXED
    if not at + 8 * ranges + 4 * released <= length <= len(data) or version not in (1, 2):
        return False
    return crc32(memoryview(data)[4:length]) == crc
