"""Readings on their way from the channels to the broker: kept by the outbox, sent by the client, dropped when acknowledged.

Late readings go to `history/<channel>`, in the order they were taken, in turn with new ones. A reading that a newer one of its
channel has overtaken goes there too, however young, so that `reading/<channel>` stays in order. So does a reading of an earlier
start: nobody remembers which of those went to `reading/<channel>`.

A record's key is the channel's name, its data what payload.record() makes. What else a reading needs is of its start: Starts.
`now` is ticks_ms, for the outbox and the client; `uptime` is Clock.uptime_ms().
"""

import time
from errno import EIO

from micropython import const

from firmware import forget, payload
from firmware.payload import head, is_reading

_UNKNOWN = const(2)
_TELL_MS = const(60000)  # between two lines about a full outbox
_AGAIN_MS = const(60000)  # until a failed look-up or write is tried again
# The clock has given up a time that is further off than this plus the drift of a crystal.
_WRONG_MS = const(2000)


class Delivery:
    def __init__(self, outbox, uplink, clock, topics, boot, channels, live_s, log):
        """boot: the number of this start."""
        self.outbox = outbox
        self.uplink = uplink
        self.client = client = uplink.client
        self.clock = clock
        self.topics = topics
        self.boot = boot
        self._channels = {channel.name.encode(): channel for channel in channels}
        self.live_ms = live_s * 1000
        self.log = log
        self._topics = {}  # key → topics for now, and for late
        self.sent = {}  # packet id → record
        self.restored = []  # those of them whose message the client lacks: only PUBREL is to go
        self.again = []  # restored records that the broker has forgotten: sent anew
        self._newest = {}  # key → seq of the last reading sent to `reading/…`
        self._turn = False  # whose: a fresh reading's?
        self.starts = Starts(boot, topics.prefix, log)
        self.starts.origin = clock.unix_ms(0)
        self._told = outbox.dropped
        self._told_at = None  # uptime
        self.aside = None  # an Aside: readings that the broker refuses; None: there are none
        self.pace = None  # a Pace, if readings a second are limited
        self.values = None  # Values, if bare numbers are published
        client.set_journal(self._journal)

    def take(self, channel, at, seq, members):
        """Keep a reading of QoS 1 or 2, or count it as dropped: None. at: uptime in ms when it was taken."""
        ts = self.clock.unix_ms(at)
        if ts is None:
            self.starts.untimed = True
        data = payload.record(channel.retain, self.boot, seq, at, ts or 0, members)
        key = channel.name.encode()
        return self.outbox.append(key, data, time.ticks_ms(), channel.qos, channel.latest)

    def lost(self):
        """Count a reading for which there was no memory."""
        self.outbox.dropped += 1

    def send_now(self, channel, at, seq, members):
        """Send a reading of QoS 0, or lose it: False."""
        message = payload.reading(self.clock.unix_ms(at), self.boot, seq, members)
        key = channel.name.encode()
        retain = channel.retain and self.uplink.retain
        if self.uplink.send(self._topic(key)[0], message, retain, 0) != 0:
            return False  # there is no room, or it is barred
        self._newest[key] = seq  # what was kept at another QoS is older
        return True

    def time_known(self, uptime):
        """The clock has just been set: give readings without a time, or with a wrong one, theirs."""
        self.starts.set(self.clock.unix_ms(0), uptime)

    def step(self, now, uptime):
        """Write what is due; log readings that were given up."""
        outbox = self.outbox
        outbox.step(now)
        if self.aside:
            self.aside.outbox.step(now)  # what could not be read is tried again
        self.starts.step(uptime, self)
        if self.values:
            self.values.step(self.uplink, uptime)
        # A broker keeps a place for each exchange, and drops what it acknowledges once it has no more. What was under way before
        # this start goes first on the first connection: from then on it is not what is given up.
        if outbox.abandoned and (self.uplink.connects or self.uplink.begin_anew()):
            outbox.abandoned = False
        if outbox.dropped != self._told and (
            self._told_at is None or uptime - self._told_at >= _TELL_MS
        ):
            self._told = outbox.dropped
            self._told_at = uptime
            self.log.warning("outbox: no room: %d readings dropped in all" % outbox.dropped)

    def due(self, now):
        wait = self.outbox.due(now)
        if self.pace:
            wait = min(wait, self.pace.due())
        return min(wait, self.values.due()) if self.values else wait

    def drain(self, uptime, now):
        """Hand readings to the client until it takes no more."""
        outbox = self.outbox
        while not self.pace or self.pace.may_go(uptime):
            record = outbox.peek(now)
            for each in self.again:
                if record is None or outbox.is_older(each, record):
                    record = each
            if record is None:
                if self.aside and not self.uplink.brokers.bars():
                    self.aside.give_back(self, now)
                return
            try:
                try:
                    late = self._is_late(record, uptime)
                    overtakes = late and (self._turn or late == _UNKNOWN)
                    fresh = self._fresh(uptime, now) if overtakes else None
                    if fresh:
                        record, late = fresh, False
                    message = None if late == _UNKNOWN else self._message(record, late)
                except (MemoryError, OSError):
                    outbox.spare(now)  # its start cannot be looked up either: later
                    return
                self._turn = not self._turn
                if not message or not self._send(record, late, message, now):
                    return
            except ValueError as e:
                self.log.error("outbox: a record that is no reading is left out: %s" % e)
                outbox.drop(record, now, damaged=True)
            if record in self.again:
                self.again.remove(record)

    def _fresh(self, uptime, now):
        """Return the oldest reading of now that is in RAM, or None."""
        qos_2 = self.uplink.qos_max == 2
        return self.outbox.fresh(now, lambda r: is_reading(r) and self._is_late(r, uptime), qos_2)

    def take_back(self):
        """Have the client forget what it can, so that it is sent again."""
        from firmware.readings import withdraw

        withdraw.everything(self)
        forget("readings", "withdraw")

    def acknowledged(self, pids, now):
        """The broker has acknowledged these."""
        for pid in pids:
            record = self.sent.pop(pid, None)
            if record:
                self.outbox.drop(record, now)
            if pid in self.restored:
                self.restored.remove(pid)

    def _is_late(self, record, uptime):
        """Return whether a reading goes to history, or _UNKNOWN: its start cannot be looked up now."""
        _, boot, seq, at, _ = head(record)
        try:
            self.starts.find(boot)
        except (OSError, MemoryError):
            self.starts.defer(uptime)
            return _UNKNOWN
        if boot != self.boot or uptime - at > self.live_ms:
            return True
        newest = self._newest.get(record.key)
        return newest is not None and seq < newest

    def _topic(self, key):
        found = self._topics.get(key)
        if found is None:
            found = self._topics[key] = self.topics.channel(key.decode())
        return found

    def _qos(self, record):
        """Return the QoS to send a record at: the channel's of today; for a channel that is gone, the one it was taken at.

        An exchange of QoS 2 that has come to PUBREC goes on at QoS 2, see parts.py. A reading that was kept never goes at QoS 0.
        """
        channel = self._channels.get(record.key)
        qos = record.qos if channel is None else channel.qos
        return 1 if qos < 2 else self.uplink.qos_max

    def _message(self, record, late):
        """Return (retain, boot, seq, topic, payload) of a record's message."""
        retain, boot, seq, at, ts = head(record)
        ts = self.starts.time_of(boot, at, ts)
        topic = self._topic(record.key)[1 if late else 0]
        if late:
            prefix = self.starts.find(boot)[1]
            if prefix:  # it was taken under another name
                topic = self.topics.late(prefix, record.key.decode())
        return retain, boot, seq, topic, payload.reading(ts, boot, seq, payload.members(record))

    def _send(self, record, late, message, now):
        client = self.client
        qos = self._qos(record)
        pid = record.pid if qos == 2 else 0
        if pid in client.in_flight:
            return False
        retain, boot, seq, topic, text = message
        retain = bool(retain) and not late and self.uplink.retain
        if pid:
            self.sent[pid] = record  # before it is sent: there may be no memory for it afterwards
        sent = self.uplink.send(topic, text, retain, qos, pid, boot != self.boot)
        if pid and sent != pid:
            del self.sent[pid]
        if sent is None:
            return False
        if sent < 0:
            try:
                from firmware.readings.aside import put

                return put(record, self, now)
            except MemoryError:
                forget("readings", "aside")  # it may be half loaded
                return False  # it waits, and the others with it
        if self.pace:
            self.pace.went()
        self.sent[sent] = record
        # mark: the QoS it was sent at on `reading/…`; 0 means it was sent late.
        self.outbox.take(record, now, 0 if late else qos)
        if not late:
            self._newest[record.key] = seq
        record.unload()  # the client has the message
        return True

    def _journal(self, pids):
        """The client's journal: write to flash what it learns of exchanges of QoS 2, before it acts on it. Return packet ids to forget.

        On a new connection it forgets readings that have become late since they were sent: they go to history.
        """
        now = time.ticks_ms()
        forgotten = []
        done = True
        if pids is None:
            done = self.outbox.unrelease(now)
            forgotten, self.restored = self.restored, []
            for pid in forgotten:
                record = self.sent.pop(pid, None)
                if record:
                    self.again.append(record)
        if not pids:
            if self.sent:
                try:
                    from firmware.readings import withdraw

                    withdraw.late(self, self.clock.uptime_ms(now), pids is None, forgotten)
                except MemoryError:
                    pass  # they go out as they were
                forget("readings", "withdraw")
        else:
            # One that was sent while the flash took nothing has another id: after a power cut it goes as new.
            records = [self.sent[pid] for pid in pids if pid in self.sent]
            records = [record for record in records if self.sent.get(record.pid) is record]
            done = not records or self.outbox.release(records, now)
        if not done:
            self.log.error("outbox: not written; a power cut now may double a reading")
        return forgotten


class Starts:
    """When each start was, and which name the node had then: readings need it besides their records.

    Kept in `state/boots` by boots.py, which is loaded when needed. Nothing is dated or named by guess.
    """

    def __init__(self, boot, prefix, log):
        """boot: the number of this start; prefix: the topic prefix of the node."""
        self.boot = boot
        self.prefix = prefix
        self.log = log
        self.origin = None  # Unix ms at uptime 0, for readings of this start that have no time, or a wrong one
        self.untimed = False  # whether there are any, and it is not on flash
        self.unnamed = False  # whether the prefix is not on flash yet
        self._wait_until = 0  # uptime: until then it is not read,
        self._write_at = 0  # and not written before this
        self._earlier = None  # the start that was looked up last,
        self._found = None  # and what was found

    def find(self, boot):
        """Return (Unix ms at uptime 0, topic prefix) of a start. None: unknown, or it is today's. OSError: it cannot be read now."""
        if boot == self.boot:
            return self.origin, None
        if boot != self._earlier:
            if self._wait_until:
                raise OSError(EIO)
            try:
                from firmware.readings import boots

                origin, prefix = boots.find(boot)
            finally:
                forget("readings", "boots")  # without memory it is half there
            self._found = origin, None if prefix == self.prefix else prefix
            self._earlier = boot
        return self._found

    def set(self, origin, uptime):
        """The clock has just been set: it was Unix time origin at uptime 0."""
        before = self.origin
        if before is None or abs(before - origin) > _WRONG_MS + uptime // 10000:
            self.untimed = self.untimed or before is not None
            self.origin = origin

    def time_of(self, boot, at, ts):
        """Return the Unix ms of a reading, or None. at: its uptime in ms; ts: what the clock said when it was taken, or 0.

        In this start, a time that the clock has given up since is corrected. In an earlier one nobody knows which times were wrong.
        """
        origin = self.find(boot)[0]
        if origin is None or (
            ts and (boot != self.boot or abs(ts - origin - at) <= _WRONG_MS + at // 10000)
        ):
            return ts or None
        return origin + at

    def defer(self, uptime):
        """Let readings of earlier starts wait: the file cannot be read."""
        if not self._wait_until:
            self._wait_until = uptime + _AGAIN_MS
            self.log.error("boots: state/boots cannot be read: readings of earlier starts wait")

    def step(self, uptime, delivery):
        """Write what is not on flash yet."""
        if uptime >= self._wait_until:
            self._wait_until = 0
        if uptime < self._write_at or not (
            self.unnamed or (self.untimed and self.origin is not None)
        ):
            return
        try:
            from firmware.readings import earlier

            if not earlier.note(self, delivery):
                self._write_at = uptime + _AGAIN_MS
        except MemoryError:
            pass  # again with the next step
        forget("readings", "earlier", "boots")
