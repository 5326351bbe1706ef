"""One question to a time server, and what of its answer can be believed: SNTP, RFC 4330, section 5.

SNTP is not authenticated. What can be checked is: the answer comes from who was asked, echoes a random request, is from a server
that is itself synchronised, and came when somebody was looking. Loaded while a question is open.
"""

import errno
import os
import socket

from micropython import const

_NTP_TO_UNIX = const(2208988800)  # seconds from 1900 to 1970
_ERA = 1 << 32  # NTP seconds wrap on 2036-02-07
_LONGEST = const(68)  # bytes, with a signature that is not looked at
# Root delay and dispersion, s: RFC 4330 calls one second infinite, but Windows says 10 of itself. RFC 5905: MAXDISP.
_INFINITE_S = const(16)


class Kiss(Exception):
    """The server will not be asked (like this): args[0] is its code, as DENY, RSTR or RATE."""


class Question:
    def __init__(self, server, port, clock):
        """Ask. server: an address; clock: now() gives its uptime in ms. OSError: there is no way to it."""
        self.server = server
        self._peer = (server, port)
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
