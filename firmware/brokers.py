"""The brokers of the settings: which one is in use, and whether it is at fault when connections end."""

import errno

from micropython import const

from firmware import forget

_ETIMEDOUT = getattr(errno, "ETIMEDOUT", 110)  # what the client says of a silent broker
# What a connection that ended counts: the oldest message in flight is the same as before,
_FRUITLESS = const(4)
_FRUITFUL = const(1)  # or another: messages pass, and it may be the network
_ENDED = const(12)  # of these together in a row, before the broker's limits are looked for
_SHUT = const(3)  # attempts that were closed at CONNECT, before that
_HELD_MS = const(600000)  # one that held so long is not one of them
# How a port says that the peer closed: ECONNRESET, EPIPE, ECONNABORTED and ENOTCONN of Linux and of lwIP.
_CLOSED = (errno.ECONNRESET, 32, 103, 113, 107, 128)


class Brokers:
    def __init__(self, uplink, settings):
        """settings: the list of brokers."""
        self.uplink = uplink
        self.all = settings
        self.number = 0  # of the one in use
        self.limits = None  # what it will not have, when there is anything
        self._known = {}  # number → Limits
        self._ended = 0  # of connections in a row that the one in use ended
        self._oldest = 0  # packet id of the oldest message in flight when the last one ended, 0: there was none
        self._shut = 0  # attempts that were closed at CONNECT

    @property
    def choice(self):
        """The settings of the one in use."""
        return self.all[self.number]

    @property
    def name(self):
        """The broker in use, for people."""
        return "%s:%d" % (self.choice["host"], self.choice["port"])

    @property
    def cautious(self):
        """True while one message at a time is sent: what is optional has to wait."""
        return self.limits is not None and self.limits.suspects is not None

    def bars(self):
        """Is there a message that the one in use will not have, or may there be?"""
        return self.limits is not None and self.limits.bars()

    def choose(self):
        """A connection is about to be opened. Return the settings of its broker."""
        if self._known:
            for number, limits in list(self._known.items()):
                if not limits.needed():
                    del self._known[number]
            limits = self._known.get(self.number)
            if self.limits and self.limits is not limits:
                self.limits.leave()
            self.limits = limits
            if limits:
                limits.begin()
            elif not self._known:
                forget("limits", "suspects")
        return self.choice

    def move_on(self):
        """Turn to the next one. Return whether all were tried."""
        self.number = (self.number + 1) % len(self.all)
        if len(self.all) > 1:
            self._ended = 0  # they were another's
        return self.number == 0

    def learnt(self):
        """Return the Limits of the one in use."""
        if not self.limits:
            from firmware.limits import Limits

            self.limits = self._known[self.number] = Limits(self.uplink)
        return self.limits

    def up(self, uptime):
        """A connection came up. Return False: it was a trial, and is to be closed."""
        self._shut = 0
        return self.limits is None or self.limits.up(uptime)

    def step(self, uptime, acked, ms):
        """A connection has been up for so many ms; these were acknowledged."""
        if self.limits:
            if self.limits.step(uptime, acked, ms >= _HELD_MS):
                # It had everything, but if it goes on there is more to find.
                self._ended = _ENDED - _FRUITLESS
        elif acked and self.uplink.qos_max == 2 and self.uplink.client.lowered:
            self.learnt().lowered(uptime)

    def failed(self, error, uptime, ms):
        """A connection failed that had been up for so many ms, None: never. Return whether it is the broker, time after time."""
        code = error.args[0] if isinstance(error, OSError) and error.args else 0
        closed = code in _CLOSED
        if ms is None:
            if closed and self.uplink.client.turned_away:
                self._shut += 1
                if self.limits or self._shut >= _SHUT:
                    self.learnt().shut(uptime)
            return False
        # A ProtocolError: what it sent is no MQTT.
        closed = closed or not isinstance(error, OSError)
        if self.limits:
            self.limits.lost(closed, code == _ETIMEDOUT, uptime)
        client = self.uplink.client
        if closed or code == _ETIMEDOUT:
            oldest = client.in_flight[0] if client.in_flight else 0
            if ms >= _HELD_MS:
                self._ended = 0
            if oldest == self._oldest:
                self._ended += _FRUITLESS
            else:
                self._ended += _FRUITFUL
                self.uplink.hurry(1)
            self._oldest = oldest
        if self._ended < _ENDED:
            return False
        self.learnt().suspect(client.exactly_once)
        return True
