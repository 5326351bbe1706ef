"""What time it is, and whether that is known.

`uptime_ms` never jumps and never wraps (`ticks_ms` does after 12.4 days). Unix milliseconds are uptime plus an offset that
comes from time servers (sntp.py), or, until one has answered, from a real-time clock that this node itself had set. They are
integers: the boards' floats have 24 bits. Both epochs are met: ESP32 counts from 2000, Pico W from 1970.

Asked are the `host` of the settings, the gateway and the broker, the last one that was good first; an address before a name,
for that needs no look-up. A name comes after the gateway and the broker, which are nearer. What is believed:

1. Nothing before this firmware's release, nor before the newest time that was ever believed without doubt (`state/time`).
2. At once what agrees with the time that is known; or, if none is, what is less than two years after the newest one.
3. Anything else when another server says the same, or the same one three times.
"""

import os
import time

from micropython import const

from firmware import forget
from firmware.files import read, write
from firmware.log import reason
from firmware.names import is_address

_RELEASE = const(1767225600)  # 2026-01-01: an earlier time is a clock that was never set
_BEYOND = const(4102444800)  # 2100-01-01: nor is that a time that was ever believed
_AHEAD_MS = const(63072000000)  # two years: so long may a node have been in a drawer
_ANSWER_MS = const(2000)
_NEAR_MS = const(1000)  # of the gateway, of the broker
_SLOW_MS = const(
    500
)  # an answer that was longer on its way is asked for again, and then taken if not twice as slow, …
_SLOW_TRIES = const(3)
_AGREE_MS = const(2000)
_SAME = const(3)  # answers of one server that contradict what is known, until they are believed
_RETRY_MS = const(4000)
_RETRY_MAX_MS = const(300000)
_LOOK_MS = const(20)
_RATE_MS = const(3600000)  # who asks too often asks once an hour at most, then twice as rarely
_INTERVAL_MAX_MS = const(604800000)
_MARK_MS = const(60000)


_NEWEST = "state/time"
_DAY_S = const(86400)  # so rarely it is written


def epoch():
    """Seconds from 1970 to the port's own epoch."""
    return 946684800 if time.gmtime(0)[0] == 2000 else 0


def _newest_kept():
    try:
        newest_s = int(read(_NEWEST) or "0")
    except ValueError:
        newest_s = 0
    return newest_s if _RELEASE < newest_s < _BEYOND else _RELEASE


class Clock:
    def __init__(self, settings, board, log, names):
        """settings: the `ntp` part; board: keeps the time for TLS, and over a reset; names: a Names."""
        self.host = settings["host"]
        self.port = settings["port"]
        self.interval_ms = int(settings["interval_s"]) * 1000
        self.broker = None  # its address, once there is a connection
        self.board = board
        self.log = log
        self.names = names
        self.source = "unset"  # "rtc": was still set at boot; "ntp"
        self.synced_at = None  # uptime of the last sync, ms
        self.newest_s = _newest_kept()
        self.sure = False  # the last answer was no surprise
        self._up = 0
        self._tick = time.ticks_ms()
        self._offset = None  # Unix ms at uptime 0
        self._question = None
        self.server = None  # that gave the time last
        self._denied = []  # servers that are not to be asked
        self._turn = 0  # of the servers, which is asked
        self._slow = 0  # answers in a row that came late
        self._told = {}  # server: [offset it gave against what is known, how often]
        self._failures = 0  # rounds without the time
        self._wait = 0  # ms after _since until the next question
        self._since = 0  # uptime
        self._marked = 0  # uptime
        now_s = board.kept_time()
        if now_s is not None and now_s >= self.newest_s:
            self._offset = now_s * 1000
            self.source = "rtc"

    @property
    def trusted(self):
        return self._offset is not None

    def uptime_ms(self, now):
        """now: ticks_ms(). Must be called at least every six days."""
        self._up += time.ticks_diff(now, self._tick)
        self._tick = now
        return self._up

    def now(self):
        """Return the uptime of this moment, which in a pass that waited is later than that of the pass."""
        return self.uptime_ms(time.ticks_ms())

    def unix_ms(self, uptime_ms):
        """Return Unix ms for a moment of this boot, or None while the clock is not trusted."""
        return None if self._offset is None else self._offset + uptime_ms

    def step(self, uptime, online):
        """Ask for the time when it is due; never waits. Return True when it has just been set."""
        if self._offset is not None and uptime - self._marked >= _MARK_MS:
            self._marked = uptime
            self.board.mark_time()
        if self._question:
            return self._listen()
        if online and uptime - self._since >= self._wait:
            self._ask(uptime)
        return False

    def due(self, uptime):
        """Return ms until step() wants to be called while online."""
        if self._question:
            return _LOOK_MS
        return max(0, self._wait - (uptime - self._since))

    def _servers(self):
        """Return who may be asked, in order."""
        servers = [self.names.gateway(), self.broker]
        servers.insert(0 if is_address(self.host) else 2, self.host)
        servers.insert(0, self.server)
        return [
            server
            for i, server in enumerate(servers)
            if server and server not in servers[:i] and server not in self._denied
        ]

    def _ask(self, uptime):
        servers = self._servers()
        if self._turn >= len(servers):
            self._failed("nobody is left to be asked")
            return
        server = servers[self._turn]
        try:
            address = self.names.find(server, uptime)
            if address is None:
                self._pause(uptime, _LOOK_MS)
                return
            from firmware.sntp import Question

            port = self.port if server == self.host else 123
            self._asked = server
            self._question = Question(address, port, self)
        except OSError as e:
            self._next("%s: %s" % (server, reason(e)))

    def _listen(self):
        from firmware.sntp import Kiss

        server = self._asked
        try:
            answer = self._question.answer()
        except Kiss as e:
            self._close()
            self._kissed(server, e.args[0])
            return False
        except OSError as e:
            self._close()
            self._next("%s: %s" % (server, reason(e)))
            return False
        if answer:
            self._close()
            return self._weigh(server, *answer)
        if self.now() - self._question.asked >= (_ANSWER_MS if server == self.host else _NEAR_MS):
            self._close()
            self._next("%s: no answer" % server)
        return False

    def _close(self):
        self._question.close()
        self._question = None

    def _kissed(self, server, code):
        """RFC 4330, section 8."""
        if code in ("DENY", "RSTR"):
            self._denied.append(server)
            self._turn -= 1  # it is no longer in the list
        self._next("%s: it does not want to be asked (%s)" % (server, code))
        if code == "RATE":
            self.interval_ms = min(max(2 * self.interval_ms, _RATE_MS), _INTERVAL_MAX_MS)
            if not self._turn:  # nobody else has the time
                self._pause(self.now(), self.interval_ms)

    def _weigh(self, server, unix_ms, at, age):
        """An answer came: it was unix_ms at that uptime. Return True if that is believed, and the clock set."""
        if age > _SLOW_MS << self._slow:
            self._slow += 1
            if self._slow < _SLOW_TRIES:
                self._pause(self.now(), 0)
            else:
                self._next("%s: its answers take too long to say when that was" % server)
            return False
        if unix_ms < self.newest_s * 1000:
            self._next("%s: its time is in the past" % server)
            return False
        offset = unix_ms - at
        self.sure = self._agrees(unix_ms, offset, at)
        if not (self.sure or self._confirmed(server, offset)):
            self._next("%s: its time is not what is known" % server)
            return False
        self._set(server, offset, at)
        return True

    def _agrees(self, unix_ms, offset, at):
        if self._offset is None:
            return unix_ms - self.newest_s * 1000 < _AHEAD_MS
        # A crystal is wrong by 1 s in 3 hours at worst; a real-time clock knows whole seconds.
        since = self.synced_at or 0
        return abs(offset - self._offset) <= _AGREE_MS + (at - since) // 10000

    def _confirmed(self, server, offset):
        """Has another server said the same, or this one often enough?"""
        for other, (told, _) in self._told.items():
            if other != server and abs(told - offset) <= _AGREE_MS:
                return True
        told, times = self._told.get(server, (offset, 0))
        times = times + 1 if abs(told - offset) <= _AGREE_MS else 1
        self._told[server] = offset, times
        return times >= _SAME

    def _set(self, server, offset, at):
        first = self.source != "ntp"
        jump = 0 if self._offset is None else (offset - self._offset) // 1000
        self._offset = offset
        self.synced_at = self._marked = at
        self.source = "ntp"
        self.server = server
        self._told.clear()
        self._turn = self._slow = self._failures = 0
        unix_s = (offset + at) // 1000
        if self.sure and unix_s - self.newest_s >= _DAY_S:
            self._keep_newest(unix_s)
        self._pause(at, self.interval_ms)
        forget("sntp")
        try:
            self.board.set_time(unix_s)
        except OSError as e:
            self.log.warning("clock: the board's clock was not set: %s" % reason(e))
        if first:
            self.log.info("clock: set from %s" % server)
        elif not self.sure:
            self.log.warning("clock: set by %d s from %s" % (jump, server))

    def _keep_newest(self, unix_s):
        """Now, and after a restart, no time before this one is believed."""
        self.newest_s = unix_s
        try:
            write(_NEWEST, str(unix_s))
        except OSError as e:
            self.log.warning("clock: %s: %s" % (_NEWEST, reason(e)))

    def _next(self, why):
        """It did not work with this server: the next one, or a pause after all of them."""
        self._slow = 0
        self._turn += 1
        if self._turn < len(self._servers()):
            self._pause(self.now(), 0)
        else:
            self._failed(why)

    def _failed(self, why):
        self._turn = 0
        self._failures += 1
        forget("sntp")
        if self._failures == 1:
            self.log.warning("clock: no time from %s" % why)
        wait = min(_RETRY_MS << min(self._failures - 1, 7), _RETRY_MAX_MS)
        if self._told:
            wait = _RETRY_MS  # somebody answers: it is only to be confirmed
        # Up to a quarter more: a fleet must not ask in step.
        self._pause(self.now(), wait + (wait * os.urandom(1)[0] >> 10))

    def _pause(self, uptime, ms):
        self._since = uptime
        self._wait = ms
