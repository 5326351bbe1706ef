"""When a peer has been silent for too long, and when to ask it for a sign of life."""

from time import ticks_diff

from mqtt_link import ETIMEDOUT

LONGEST_MS = 60000  # what nothing-to-wait-for is called


class Deadlines:
    """Each time is a `ticks_ms`, or None while there is nothing to wait for.

    Only what was asked for puts a deadline off: a broker that sends messages, or answers pings, and never acknowledges
    is as dead as a silent one.
    """

    def __init__(self, timeout_ms, connect_timeout_ms):
        self.timeout_ms = timeout_ms
        self.connect_timeout_ms = connect_timeout_ms
        self.sent_at = self.heard_at = 0
        self.begin(0)

    def begin(self, now):
        """A connection begins."""
        self.answer = self.sent_at = self.heard_at = now  # the first answer is CONNACK
        self.stall = self.half = None
        self.pinging = False
        self._progress = 0

    def greeting_in(self, now):
        """Return ms until the broker must have said welcome."""
        return max(0, self.connect_timeout_ms - ticks_diff(now, self.answer))

    def greeting(self, now):
        """The broker has not said welcome yet."""
        if not self.greeting_in(now):
            raise OSError(ETIMEDOUT, "no connection in time")

    def flushed(self, now, done, moved):
        """Something was to be written; done: all of it went, moved: some."""
        if done:
            self.stall = None
        elif self.stall is None or moved:
            self.stall = now

    def watch(self, now, owed, half, progress):
        """owed: the broker owes an answer; half: half a packet came, progress: of what came. OSError: too late."""
        if not owed:
            self.answer = None
        elif self.answer is None:
            self.answer = now
        elif ticks_diff(now, self.answer) >= self.timeout_ms:
            raise OSError(ETIMEDOUT, "no answer from the broker")
        if self.stall is not None and ticks_diff(now, self.stall) >= self.timeout_ms:
            raise OSError(ETIMEDOUT, "the broker takes nothing")
        if not half:
            self.half = None
        elif self.half is None or progress != self._progress:
            self.half = now
            self._progress = progress
        elif ticks_diff(now, self.half) >= self.timeout_ms:
            raise OSError(ETIMEDOUT, "half a packet, and no more")

    def ping_in(self, now, keepalive):
        """Return ms until PINGREQ is due: three quarters of the keepalive with nothing sent, or nothing heard.

        The broker waits one and a half times the keepalive [MQTT-3.1.2-24].
        """
        quiet = max(ticks_diff(now, self.sent_at), ticks_diff(now, self.heard_at))
        return keepalive * 750 - quiet

    def due(self, now, owed, keepalive):
        """Return ms until one of them has to be looked at."""
        wait = LONGEST_MS
        for since in (self.answer, self.half):
            if since is not None:
                wait = min(wait, self.timeout_ms - ticks_diff(now, since))
        if owed and self.answer is None:
            wait = min(wait, self.timeout_ms)
        if keepalive and not self.pinging:
            wait = min(wait, self.ping_in(now, keepalive))
        return max(0, wait)
