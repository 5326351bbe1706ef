"""The part of an Outbox that is on flash only, read in order; and Record, one message of it."""

from micropython import const

# Flags of a record. A frame has those of ON_FLASH, and in the state RELEASED.
QOS = const(3)
LATEST = const(4)
RELEASED = const(8)  # PUBREC has come for it, and that is on flash
BEGUN = const(16)  # of LATEST and QoS 2: its exchange has begun, or may have
TAKEN = const(32)  # on its way; the bits above are the program's own
ON_FLASH = const(0x17)


class Record:
    """key: bytes, what it belongs to; data: bytes; qos; pid: the packet id of a record of QoS 2, 0 if it is not on flash.

    Four attributes take 48 bytes, seven would take 80, and thirty records may be on their way.
    """

    def __init__(self, body, flags, number=0, at=0):
        self.body = body  # length of key, key, data
        self.flags = flags
        self.number = number  # in the log (of LATEST: among the slots), 0: it is in RAM only
        self.at = at  # ticks of append(), while in RAM only

    def __getattr__(self, name):
        if name == "key":
            return self.body[1 : 1 + self.body[0]]
        if name == "data":
            return self.body[1 + self.body[0] :]
        if name == "qos":
            return self.flags & QOS
        if name == "latest":
            return bool(self.flags & LATEST)
        if name == "taken":
            return bool(self.flags & TAKEN)
        if name == "released":
            return bool(self.flags & RELEASED)
        if name == "pid":
            # From the upper half, which is no other message's; the same after a power cut.
            kind = 0xC000 if self.flags & LATEST else 0x8000
            return self.number and kind | self.number & 0x3FFF
        raise AttributeError(name)


class Backlog:
    def __init__(self, log, state, held):
        """held(segment) → how many of its records others hold: in RAM, or on their way."""
        self.log = log
        self.state = state
        self.held = held
        self.restart(0)

    def restart(self, last):
        """Read again from the oldest record, up to the one of this number."""
        self.last = last
        self.head = None  # the record that was read last, and is not taken yet
        self.ahead = set()  # numbers of records not to be returned: they were taken before
        segments = self.log.segments
        self.cursor = (segments[0], 0) if segments else None

    def __bool__(self):
        return bool(self.cursor or self.head)

    def add(self, number):
        """The record of this number, newer than all here, is on flash only from now on. MemoryError: where is not known."""
        if not self.cursor:
            log = self.log
            segment = log.find(number)
            offset = 0
            while log.read(segment, offset) and log.number < number:
                offset = log.end  # it is done, or on its way
            if not segment.unread:
                self.cursor = (segment, offset)
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
            elif not self.state.has(number):
                self.head = Record(log.body(), log.flags, number)
        if not self.cursor:
            self.ahead.clear()

    def _leave(self, segment):
        """A segment was read to its end: what is pending of it is held by others, or can no longer be read."""
        held = self.held(segment)
        if segment.pending > held:
            self.log.corrupt += 1
            segment.pending = held
            if not held:
                self.remove(segment)

    def remove(self, segment):
        """Let go of a segment, whatever is in it, and of what is known of it."""
        self.pass_over(segment)
        self.log.remove(segment)
        if self.log.listed:
            self.state.prune(self.log.segments + self.log.left)

    def pass_over(self, segment):
        """If reading has come to a segment, go on with the next."""
        if self.head and self.head.number in segment:
            self.head = None
        if self.cursor and self.cursor[0] is segment:
            following = self.log.after(segment)
            self.cursor = (following, 0) if following else None

    def come_back(self, flying):
        """Begin once more with the oldest: something can be read again. flying: what is not to be returned for that."""
        segments = self.log.segments
        self.ahead = {record.number for record in flying if not record.flags & LATEST}
        self.head = None
        self.cursor = (segments[0], 0) if segments else None
