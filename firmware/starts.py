"""What readings of this start and of earlier ones need besides their records: when each start was, and the name the node had then.

It is in `state/boots`, see boots.py, which is loaded when it is needed. What cannot be looked up now, or not be written, is
tried again after a minute: nothing is dated or named by guess.
"""

from errno import EIO

from micropython import const

from firmware import forget

_AGAIN_MS = const(60000)
# A time that is further off than this, and what a crystal may have drifted, is one that the clock has given up since.
_WRONG_MS = const(2000)


class Starts:
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

    def of(self, boot):
        """Return (Unix ms at uptime 0, topic prefix) of a start. None: nobody knows, or it is today's. OSError: nobody knows now."""
        if boot == self.boot:
            return self.origin, None
        if boot != self._earlier:
            if self._wait_until:
                raise OSError(EIO)
            try:
                from firmware import boots

                origin, prefix = boots.find(boot)
            finally:
                forget("boots")  # without memory it is half there
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

        Of this start, a time that the clock has given up since is put right. Of an earlier one nobody knows which it was.
        """
        origin = self.of(boot)[0]
        if origin is None or (
            ts and (boot != self.boot or abs(ts - origin - at) <= _WRONG_MS + at // 10000)
        ):
            return ts or None
        return origin + at

    def defer(self, uptime):
        """It cannot be read: readings of earlier starts wait."""
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
            from firmware import earlier

            if not earlier.note(self, delivery):
                self._write_at = uptime + _AGAIN_MS
        except MemoryError:
            pass  # again with the next step
        forget("earlier", "boots")
