"""The node's session with a broker: which broker, when to try again, and what goes out first.

The brokers of the settings are tried in order; after a round that found none there is a growing, jittered pause. What the client has
in flight goes with it to the next broker, where its exchanges begin anew: `state/session` has whose they are. On every new
connection first go the documents that introduce the node (`online`, then info), then readings.

What is done when a connection ends is in lost.py. A broker that ends one after the other may not want a certain message: brokers.py
has the way to find which.

`now` is ticks_ms, for the client; `uptime` is Clock.uptime_ms(), for whatever may be days old, as a connection is.
"""

import os
import time

from micropython import const
from mqtt_client import ProtocolError, Refused

from firmware import forget
from firmware.brokers import Brokers
from firmware.files import read, write
from firmware.log import reason

_LOST_MS = const(2000)  # until the next attempt, if there is no memory to find out how long
_CLOCK_POLL_MS = const(200)
_LOOK_UP_MS = const(20)
_CLOCK_MS = const(20000)  # once online, a TLS connection waits so long for the time
_STABLE_MS = const(10000)  # a connection that held this long ends the back-off
_DOUBT_MS = const(60000)  # not more often than this, doubling
_STARVED = const(8)  # attempts in a row without the memory, after which a restart may help,
_STARVED_MS = const(600000)  # not more often than this,
_NEVER_MS = const(3600000)  # or this, if the memory of a fresh start did not suffice either
_CAUTIOUS_MS = const(100)  # between two looks at one message
_SESSION = "state/session"


class Uplink:
    def __init__(self, client, settings, log, names=None, identity=""):
        """client: lib/mqtt.py Client; settings: the `mqtt` part; names: a Names, without it the client looks names up and
        blocks; identity: of this board.
        """
        self.names = names
        self.client = client
        self.settings = settings
        self.identity = identity
        self.brokers = Brokers(self, settings["brokers"])
        self.clean_session = settings["clean_session"]
        self.log = log
        self.connected = False
        self.held = False  # whether nothing is to be said yet, see namesake.py
        self.connects = 0
        self.acknowledge = None  # called with the packet ids that were acknowledged, and now
        self.arrived = None  # called with topic, payload, retained, uptime of messages that came
        self.take_back = None  # called when all that is on its way is to be sent again
        self.why = None  # the last message that the broker would not have, and how that showed
        self._session = read(_SESSION)
        self.plain()
        self.link_in_doubt = False  # set when nothing at all answers; the node clears it
        self._trying = False
        self._failures = 0  # in a row, lost connections that did not hold included
        self._silent = 0  # of them, those without any sign of a peer
        self._starved = 0  # of them, the last ones that ended for want of memory
        self._online_since = None
        self._since = 0
        self._wait = 0
        self._doubt_since = 0
        self._doubt_ms = _DOUBT_MS
        self._documents = []  # [topic, payload, packet id or None while unsent]

    def plain(self):
        """Nothing is known against the broker."""
        self.qos_max = self.settings["qos_max"]
        self.retain = self.settings["retain"]
        self.send = self.client.send  # what its parts send by

    @property
    def broker(self):
        """The broker in use, for people."""
        return self.brokers.name

    @property
    def ready(self):
        """True when readings may go out: connected, and everything that introduces the node was sent."""
        sent = all(document[2] is not None for document in self._documents)
        return self.connected and not self.held and sent

    def due(self, now, uptime):
        """Return ms until step() wants to be called."""
        if self._trying or self.connected:
            wait = self.client.poll_ms(now)
            return min(wait, _CAUTIOUS_MS) if self.held or self.brokers.limits else wait
        return max(0, self._wait - (uptime - self._since))

    def step(self, now, uptime, online, clock_trusted):
        """Advance. Return True on the step in which a connection came up. Never waits."""
        if not online:
            self._online_since = None
        elif self._online_since is None:
            self._online_since = uptime
        try:
            if self._trying or self.connected:
                if not online:
                    raise OSError("Wi-Fi lost")
                return self._advance(now, uptime)
            if online and uptime - self._since >= self._wait:
                self._start(now, uptime, clock_trusted)
        except (OSError, ProtocolError, Refused, ValueError) as e:
            # ValueError: TLS settings that cannot be used.
            self.lose(uptime, e)
        return False

    def starved(self, uptime):
        """Would a restart help? A TLS handshake wants 17 KB in one piece, which may be there no more, for ever."""
        wait = _STARVED_MS if self.connects else _NEVER_MS
        return self._starved >= _STARVED and uptime >= wait and not self.connected

    def publish(self, topic, payload, retain=False, qos=0):
        """Hand a message to the client. Return False when it cannot be taken now."""
        if self.held or not self.connected:
            return False
        return self.send(topic, payload, retain, qos) is not None

    def introduce(self, topic, payload):
        """Publish a retained document at QoS 1, once an earlier one to that topic is acknowledged."""
        for document in self._documents:
            if document[0] == topic and document[2] is None:
                document[1] = payload
                return
        self._documents.append([topic, payload, None])

    def acknowledged(self):
        """True when the broker has every document that introduces the node."""
        return self.connected and not self.held and not self._documents

    def stop(self, topic, payload, timeout_ms=2000):
        """Leave cleanly: say so (DISCONNECT suppresses the will), wait a little for the acknowledgement, close."""
        if not self.connected:
            return
        try:
            if not self.held:
                self.introduce(topic, payload)
            begin = time.ticks_ms()
            while self._documents and time.ticks_diff(time.ticks_ms(), begin) < timeout_ms:
                self._advance(time.ticks_ms(), self._since)  # nothing of this will matter later
                time.sleep_ms(10)
            self.client.disconnect()
        except (OSError, ProtocolError, Refused):
            self.client.close()
        self.connected = False

    def _start(self, now, uptime, clock_trusted):
        settings = self.brokers.choose()
        tls = settings["tls"]
        client = self.client
        host = settings["host"]
        address = self.names.find(host, uptime) if self.names else host
        if address is None:
            self._since, self._wait = uptime, _LOOK_UP_MS
            return
        client.server, client.port = address, settings["port"]
        client.user, client.pswd = settings["user"] or None, settings["password"]
        client.ssl = bool(tls)
        client.ssl_params = dict(tls, server_name=tls.get("server_name") or host) if tls else {}
        if tls and not clock_trusted:
            if uptime - self._online_since < _CLOCK_MS:
                self._since, self._wait = uptime, _CLOCK_POLL_MS
                return
            self._trying = True
            raise OSError("TLS needs the time, and no time server has answered")
        self._trying = True
        # An exchange belongs to the session of one board with one broker. A clean session has none to begin with.
        anew = not self.clean_session and self._session != self._owner()
        client.start(now, self.clean_session, anew=anew)

    def _owner(self):
        return "%s %s %s" % (self.identity, self.client.client_id, self.broker)

    def hurry(self, failures=0):
        """Messages pass, or something is being found out: the next attempts wait as after so few failures."""
        self._failures = min(self._failures, failures)

    def begin_anew(self):
        """Have the broker forget the session at the next connection, be it after a restart."""
        self._session = None
        try:
            os.remove(_SESSION)
        except OSError:
            pass  # not there

    def _advance(self, now, uptime):
        acked, arrived = self.client.step(now)
        for topic, data, retained, _ in arrived:
            self.arrived(topic, data, retained, uptime)
        if acked:
            self._documents = [each for each in self._documents if each[2] not in acked]
            if self.acknowledge:
                self.acknowledge(acked, now)
        if self.client.connected and not self.connected:
            if not self.brokers.up(uptime):
                self.client.close()
                self._trying = False
                return False
            self._came_up(uptime)
            return True
        if self.connected:
            self.brokers.step(uptime, acked, uptime - self._since)
            self._send_documents()
            if self._failures and uptime - self._since >= _STABLE_MS:
                self._failures = 0
        return False

    def _came_up(self, uptime):
        self._trying = False
        self.connected = True
        self.connects += 1
        if self.names:
            self.names.served(self.brokers.choice["host"])
        self._silent = 0
        self._doubt_ms = _DOUBT_MS
        self._since = uptime
        if self._session != self._owner():
            self._session = self._owner()
            try:
                write(_SESSION, self._session)
            except (OSError, MemoryError) as e:
                self.log.warning("mqtt: %s: %s" % (_SESSION, reason(e)))
        self.log.info("mqtt: connected to %s" % self.broker)

    def _send_documents(self):
        in_flight = [document[0] for document in self._documents if document[2] is not None]
        for document in self._documents[:]:
            if document[2] is None and document[0] not in in_flight:
                try:
                    document[2] = self.send(document[0], document[1], self.retain, 1)
                except ValueError as e:  # it would be so at each connection
                    self._documents.remove(document)
                    self.log.error("mqtt: %s is not published: %s" % (document[0].decode(), e))
                if document[2] == -1:  # the broker will not have it
                    self._documents.remove(document)

    def _forget_documents(self):
        """Each connection begins with new ones: an output is what it is then, and not what it was when the link died."""
        for document in self._documents:
            if document[2] is not None:
                self.client.forget(document[2])
        self._documents = []

    def lose(self, uptime, error):
        """The connection, or the attempt, came to an end by this error."""
        self.client.close()
        self._forget_documents()
        self._wait = _LOST_MS
        try:
            from firmware import lost

            lost.lose(self, uptime, error)
        except MemoryError:
            self._starved += 1
        forget("lost")
        self._trying = self.connected = False
        self._since = uptime
