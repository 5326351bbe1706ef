"""How long a peer may be silent, and when it is asked for a sign of life."""

from time import ticks_add, ticks_diff

from mqtt.packets import ETIMEDOUT

LONGEST_MS = 60000  # what nothing-to-wait-for is called

_PINGREQ = b"\xc0\0"


class Deadlines:
    """The deadlines of a connection; begin() sets them for the next one. Each time is a `ticks_ms`, or None while nothing is awaited.

    Only what was asked for puts a deadline off: a broker that sends messages, or answers pings, and never acknowledges is as
    dead as a silent one. It is the oldest message that has to be acknowledged: one that the broker passes over would else
    stay in flight for ever.
    """

    def __init__(self, out, inc, timeout, connect_timeout):
        """out, inc: the Outgoing and the Incoming to watch. timeout: s that an answer, the rest of a packet or a socket that takes
        nothing may last. connect_timeout: s for TCP, TLS and CONNACK together.
        """
        self.out = out
        self.inc = inc
        self.timeout_ms = timeout * 1000
        self.connect_ms = connect_timeout * 1000
        self.pinging = False  # a PINGREQ waits for its answer

    def begin(self, now, keepalive):
        """Start anew: a connection is being opened, and the broker owes CONNACK."""
        self.keepalive = keepalive  # s, 0: no pings
        self.pinging = False
        self.now = now  # when step() was called last
        self.sent = self.heard = now  # the last time anything was
        self.answer = now  # since when the broker owes an answer,
        self.oldest = 0  # to the message with this packet id
        self.stall = None  # since when the socket takes nothing
        self.half = None  # since when a packet is half there,
        self.progress = 0  # and how far
        self.at = now  # when check() is due
        self.changed = True  # check() is due in any case

    def due(self, now):
        """Return ms until check() is due, unless something changes."""
        wait = ticks_diff(self.at, now)
        if self.changed:
            pids = self.out.pids
            if pids and self.answer is None:
                self.answer, self.oldest = now, pids[0]  # else with the next check()
            if wait > self.timeout_ms:
                return self.timeout_ms
        return wait if wait > 0 else 0

    def check_connack(self, now):
        """Look at the only deadline before CONNACK. OSError: it has passed."""
        wait = self.connect_ms - ticks_diff(now, self.answer)
        if wait <= 0:
            raise OSError(ETIMEDOUT)  # faults.py has the words
        self.at = ticks_add(now, wait)

    def ping_if_due(self, now):
        """Send PINGREQ if it is due: three quarters of the keepalive with nothing sent, or nothing heard.

        The broker waits one and a half times the keepalive [MQTT-3.1.2-24]. Return ms until then.
        """
        keepalive = self.keepalive * 750
        if not keepalive or self.pinging:
            return LONGEST_MS
        quiet = max(ticks_diff(now, self.sent), ticks_diff(now, self.heard))
        if quiet >= keepalive:
            self.ping(now)
        return min(LONGEST_MS, max(0, keepalive - quiet))

    def ping(self, now):
        """Ask for a sign of life, unless something else is on its way out."""
        if not self.out.waiting() and self.out.add(_PINGREQ):
            self.pinging = self.changed = True
            self.sent = now

    def check(self, now, wait):
        """Look at each deadline. The next check is due at the first of them, or after `wait` ms. OSError: one has passed."""
        out = self.out
        inc = self.inc
        oldest = out.pids[0] if out.pids else 0
        # While a stream is being written the broker does not owe an answer yet.
        if not (oldest or self.pinging or out.reserved) or (out.stream and out.streaming()):
            self.answer = None
        elif self.answer is None or oldest != self.oldest:
            self.answer = now
        self.oldest = oldest
        if inc.more or not (inc.start < inc.end or inc.large):
            self.half = None
        elif self.half is None or inc.progress != self.progress:
            self.half = now
            self.progress = inc.progress
        if self.answer is not None:
            wait = self._left(now, self.answer, wait, "no answer from the broker")
        if self.stall is not None:
            wait = self._left(now, self.stall, wait, "the broker takes nothing")
        if self.half is not None:
            wait = self._left(now, self.half, wait, "half a packet, and no more")
        self.at = ticks_add(now, wait)

    def _left(self, now, since, wait, text):
        left = self.timeout_ms - ticks_diff(now, since)
        if left <= 0:
            raise OSError(ETIMEDOUT, text)
        return left if left < wait else wait
