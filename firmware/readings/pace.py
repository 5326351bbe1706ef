"""At most so many readings a second. In memory only where the settings have `mqtt.rate`: AWS IoT silently drops what comes faster."""

from micropython import const

_SOON_MS = const(50)
_LONG_MS = const(60000)


class Pace:
    def __init__(self, rate):
        """rate: readings a second; at most the readings of a tenth of a second go at once."""
        self.rate = rate
        self._credit = 0  # thousandths of a reading
        self._at = 0  # uptime
        self._held_back = False

    def may_go(self, uptime):
        most = max(1000, self.rate * 100)
        self._credit = min(most, self._credit + (uptime - self._at) * self.rate)
        self._at = uptime
        self._held_back = self._credit < 1000
        return not self._held_back

    def went(self):
        self._credit -= 1000

    def due(self):
        """Return ms until it is worth asking again."""
        held_back, self._held_back = self._held_back, False
        return _SOON_MS if held_back else _LONG_MS
