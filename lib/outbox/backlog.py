"""The part of an Outbox that is on flash, read in order: what of it is done, what is on its way, and what comes next."""

from outbox.log import LATEST, QOS, Record


class Backlog:
    def __init__(self, log, state, recent):
        """recent: the records in RAM, of which some are on flash, too."""
        self.log = log
        self.state = state
        self.recent = recent
        self.flying = []  # records that are on flash and on their way
        self.fresh_from = log.next  # below are the numbers of earlier starts
        self.restart(log.next - 1)

    def restart(self, last):
        """Nothing is on its way: read again from the oldest record, up to the one of this number."""
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
        """The record of this number, newer than all here, is on flash only from now on."""
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
            elif not self.state.has(number):
                self.head = Record(log.body(), log.flags, number)
        if not self.cursor:
            self.ahead.clear()

    def _leave(self, segment):
        """A segment was read to its end: what is pending of it is held by others, or can no longer be read."""
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
        """A record is on flash only from now on, and was taken before: reading passes over it."""
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
        """Has a segment records of QoS 2 of before this start? Nobody knows which were sent."""
        log, offset = self.log, 0
        try:
            while segment.first < self.fresh_from and log.read(segment, offset):
                if log.flags & QOS == 2 and not self.state.has(log.number):
                    return True
                offset = log.end
        except MemoryError:
            return True
        return False

    def remove(self, segment):
        """Let go of a segment, whatever is in it, and of what is known of it."""
        self.pass_over(segment)
        self.log.remove(segment)
        if self.log.listed:
            self.state.prune(self.log.segments + self.log.left)
