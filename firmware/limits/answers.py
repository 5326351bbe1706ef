"""How a broker answers: late, to no ping, to nothing. Loaded with limits.py.

Late: the broker answers pings, but does not acknowledge in time. Each further connection waits twice as long, up to 80 s, until no
acknowledgement was late for ten minutes. No pings: every three quarters of the keepalive a message that is acknowledged stands for one.
"""

from micropython import const

_LONGER = const(3)  # times that the wait doubles
_QUICK_MS = const(600000)


class Answers:
    def __init__(self, uplink, status):
        """status: the topic of the message that stands for a ping."""
        self.uplink = uplink
        self._status = status
        client = uplink.client
        self._keepalive, self._timeout_ms = client.keepalive, client.deadlines.timeout_ms
        self._acked_at = 0  # uptime when an acknowledgement came,
        self._empty_at = 0  # or when nothing was in flight
        self.forget()

    def forget(self):
        """Believe the best."""
        self.pings = True  # are they answered?
        self._longer = 0  # times that the wait is doubled
        self._late_at = 0  # uptime when an acknowledgement came late, or did not come
        self._slow_at = None  # when one came late
        self.none = None  # how it shows that it takes nothing

    def begin(self):
        """Set the client up: a connection is about to be opened, or something was learnt."""
        deadlines = self.uplink.client.deadlines
        deadlines.timeout_ms = self._timeout_ms << self._longer
        if self.pings:
            deadlines.keepalive = self._keepalive

    def up(self, uptime):
        """A connection came up."""
        self._acked_at = self._empty_at = uptime
        if not self.pings:
            self.uplink.client.deadlines.keepalive = 0

    def step(self, acked, uptime):
        """A connection is up, and these were acknowledged."""
        uplink = self.uplink
        if acked:
            self.takes_nothing(None)
            if uptime - self._empty_at > self._timeout_ms // 2:
                self._late_at = self._slow_at = uptime
            elif self._longer and uptime - self._late_at >= _QUICK_MS:
                self._longer = 0
                self.begin()
            self._acked_at = uptime
        if acked or not uplink.client.in_flight:
            self._empty_at = uptime
        if not self.pings and uptime - self._acked_at >= self._keepalive * 750 and not uplink.held:
            self._acked_at = uptime
            uplink.introduce(self._status, b"online")

    def wait_longer(self, uptime):
        """Wait twice as long: pings were answered, and nothing was acknowledged in time. Return False: the wait is the longest already."""
        self._late_at = uptime
        if self._longer == _LONGER:
            return False
        self._longer += 1
        s = (self._timeout_ms << self._longer) // 1000
        self.uplink.log.info("mqtt: now waits %d s for an acknowledgement" % s)
        return True

    def never_came(self):
        """Go back to the usual wait: what was waited for was not late, it never came."""
        self._longer = 0
        self.begin()

    def may_be_late(self, uptime):
        """Is it too early to say that the broker never acknowledges it?"""
        late = self._slow_at is not None and uptime - self._slow_at < _QUICK_MS
        return late and self._longer < _LONGER

    def are_over(self, ms):
        """Was a ping unanswered for so long that the broker seems to answer none?

        It may close before the client has waited long enough: it has heard nothing for 1.5 keepalives [MQTT-3.1.2-24].
        """
        return ms >= min(self._timeout_ms, self._keepalive * 1000)

    def takes_nothing(self, how):
        """Note that nothing passes, whatever is sent. how: how that shows; None: something passes."""
        if bool(how) == bool(self.none):
            return
        if how:
            how = (
                "closes at whatever is published" if how == "closes at" else "acknowledges nothing"
            )
        self.none = how
        log, name = self.uplink.log, self.uplink.broker
        if how:
            log.warning("mqtt: %s %s: readings wait" % (name, self.none))
        else:
            log.info("mqtt: %s takes messages again" % name)

    def text(self):
        """Return a list of what is known, for people."""
        told = [self.none] if self.none else []
        if self._longer and not self.none:
            told.append("acknowledges late")
        if not self.pings:
            told.append("no answer to pings")
        return told

    def needed(self):
        """Is there anything to remember?"""
        return bool(self._longer or self.none)
