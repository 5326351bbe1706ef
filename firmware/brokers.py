"""The brokers of the settings: which one is in use, and what it will not have."""

from micropython import const

_HELD_MS = const(600000)  # a connection that held so long was not ended by a message
_NEARLY = const(8)  # `ended`, see lost.py: with the next one like that the limits are looked for


class Brokers:
    def __init__(self, uplink, settings):
        """settings: the list of brokers."""
        self.uplink = uplink
        self.all = settings
        self.number = 0  # of the one in use
        self.limits = None  # what it will not have, when there is anything
        self.known = {}  # number → Limits
        self.ended = 0  # of connections in a row that the one in use ended
        self.oldest = 0  # packet id of the oldest message in flight when the last one ended, 0: there was none
        self.last = []  # what was sent last on them: topics, and filters without an answer
        self.shut = 0  # attempts that were closed at CONNECT
        self.vain = 0  # connections in a row on which nothing was acknowledged

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
        suspects = self.limits and self.limits.suspects
        return bool(suspects) and not suspects.free

    def bars(self):
        """Is there a message that the one in use will not have, or may there be?"""
        return self.limits is not None and self.limits.bars()

    def move_on(self):
        """Turn to the next one. Return whether all were tried."""
        self.number = (self.number + 1) % len(self.all)
        if len(self.all) > 1:
            self.ended = self.vain = 0  # they were another's
            self.last.clear()
        return self.number == 0

    def learnt(self):
        """Return the Limits of the one in use."""
        if not self.limits:
            from firmware.limits import Limits

            self.limits = self.known[self.number] = Limits(self.uplink)
        return self.limits

    def up(self, uptime):
        """A connection came up. Return False: it was a trial, and is to be closed."""
        self.shut = 0
        limits = self.limits
        if self.uplink.client.lied and not (
            self.uplink.clean_session or (limits and limits.connects.clean)
        ):
            self.learnt().connects.lied(uptime)
            return False
        return limits is None or limits.up(uptime)

    def step(self, uptime, acked, ms):
        """A connection has been up for so many ms; these were acknowledged."""
        if acked:
            self.vain = 0
        if self.limits:
            if self.limits.step(uptime, acked, ms >= _HELD_MS):
                # It had everything, but if it goes on there is more to find.
                self.ended = _NEARLY
        elif acked and self.uplink.qos_max == 2 and self.uplink.client.lowered:
            self.learnt().lowered(uptime)
