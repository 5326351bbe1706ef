"""Readings that the MQTT client has not yet taken, in RAM, oldest first.

Bounded in bytes: when it is full the oldest go, and are counted. What the client has taken it keeps until the broker
acknowledged it. (Over a power cut nothing is kept here.)
"""

from collections import deque, namedtuple

from micropython import const

_OVERHEAD = const(128)  # a record's tuple, its bytes object and its integers on a 32-bit board


# One reading of one channel. at: uptime in ms when it was taken; ts: Unix ms, None until the clock is trusted;
# members: its quantities as JSON members.
Reading = namedtuple("Reading", ("channel", "at", "ts", "seq", "members"))


class Backlog:
    def __init__(self, limit):
        """limit: bytes of RAM, overhead included."""
        self.limit = limit
        self.bytes = 0
        self.dropped = 0
        self._queue = deque((), limit // _OVERHEAD + 1)  # noqa: RUF037 MicroPython needs the ()

    def __len__(self):
        return len(self._queue)

    def append(self, reading):
        size = _OVERHEAD + len(reading.members)
        while self._queue and self.bytes + size > self.limit:
            self.pop()
            self.dropped += 1
        self._queue.append(reading)
        self.bytes += size

    def peek(self):
        """Return the oldest reading, or None."""
        return self._queue[0] if self._queue else None

    def pop(self):
        reading = self._queue.popleft()
        self.bytes -= _OVERHEAD + len(reading.members)
        return reading

    def fill_times(self, clock):
        """Give the readings taken before the first time sync their time."""
        for _ in range(len(self._queue)):
            reading = self._queue.popleft()
            if reading.ts is None:
                ts = clock.unix_ms(reading.at)
                reading = Reading(reading.channel, reading.at, ts, reading.seq, reading.members)
            self._queue.append(reading)
