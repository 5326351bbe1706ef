"""The node's session with a broker: which broker, when to try again, and what goes out first.

It tries the brokers of the settings in order; after a round that found none it pauses, longer each time, with jitter. What the client
has in flight goes with it to the next broker, where its exchanges begin anew: `state/session` says whose they are. On every new
connection the documents that introduce the node go first (`online`, then info), then readings.

connecting.py begins a connection, lost.py sees it end. A broker that ends one connection after the other may refuse a certain
message: Brokers finds which.

`now` is ticks_ms, for the client; `uptime` is Clock.uptime_ms(), for whatever may be days old, as a connection is.
"""

import os
from errno import ENOMEM

from flashfile import is_nothing, patiently, uninterrupted
from micropython import const

from firmware import forget
from firmware.files import SESSION
from mqtt.client import ProtocolError, Refused

_LOST_MS = const(2000)  # ms until the next attempt, if there is no memory to compute them
_STABLE_MS = const(10000)  # a connection that held this long ends the back-off
_STARVED = const(8)  # attempts in a row that lacked memory, after which a restart may help,
_STARVED_MS = const(600000)  # not more often than this,
_NEVER_MS = const(3600000)  # or this, if the memory of a fresh start did not suffice either
_CAUTIOUS_MS = const(100)  # between two looks at one message
_HELD_MS = const(600000)  # a connection that held so long was not ended by a message
_NEARLY = const(8)  # `ended`, see lost.py: one more, and the search for limits begins


class Uplink:
    def __init__(self, client, settings, log, names=None, identity=""):
        """client: lib/mqtt Client; settings: the `mqtt` part; names: a Names, without it the client looks names up and
        blocks; identity: of this board.
        """
        self.names = names
        self.client = client
        self.status = client.lw_topic  # of the node: `online`, or the will
        self.settings = settings
        self.identity = identity
        self.brokers = Brokers(self, settings["brokers"])
        self.clean_session = settings["clean_session"]
        self.log = log
        self.connected = False
        self.held = False  # whether the node must be silent yet, see namesake.py
        self.connects = 0
        self.acknowledge = None  # called with the packet ids that were acknowledged, and now
        self.arrived = None  # called with topic, payload, retained, uptime of messages that came
        self.take_back = None  # called when everything on its way is to be sent again
        self.why = None  # the last message that the broker refused, and how that showed
        self.session = ""  # whose the exchanges are: not read yet
        self.plain()
        self.link_in_doubt = False  # set when nothing at all answers; the node clears it
        self.trying = False
        self.failures = 0  # in a row, lost connections that did not hold included
        self.silent = 0  # those of them without any sign of a peer
        self.failures_of_memory = 0  # the last of them that ended for want of memory
        self.online_since = None
        self.since = 0
        self.wait = 0
        self.doubt_since = 0
        self.doubt_ms = 0  # not again before, see lost.py
        self.documents = []  # [topic, payload, packet id; None while unsent, -1: the broker refuses it]

    def plain(self):
        """Nothing is known against the broker."""
        self.qos_max = self.settings["qos_max"]
        self.retain = self.settings["retain"]
        self.send = self.client.send  # what its parts send with

    @property
    def broker(self):
        """The broker in use, for people."""
        return self.brokers.name

    @property
    def ready(self):
        """True when readings may go out: connected, and everything that introduces the node was sent, unless that is suspected."""
        sent = all(document[2] is not None for document in self.documents)
        return self.connected and not self.held and (sent or self.brokers.cautious)

    def due(self, now, uptime):
        """Return ms until step() wants to be called."""
        if self.trying or self.connected:
            wait = self.client.poll_ms(now)
            return min(wait, _CAUTIOUS_MS) if self.held or self.brokers.limits else wait
        return max(0, self.wait - (uptime - self.since))

    def step(self, now, uptime, online, clock_trusted):
        """Advance. Return True on the step in which a connection came up. Never waits."""
        if not online:
            self.online_since = None
        elif self.online_since is None:
            self.online_since = uptime
        try:
            if self.trying or self.connected:
                if not online:
                    raise OSError("Wi-Fi lost")
                return self.advance(now, uptime)
            if online and uptime - self.since >= self.wait:
                self._start(now, uptime, clock_trusted)
        except (OSError, ProtocolError, Refused, ValueError) as e:
            # ValueError: TLS settings that cannot be used.
            self.lose(uptime, e)
        return False

    def starved(self, uptime):
        """Would a restart help? A TLS handshake wants 17 KB in one piece, which a fragmented heap may never have again."""
        wait = _STARVED_MS if self.connects else _NEVER_MS
        return self.failures_of_memory >= _STARVED and uptime >= wait and not self.connected

    def publish(self, topic, payload, retain=False, qos=0):
        """Hand a message to the client. Return False when it cannot be taken now."""
        if self.held or not self.connected:
            return False
        return self.send(topic, payload, retain, qos) is not None

    def introduce(self, topic, payload):
        """Publish a retained document at QoS 1, once an earlier one to that topic is acknowledged."""
        for document in self.documents:
            if document[0] == topic and document[2] in (None, -1):
                document[1:] = payload, None
                return
        self.documents.append([topic, payload, None])

    def acknowledged(self):
        """True when the broker has `status` and all other documents that introduce the node, except those that it refuses."""
        for document in self.documents:
            if document[2] != -1 or document[0] == self.status:
                return False
        return self.connected and not self.held

    def stop(self, topic, payload, timeout_ms=2000):
        """Leave cleanly, if there is enough memory."""
        if not self.connected:
            return
        try:
            from firmware.link import leaving

            leaving.leave(self, topic, payload, timeout_ms)
        except MemoryError:
            self.client.close()
        self.connected = False

    def _start(self, now, uptime, clock_trusted):
        try:
            from firmware.link import connecting

            connecting.start(self, now, uptime, clock_trusted)
        except MemoryError:
            raise OSError(ENOMEM) from None
        if self.trying:
            forget("link", "connecting")

    def hurry(self, failures=0):
        """Shorten the next pauses, as after so few failures: messages pass, or a search is under way."""
        self.failures = min(self.failures, failures)

    def begin_anew(self):
        """Let the broker forget the session at the next connection. Return False: this would be lost in a restart."""
        self.session = None
        try:
            with uninterrupted:
                patiently(os.remove, SESSION)
        except OSError as e:
            return is_nothing(e)
        return True

    def advance(self, now, uptime):
        acked, arrived = self.client.step(now)
        for topic, data, retained, _ in arrived:
            self.arrived(topic, data, retained, uptime)
        if acked:
            self.documents = [each for each in self.documents if each[2] not in acked]
            if self.acknowledge:
                self.acknowledge(acked, now)
        if self.client.connected and not self.connected:
            if not self.brokers.up(uptime):
                self.client.close()
                self.trying = False
                return False
            self._came_up(uptime)
            return True
        if self.connected:
            self.brokers.step(uptime, acked, uptime - self.since)
            self._send_documents()
            if self.failures and uptime - self.since >= _STABLE_MS:
                self.failures = 0
        return False

    def _came_up(self, uptime):
        try:
            from firmware.link import connecting

            connecting.came_up(self, uptime)
        except MemoryError:
            raise OSError(ENOMEM) from None
        forget("link", "connecting")

    def _send_documents(self):
        in_flight = [document[0] for document in self.documents if document[2] is not None]
        for document in self.documents[:]:
            if document[2] is None and document[0] not in in_flight:
                try:
                    document[2] = self.send(document[0], document[1], self.retain, 1)
                except ValueError as e:  # it would happen at each connection
                    self.documents.remove(document)
                    self.log.error("mqtt: %s is not published: %s" % (document[0].decode(), e))

    def _forget_documents(self):
        """Forget the documents: each connection begins with new ones, which say what an output is now, not when the link died."""
        for document in self.documents:
            if document[2] is not None:
                self.client.forget(document[2])
        self.documents = []

    def lose(self, uptime, error):
        """The connection, or the attempt, ended with this error."""
        self.client.close()
        self._forget_documents()
        self.wait = _LOST_MS
        said = False
        forget("link", "connecting")  # there may be no memory for both
        try:
            from firmware.link import lost

            lost.lose(self, uptime, error)
            said = True
        except MemoryError:
            self.failures_of_memory += 1
        forget("link", "lost")
        self.trying = self.connected = False
        self.since = uptime
        if not said:  # in the memory that these two had
            self.log.error("mqtt: lost %s: not enough memory to say why" % self.broker)


class Brokers:
    def __init__(self, uplink, settings):
        """settings: the list of brokers."""
        self.uplink = uplink
        self.all = settings
        self.number = 0  # of the one in use
        self.limits = None  # Limits: what it refuses, once there is anything
        self.known = {}  # number → Limits
        self.ended = 0  # of connections in a row that the one in use ended
        self.oldest = 0  # packet id of the oldest message in flight when the last one ended, 0: there was none
        self.last = []  # topics sent last on them, and filters without an answer
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
        """True while one message at a time is sent: optional ones have to wait."""
        suspects = self.limits and self.limits.suspects
        return bool(suspects) and not suspects.free

    def bars(self):
        """Is there a message that the one in use refuses, or may there be?"""
        return self.limits is not None and self.limits.bars()

    def move_on(self):
        """Turn to the next one. Return whether all were tried."""
        self.number = (self.number + 1) % len(self.all)
        if len(self.all) > 1:
            self.ended = self.vain = 0  # they were another broker's
            self.last.clear()
        return self.number == 0

    def learnt(self):
        """Return the Limits of the one in use."""
        if not self.limits:
            from firmware.limits.limits import Limits

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
                # It took everything; if it still ends connections, there is more to find.
                self.ended = _NEARLY
        elif acked and self.uplink.qos_max == 2 and self.uplink.client.lowered:
            self.learnt().lowered(uptime)
