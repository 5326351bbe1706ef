"""Who is logged in, and how often somebody may try: sessions are in memory, so a restart of the page ends them all.

Attempts are limited by address and over all, so that a dictionary takes years: after five wrong passwords an address waits, twice as
long each time; over all there are 60 attempts a minute, whatever addresses they come from.
"""

import hashlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from station.page.users import Users

SESSION_S = 30 * 86400
_MOST_SESSIONS = 1_000
_MOST_ADDRESSES = 10_000
_FREE = 5  # wrong passwords before an address waits
_LONGEST_WAIT_S = 900
_FORGIVEN_S = 3600  # after so long without an attempt an address is as new
_A_MINUTE = 60


class Wait(Exception):
    """Too many attempts. seconds: until the next is heard."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, round(seconds))
        super().__init__(f"too many attempts: try again in {self.seconds} s")


class Logins:
    """users: None: nobody needs to log in."""

    def __init__(self, users: Users | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.users = users
        self._clock = clock
        self._sessions: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # times, when last
        self._attempts: deque[float] = deque()

    def admit(self, address: str) -> None:
        """Count an attempt that is about to be made. Wait: it is not heard."""
        now = self._clock()
        while self._attempts and now - self._attempts[0] >= 60:
            self._attempts.popleft()
        if len(self._attempts) >= _A_MINUTE:
            raise Wait(60 - (now - self._attempts[0]))
        times, at = self._wrong.get(address, (0, now))
        if now - at >= _FORGIVEN_S:
            times = 0
        if times >= _FREE:
            wait = min(2.0 ** (times - _FREE + 1), _LONGEST_WAIT_S)
            if now - at < wait:
                raise Wait(wait - (now - at))
        self._attempts.append(now)
        # It counts as wrong until it is right: a hundred at the same time are a hundred.
        self._wrong[address] = times + 1, now
        self._wrong.move_to_end(address)
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def begin(self, name: str, address: str) -> str:
        """The password was right. Return the secret of a new session."""
        self._wrong.pop(address, None)
        secret = secrets.token_urlsafe(32)
        self._sessions[_hash(secret)] = name, self._clock() + SESSION_S
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return secret

    def who(self, secret: str | None) -> str | None:
        """Return whose session that is. None: nobody's, its time is over, or the user is not in the file any more."""
        if not secret or self.users is None:
            return None
        name, until = self._sessions.get(_hash(secret), ("", 0.0))
        return name if self._clock() < until and name in self.users else None

    def end(self, secret: str | None) -> None:
        if secret:
            self._sessions.pop(_hash(secret), None)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
