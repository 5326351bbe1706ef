"""The newest reading of each channel as bare numbers, retained, for what reads no JSON. In memory only with `publish.plain`.

A bare number has no time, so whoever sees it takes it for current. Readings that were kept for later therefore never go here, only the
newest of each channel. If the sensor failed, or has not measured this quantity, an empty message takes the number back: the broker
forgets it, and a display shows nothing rather than an old value. A yes is 1, a no is 0.

Bare numbers go at QoS 0, so all of them are sent again on each connection, which may be to another broker.
"""

from micropython import const

from firmware.topics import VALUE

_SOON_MS = const(50)
_LONG_MS = const(60000)

_WORDS = {b"true": b"1", b"false": b"0"}


class Values:
    def __init__(self, channels, topics, pace=None):
        """pace: a Pace, or None: readings a second are not limited."""
        self.topics = topics
        self.pace = pace
        # Channel, its newest reading as JSON members (b"": it failed, None: there is none), how many of its quantities have gone.
        # Made once: taking a reading must not need memory.
        self._newest = [[channel, None, 0] for channel in channels]
        self._connects = 0
        self._waits = False

    def take(self, channel, members):
        """Take a reading. members: as payload.body() or payload.error() make them."""
        failed = members.startswith(b'"error":')
        for each in self._newest:
            if each[0] is channel and not (failed and each[1] == b""):
                each[1] = b"" if failed else members
                each[2] = 0

    def due(self):
        """Return ms until step() wants to be called."""
        return _SOON_MS if self._waits else _LONG_MS

    def step(self, uplink, uptime):
        """Send what has not gone."""
        if uplink.connects != self._connects:
            self._connects = uplink.connects
            for each in self._newest:
                each[2] = 0
        self._waits = False
        if uplink.ready:
            try:
                self._waits = not self._send(uplink, uptime)
            except MemoryError:
                self._waits = True

    def _send(self, uplink, uptime):
        """Return False when some have to wait."""
        pace = self.pace
        for each in self._newest:
            channel, members, _ = each
            while members is not None and each[2] < len(channel.fields):
                quantity = channel.fields[each[2]][0]
                topic = self.topics.own(VALUE + channel.name + "/" + quantity)
                if (pace and not pace.may_go(uptime)) or not uplink.publish(
                    topic, _number(members, quantity), uplink.retain
                ):
                    return False
                if pace:
                    pace.went()
                each[2] += 1
        return True


def _number(members, quantity):
    """Return a quantity of a reading as text; empty: it is not among them."""
    for member in members.split(b","):
        name, _, value = member.partition(b":")
        if name == b'"%s"' % quantity.encode():
            return _WORDS.get(value, value)
    return b""
