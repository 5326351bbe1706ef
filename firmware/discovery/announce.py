"""Announces the node to Home Assistant, which then shows it by itself.

It announces at each connection, and when Home Assistant has started, because that begins with nothing. plan.py, payload.py and
message.py make what is sent; they take 9 KB and are in memory only meanwhile.

`uptime` is Clock.uptime_ms(): there may be weeks between two connections.
"""

import os

from micropython import const

from firmware import forget, let_go

_BIRTH_MS = const(1000)  # a fleet must not answer all at once: this, and up to
_SPREAD_MS = const(9000)  # so much more
_TRIES = const(5)
_BARRED_MS = const(3600000)
_RETRY_MS = const(100)
_SOON_MS = const(10000)  # sensors that are read more often need not be asked
_LONGEST_MS = const(60000)


def _drop():
    """Forget what makes the messages. It comes back when it is needed."""
    forget("discovery", "plan", "payload", "message")
    forget("", "identity")
    let_go("mqtt", "stream")


class Discovery:
    settle_ms = 3000  # a connection that breaks sooner should carry readings

    def __init__(self, settings, node, log):
        """settings: the `discovery` part; node: what there is to tell, see payload.Config."""
        self.settings = settings
        self.node = node
        self.log = log
        self._online = False
        self._retain = True  # does the broker keep messages?
        self._at = None  # uptime when to announce, None: nothing is due
        self._plan = None  # the announcement under way: what messages() yields
        self._message = None  # its message that is to be sent or in flight
        self._payload = None  # of that: bytes, or a Stream of an open file
        self._pid = None  # packet id, in flight
        self._resume = None  # uptime when the plan goes on
        self._blocked = False  # it had to wait at the last look
        self._client = None
        self._lost = 0  # connections in a row that ended with a message in flight
        self._barred = None  # uptime until which nothing is announced, because it ended them

    def begin(self, uptime, retain=True):
        """A connection came up: announce everything once it has held for a while. The broker may be another one."""
        self._online = True
        self._retain = retain
        self._blocked = False
        self._plan = None
        if self._pid is None:
            self._done()
        settled = uptime + self.settle_ms
        self._at = settled if self._barred is None else self._barred

    def told(self, data, retained, uptime):
        """Home Assistant's own status came. A retained one is old, and every connection announces anyway."""
        if data == b"online" and not retained:
            self.birth(uptime)

    def birth(self, uptime):
        """Home Assistant has started: announce, after a while that differs from node to node."""
        if self.settings["enabled"] and self._at is None:
            wait = _BIRTH_MS + int.from_bytes(os.urandom(2), "big") % (_SPREAD_MS + 1)
            self._at = uptime + wait

    def announce(self, node, now, uptime):
        """Tell Home Assistant what there is; then it wants the states. Retained ones it gets from the broker."""
        uplink = node.uplink
        if not uplink.connected:
            self.lost(uptime)
        elif not uplink.ready or uplink.brokers.cautious:
            self._blocked = True  # readings come first
        elif self.step(uptime, uplink.client):
            node.health_wait = 0
            for channel in node.channels:
                if channel.interval_ms > _SOON_MS:
                    channel.soon(now)

    def lost(self, uptime):
        """The connection is gone, for the first time or still.

        What was in flight is not sent again: readings are to be first on the next connection. If it ends every
        connection (too large for the broker, or not allowed by it), it is left for a while.
        """
        self._online = False
        if self._pid is None or self._client.sock is not None:
            return
        self._client.forget(self._pid)
        self._plan = None
        self._done()
        _drop()
        self._lost += 1
        if self._lost >= _TRIES:
            self._lost = 0
            self._give_up(uptime, "the connection ends when it is sent")

    def acknowledged(self, pids):
        """The broker has these."""
        if self._pid is not None and self._pid in pids:
            self._done()
            self._lost = 0

    def due(self, uptime):
        """Return ms until step() wants to be called."""
        if not self._online or self._pid is not None:
            return _LONGEST_MS  # an arriving message wakes the loop
        if self._blocked:
            return _RETRY_MS
        at = self._resume if self._plan else self._at
        if at is None:
            return 0 if self._plan else _LONGEST_MS
        return max(0, at - uptime)

    def step(self, uptime, client):
        """Do what is due. Return True when an announcement is complete: now Home Assistant wants the states."""
        if self._pid is not None:
            if self._pid in client.in_flight:
                return False
            self._pid = None  # nor acknowledged: the client could not send it
        if not self._online:
            return False
        self._blocked = False
        if self._plan is None:
            if self._at is None or self._at - uptime > 0:
                return False
            self._at = self._barred = self._resume = None
            self._done()
        elif self._resume is not None:
            if self._resume - uptime > 0:
                return False
            self._resume = None
        try:
            if self._plan is None:
                from firmware.discovery.plan import messages

                self._plan = messages(self.settings, self.node, self.log)
            return self._advance(uptime, client)
        except MemoryError:
            self._give_up(uptime, "not enough memory")
            return False

    def _advance(self, uptime, client):
        if self._message is None:
            self._message = next(self._plan, None)
            if self._message is None:
                self._plan = None
                _drop()
                return self.settings["enabled"]
            if isinstance(self._message, int):
                self._resume = uptime + self._message
                self._message = None
                return False
        topic, source, retain = self._message
        if self._payload is None:
            from firmware.discovery.message import whole

            self._payload = whole(source, self.log)
        self._client = client
        self._pid = client.send(topic, self._payload, retain and self._retain, 1)
        self._blocked = self._pid is None
        return False

    def _done(self):
        """The message under way is acknowledged, or given up."""
        file = getattr(self._payload, "source", None)
        if hasattr(file, "close"):
            file.close()
        self._pid = self._message = self._payload = None

    def _give_up(self, uptime, why):
        """Stop: readings matter more."""
        self._plan = None
        self._done()
        self._at = self._barred = uptime + _BARRED_MS
        _drop()
        self.log.error("discovery: %s; tried again in an hour" % why)
