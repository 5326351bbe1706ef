"""Asking for the time: SNTP, RFC 4330. Loaded while it is asked for.

It asks the `host` of the settings, the gateway and the broker. The last good one comes first; addresses come before names, which need a
look-up. SNTP is not authenticated. What can be checked: the answer comes from the server that was asked, echoes a random request, is from
a server that is itself synchronised, and was read when it came. Then it believes:

1. nothing before this firmware's release;
2. from the `host`, or from a server that no other contradicts: a time that agrees with the known time, or, if none is known, that is less
   than a day after the newest one ever believed. At once, if the known time came from another server;
3. a time before the newest one, if another server says the same, or the same one still does after six hours: then the newest was wrong;
4. any other time, if another server says the same, or the same one three times (twice, if no time is known and it is less than two years
   ahead), and no other contradicts it or it is the `host`. A liar whom nobody contradicts is believed.
"""

import errno
import os
import socket

from micropython import const

from firmware.files import TIME, write
from firmware.link.names import is_address
from firmware.upkeep.log import reason

_DAY_S = const(86400)  # how rarely the newest time is written
_PORT = const(123)
_NTP_TO_UNIX = const(2208988800)  # seconds from 1900 to 1970
_ERA = 1 << 32  # NTP seconds wrap on 2036-02-07
_LONGEST = const(68)  # bytes, with a signature that is not looked at
_INFINITE_S = const(16)  # root delay and dispersion: RFC 5905, MAXDISP; Windows says 10 of itself
_AHEAD_MS = const(63072000000)  # two years: how long a node may have been in a drawer
_LOOK_MS = const(20)
_ANSWER_MS = const(2000)
_NEAR_MS = const(1000)  # of the gateway, of the broker
_SLOW_MS = const(500)  # longer: asked again, and it may take twice that, then four times
_SLOW_TRIES = const(3)
_AGREE_MS = const(2000)
_SAME = const(3)  # answers of one server, against what is known, until they are believed
_PAST_MS = const(21600000)  # a router that lost its time has it back by then
_AGAIN_MS = const(4000)
_SOON_MS = const(2500)  # where nothing is known; above _AGREE_MS: a clock may stand
_MOST = const(8)  # servers that are remembered
# A server that says it is asked too often: once an hour at most, then half as often; sooner while it has not given the time yet.
_FIRST_MS = const(300000)
_RATE_MS = const(3600000)
_DENIED_MS = const(86400000)  # by then the name may be another server's
_INTERVAL_MAX_MS = const(604800000)


class Asking:
    """One server after the other, until one is believed or all have failed."""

    def __init__(self, clock):
        self.clock = clock
        self.why = "anybody: nobody is left to be asked"
        self.rest_ms = 0  # how long a server that was asked too often is left alone
        self._turn = 0  # of the servers
        self._round = 0
        self._question = None
        self._slow = 0  # answers in a row that came late
        self._alone = None  # what step() returns, if nobody says otherwise,
        self._against = None  # and who says that the newest time is wrong
        self._told = {}  # server: (offset it gave, how often)
        self._since = 0  # uptime
        self._wait = 0

    def step(self, uptime):
        """Return None: not done, (server, offset, uptime it was asked at, sure): see Clock, or False: nobody has the time."""
        if self._question:
            return self._listen()
        if uptime - self._since < self._wait:
            return None
        servers = self._servers()
        if self._turn >= len(servers):
            if self._alone and len(self._told) == 1 and not self._against:
                return self._alone
            # A server that contradicts the known time is asked again, though others are silent.
            self._round += 1
            self._turn = 0
            if not self._told or self._round >= _SAME:
                return False
            return self._pause(uptime, _SOON_MS if self.clock.offset is None else _AGAIN_MS)
        return self._ask(servers[self._turn], uptime)

    def set(self, server, offset, at, sure):
        """Set the clock: it was Unix time offset + at at that uptime; sure: nothing that was known contradicts it."""
        clock = self.clock
        if clock.source != "ntp":
            clock.log.info("clock: set from %s" % server)
        elif not sure:
            jump_s = (offset - clock.offset) // 1000
            clock.log.warning("clock: set by %d s from %s" % (jump_s, server))
        clock.offset = offset
        clock.synced_at = clock.since = clock.marked = at
        clock.source = "ntp"
        clock.server = server
        clock.failures = 0
        clock.past.clear()
        clock.wait = clock.interval_ms
        unix_s = (offset + at) // 1000
        try:
            clock.board.set_time(unix_s)
            if sure and unix_s - clock.newest_s >= _DAY_S:
                clock.newest_s = unix_s
                write(TIME, str(unix_s))
        except OSError as e:
            clock.log.warning("clock: the time is not kept over a reset: %s" % reason(e))

    def due(self, uptime):
        return _LOOK_MS if self._question else max(0, self._wait - (uptime - self._since))

    def _servers(self):
        """Return who may be asked, in order."""
        clock = self.clock
        servers = [clock.server, clock.names.gateway(), clock.broker]
        servers.insert(1 if is_address(clock.host) else 3, clock.host)
        now = clock.now()
        return [
            server
            for i, server in enumerate(servers)
            if server and server not in servers[:i] and clock.denied.get(server, now) <= now
        ]

    def _ask(self, server, uptime):
        clock = self.clock
        try:
            address = clock.names.find(server, uptime)
            if address is None:
                return self._pause(uptime, _LOOK_MS)
            port = clock.port if server == clock.host else _PORT
            self._question = Question(server, address, port, clock)
        except (OSError, MemoryError) as e:
            self._next(server, reason(e) if isinstance(e, OSError) else "not enough memory")

    def _listen(self):
        question = self._question
        server = question.server
        answer = why = None
        try:
            answer = question.answer()
            patience = _ANSWER_MS if server == self.clock.host else _NEAR_MS
            if not answer and self.clock.now() - question.asked >= patience:
                why = "no answer"
        except Kiss as e:
            why = self._kissed(server, str(e))
        except OSError as e:
            why = reason(e)
        if not (answer or why):
            return None
        question.close()
        self._question = None
        return self._weigh(server, *answer) if answer else self._next(server, why)

    def _kissed(self, server, code):
        """RFC 4330, section 8."""
        clock = self.clock
        if code in ("DENY", "RSTR"):
            clock.denied[server] = clock.now() + _DENIED_MS
            self._turn -= 1  # it is no longer in the list
        elif code == "RATE":
            if clock.synced_at is None:
                self.rest_ms = min(_FIRST_MS << min(clock.failures, 4), _RATE_MS)
            else:
                clock.interval_ms = min(max(2 * clock.interval_ms, _RATE_MS), _INTERVAL_MAX_MS)
                self.rest_ms = clock.interval_ms
        return "it does not want to be asked (%s)" % code

    def _weigh(self, server, unix_ms, at, age):
        """An answer came: it was unix_ms at that uptime."""
        clock = self.clock
        if age > _SLOW_MS << self._slow:
            self._slow += 1
            if self._slow == _SLOW_TRIES:
                self._next(server, "its answers take too long to say when that was")
            return None
        offset = unix_ms - at
        ahead = unix_ms - clock.newest_s * 1000
        if ahead < 0:
            released = unix_ms >= clock.release_s * 1000
            if not (released and self._outweighs(server, offset, at)):
                self._against = server if released else self._against
                return self._next(server, "its time is in the past")
            clock.log.warning("clock: the newest time that was known is given up: it was wrong")
            clock.newest_s = 0
            return server, offset, at, True
        if clock.offset is None:
            sure = ahead < _AHEAD_MS
            at_once = ahead < _DAY_S * 1000
        else:
            at_once = sure = _agree(offset, clock.offset, at - (clock.synced_at or 0))
        answer = server, offset, at, sure
        alone = server != clock.host and (clock.offset is None or server == clock.server)
        if (at_once and not alone) or self._confirmed(server, offset, 2 if sure else _SAME):
            return answer
        if at_once:
            self._alone = answer
        return self._next(server, "its time is not what is known")

    def _outweighs(self, server, offset, at):
        """Have two servers said this, or one for long, against the newest time that was known?"""
        past = self.clock.past
        for other, (told, since) in past.items():
            if _agree(told, offset, at - since):
                return other != server or at - since >= _PAST_MS
        if len(past) == _MOST:
            past.clear()
        past[server] = offset, at
        return False

    def _confirmed(self, server, offset, needed):
        """Has another server said the same, or this one often enough?"""
        for other, (told, _) in self._told.items():
            if other != server and _agree(told, offset, 0):
                return True
        told, times = self._told.get(server, (offset, 0))
        times = 1 + (times if _agree(told, offset, 0) else 0)
        self._told[server] = offset, times
        alone = len(self._told) == 1 and self._against in (None, server)
        return times >= needed and (alone or server == self.clock.host)

    def _next(self, server, why):
        self.why = "%s: %s" % (server, why)
        self._slow = self._wait = 0
        self._turn += 1

    def _pause(self, uptime, ms):
        self._since = uptime
        self._wait = ms


def _agree(a, b, ms):
    # A crystal is wrong by 1 s in 3 hours at worst; a real-time clock knows whole seconds.
    return abs(a - b) <= _AGREE_MS + ms // 10000


class Kiss(Exception):
    """The server refuses to be asked (like this): args[0] is its code, as DENY, RSTR or RATE."""


class Question:
    def __init__(self, server, address, port, clock):
        """Ask. server: its name; clock: now() gives its uptime in ms. OSError: there is no way to it."""
        self.server = server
        self._peer = (address, port)
        self._clock = clock
        # version 4, client; the random number comes back as the originate timestamp
        self._nonce = os.urandom(8)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            self.asked = self._looked = clock.now()
            self._sock.sendto(b"\x23" + bytes(39) + self._nonce, self._peer)
        except OSError:
            self.close()
            raise

    def answer(self):
        """Return (Unix ms, uptime at which it was that, ms since the question), or None: nothing yet.

        OSError: the server has answered, and has no time. Kiss: it does not want to be asked.
        """
        while True:
            before = self._clock.now()
            try:
                data, peer = self._sock.recvfrom(_LONGEST)
            except OSError as e:
                if e.errno != errno.EAGAIN:
                    raise
                self._looked = before
                return None
            if tuple(peer[:2]) == self._peer:
                unix_ms = check(data, self._nonce)
                if unix_ms is not None:
                    # It came between the last look and this one, and was half of its travel on the way.
                    now = self._clock.now()
                    middle = self.asked + (self._looked + now - 2 * self.asked) // 4
                    return unix_ms, middle, now - self.asked

    def close(self):
        self._sock.close()


def check(data, nonce):
    """Return the Unix ms an answer gives; None: it is not one to our question. OSError and Kiss: as Question.answer()."""
    if len(data) < 48 or data[0] & 7 != 4 or not data[0] & 0x38 or data[24:32] != nonce:
        return None
    if data[1] == 0:
        raise Kiss("".join([chr(c) for c in data[12:16] if 32 < c < 127]))
    if data[0] >> 6 == 3 or data[1] > 15:
        raise OSError(errno.EIO, "it does not know the time itself")
    # Signed and unsigned: a negative delay is not infinite, but nonsense.
    if data[4] << 8 | data[5] >= _INFINITE_S or data[8] << 8 | data[9] >= _INFINITE_S:
        raise OSError(errno.EIO, "it is not sure of the time itself")
    seconds, fraction = (int.from_bytes(data[at : at + 4], "big") for at in (40, 44))
    if not (seconds or fraction):
        raise OSError(errno.EIO, "it does not know the time itself")
    if seconds < 1 << 31:
        seconds += _ERA
    return (seconds - _NTP_TO_UNIX) * 1000 + (fraction * 1000 >> 32)
