"""What time it is, and whether that is known.

`uptime_ms` never jumps and never wraps (`ticks_ms` does after 12.4 days). Unix milliseconds are uptime plus an offset that
comes from SNTP (RFC 4330), or, until then, from a real-time clock that was still set at boot. They are integers: the boards' floats
have 24 bits. Both epochs are met: ESP32 counts from 2000, Pico W from 1970.

SNTP is not authenticated. What can be checked is: the answer echoes a random request, comes from a synchronised server, in
time, and is not older than this firmware.
"""

import os
import socket
import time

from micropython import const

_NTP_TO_UNIX = const(2208988800)  # seconds from 1900 to 1970
_ERA = 1 << 32  # NTP seconds wrap on 2036-02-07
_RELEASE = const(1767225600)  # 2026-01-01: an earlier time is a clock that was never set
_ANSWER_MS = const(2000)
_RETRY_MS = const(4000)
_RETRY_MAX_MS = const(300000)
_FORGET_ADDRESS = const(3)  # look the name up again after so many failures


def epoch():
    """Seconds from 1970 to the port's own epoch."""
    return 946684800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    def __init__(self, settings, board, log):
        """settings: the `ntp` part; board: for set_time(), so that TLS can check validity dates."""
        self.host = settings["host"]
        self.port = settings["port"]
        self.interval_ms = int(settings["interval_s"]) * 1000
        self.board = board
        self.log = log
        self.source = "unset"  # "rtc": was still set at boot; "ntp"
        self.synced_at = None  # uptime of the last sync, ms
        self._up = 0
        self._tick = time.ticks_ms()
        self._offset = None  # Unix ms at uptime 0
        self._sock = None
        self._address = None
        self._failures = 0
        self._wait = 0  # ms after _since until the next request, or until the answer is overdue
        self._since = 0  # uptime
        self._sent = 0
        self._packet = bytearray(48)
        now_s = time.time() + epoch()
        if now_s >= _RELEASE:
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

    def unix_ms(self, uptime_ms):
        """Return Unix ms for a moment of this boot, or None while the clock is not trusted."""
        return None if self._offset is None else self._offset + uptime_ms

    def step(self, uptime, online):
        """Ask for the time when it is due. Return True when it has just been set. Only the name look-up can block."""
        if self._sock:
            return self._receive(uptime)
        if online and uptime - self._since >= self._wait:
            self._ask(uptime)
        return False

    def due(self, uptime):
        """Return ms until step() wants to be called while online."""
        if self._sock:
            return 20
        return max(0, self._wait - (uptime - self._since))

    def _ask(self, uptime):
        try:
            if self._address is None:
                self._address = socket.getaddrinfo(self.host, self.port)[0][-1]
            packet = self._packet
            for i in range(48):
                packet[i] = 0
            packet[0] = 0x23  # version 4, client
            packet[40:48] = os.urandom(8)  # comes back as the originate timestamp
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sock.setblocking(False)
            self._sent = self.uptime_ms(time.ticks_ms())  # the look-up may have taken seconds
            self._sock.sendto(packet, self._address)
            self._since = uptime
            self._wait = _ANSWER_MS
        except OSError as e:
            self._failed(uptime, e)

    def _receive(self, uptime):
        try:
            answer = self._sock.recv(64)
        except OSError as e:
            if e.errno == 11:  # EAGAIN on every port
                answer = None
            else:
                self._failed(uptime, e)
                return False
        if answer:
            unix_ms = self._check(answer)
            if unix_ms is not None:
                self._synced(uptime, unix_ms)
                return True
        if uptime - self._since >= self._wait:
            self._failed(uptime, OSError("no usable answer"))
        return False

    def _check(self, answer):
        """Return the Unix ms an answer gives, or None if it is not one to our question."""
        if len(answer) < 48 or answer[0] & 7 != 4 or answer[0] >> 6 == 3:
            return None  # not a server's answer, or a server that is itself not synchronised
        if not 1 <= answer[1] <= 15 or answer[24:32] != self._packet[40:48]:
            return None
        seconds = int.from_bytes(answer[40:44], "big")
        if seconds < 1 << 31:
            seconds += _ERA
        seconds -= _NTP_TO_UNIX
        if seconds < _RELEASE:
            return None
        return seconds * 1000 + (int.from_bytes(answer[44:48], "big") * 1000 >> 32)

    def _synced(self, uptime, unix_ms):
        half_trip = (uptime - self._sent) // 2
        first = self.source != "ntp"
        self._offset = unix_ms + half_trip - uptime
        self.synced_at = uptime
        self.source = "ntp"
        self._close()
        self._failures = 0
        self._since = uptime
        self._wait = self.interval_ms
        try:
            self.board.set_time((unix_ms + half_trip) // 1000)
        except OSError as e:
            self.log.warning("clock: the board's clock was not set: %s" % e)
        if first:
            self.log.info("clock: set from %s" % self.host)

    def _failed(self, uptime, error):
        self._close()
        self._failures += 1
        if self._failures % _FORGET_ADDRESS == 0:
            self._address = None
        if self._failures == 1:
            self.log.warning("clock: no time from %s: %s" % (self.host, error))
        self._since = uptime
        self._wait = min(_RETRY_MS << min(self._failures - 1, 7), _RETRY_MAX_MS)
        # Up to a quarter more: a fleet must not ask in step.
        self._wait += self._wait * os.urandom(1)[0] >> 10

    def _close(self):
        if self._sock:
            self._sock.close()
            self._sock = None
