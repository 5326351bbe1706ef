"""Sends one message at a time, to find the one at which a broker closes, or which it never answers. In memory only meanwhile.

First goes a ping, then a message with a ping behind it, then the next message. A message is suspect when the broker closed while only
this one was unanswered, or skipped it and answered the ping. After three times in a row the message is to blame, not the network: every
further try has one more ping before it, and if the connection ends at one of those, the count begins again. A message that a newer
reading replaces (`latest`) never comes a second time. So the count is for a topic, QoS and retain flag; if the messages differed, the whole
topic is meant.

To rule out the broker, another message must have passed between two failures (at QoS 1 or 2: been acknowledged). Where nothing passes
the broker is ill. That is an outage: nothing is barred, whatever fails. Only a lesser form is tried then, because a node may have nothing
else that could pass (limits.py). If the broker answers pings and acknowledges nothing, the next connection waits longer.

A broker may leave pings unanswered. After two connections that ended at the first ping, the next one goes without pings: if a message
passes and then a ping is not answered, pings prove nothing.

The search ends when each kind has passed. The message sent last before connections ended may come rarely, as `health` does: it still goes
alone when it comes, between the others.

Subscriptions come last, one at a time. A PUBREL left by an earlier connection goes first: if connections end there, its exchange begins
anew; if they still do, it goes at QoS 1. If everything passes, there were too many messages of QoS 2 at once: from then on half as many.
"""

from micropython import const

from firmware.limits.retries import PINGS

_STRIKES = const(3)
# of these, failures with another message that passed before; the first needs none
_PROVEN = const(2)
# Connections in a row that ended at a message, and nothing was acknowledged: the broker takes nothing
_VAIN = const(3)
_UNANSWERED = const(2)  # connections in a row that ended at a ping, before one goes without
_STRIKES_MORE = const(2)  # for another message of a topic of which none has passed
_RELEASES = const(6)  # beginning anew may double readings, and no ping can go before a PUBREL
_MOST = const(16)  # under suspicion together
_IDLE_MS = const(1000)  # nothing was to be sent for so long: it is a subscription's turn,
_MESSAGES = const(4)  # or after so many messages
# After the beginning of a connection, or when none of them came for _IDLE_MS, a suspect may go
_OTHERS_MS = const(5000)
_TURN_MS = const(2000)  # so long nothing else goes, so that a wanted message can go alone
# a message that does not come for so long on one connection is no longer wanted
_RARE_MS = const(7200000)


class Suspects:
    def __init__(self, limits):
        self.limits = limits
        self.client = limits.uplink.client
        # (topic, QoS, retained), or a filter → failures in a row; of these, those between which another passed; CRC of the payload,
        self._strikes = {}  # 0: there were several; and how many others had passed at the last
        self._acked = self._passed = 0  # acknowledged messages; these, and those of QoS 0
        self._vain = 0  # connections in a row that ended at a message, since one was acknowledged
        self._unanswered = 0  # connections in a row that ended at a ping
        self._proof = False  # a message passed without pings, since the last ping
        self._releases = 0  # connections in a row that ended at a PUBREL
        self._begun_anew = False  # exchanges were, since one was last seen to end
        self._released = []  # of which PUBREC has come, at the last look
        self.wanted = limits.uplink.brokers.last  # topics and filters that have to pass, too
        self.free = False  # each kind has passed: only what is wanted goes alone
        # Asked for at once: the node must know whose the name is before it says anything under it. Empty: the broker may close at it.
        self._early = [limits.connects.will.replace(b"/status", b"/info")]
        self._now = 0  # uptime at the last look
        self._begin()

    def _begin(self):
        self._waiting = None  # packet id, 0 at QoS 0, of the one message that is unanswered; -1: a subscription
        self._current = None  # that message, in the form of _strikes,
        self._crc = 0  # and the CRC of its payload
        self._controls = 0  # pings to be answered before the first message
        self._ping = 0  # 1: to be sent, 2: to be answered
        self._pinged_at = 0  # uptime
        self._heard = False  # the ping behind the message was answered
        self._asked = 0  # messages since the last subscription
        self._turn = None  # the only topic, or filter, that may go next
        self._filters = []  # that were asked for
        self.client.subscriptions.withhold(self.limits.filters, self._early + self._filters)

    def up(self, uptime):
        """A connection came up."""
        self._begin()
        most = max([0] + [each[0] for each in self._strikes.values()])
        self._controls, self._ping = 1 + min(_STRIKES, most), 1
        self._sent_at = self._up_at = uptime
        self._acked_before = self._acked
        # Are there no pings on this one?
        self._without = self._unanswered >= _UNANSWERED and self.limits.answers.pings
        if self._without:
            self._unanswered = 0

    @property
    def at_rest(self):
        """Is nothing unanswered, and has each kind passed?"""
        return self.free and self._waiting is None

    def step(self, uptime, acked):
        """Look at what was answered. Return True when each kind has passed."""
        client = self.client
        self._now = uptime
        if self._turn is not None and uptime - self._turn_at >= _TURN_MS:
            self._turn = None
            self._sent_at = uptime  # now the others may go, before anything is taken for idle
        if uptime - self._up_at >= _RARE_MS:
            self.wanted.clear()
        for pid in self._released:
            if pid in acked:
                self._begun_anew = False
        self._released = client.released[:]
        if not self._released:
            self._releases = 0
        if self._ping == 1:
            if self._without or not self.limits.answers.pings:
                self._pong()  # they are not to be waited for
            else:
                client.ping()
                self._ping += client.pinging
                self._pinged_at = uptime
        elif self._ping and not client.pinging:
            self._unanswered, self._proof = 0, False
            if self.limits.probes(None):
                self.limits.passed(None, 0, uptime)
            self._pong()
        if self._waiting is not None and self._is_answered(acked):
            self._pass(uptime)
        if self._waiting is not None or self._controls or client.released:
            return False
        return self._idle(uptime)

    def _is_answered(self, acked):
        if self._waiting < 0:
            return not self.client.subscriptions.waiting()
        return self._waiting in acked or (self._heard and not self._waiting)

    def _pong(self):
        self._ping = 0
        if self._waiting is not None:
            self._heard = True
        elif self._controls:
            self._controls -= 1
            self._ping = 1 if self._controls else 0

    def _idle(self, uptime):
        """Nothing is unanswered: is it a subscription's turn, or did all go well?"""
        if not self.free and self._asked < _MESSAGES and uptime - self._sent_at < _IDLE_MS:
            return False
        subscriptions = self.client.subscriptions
        for pattern in subscriptions.filters():
            if pattern not in self._early + self._filters + self.limits.filters:
                if self.client.in_flight or self._turn not in (None, pattern):
                    self._ask_for(pattern)
                    return False
                self._turn = None
                self._filters.append(pattern)
                subscriptions.withhold(self.limits.filters, self._early + self._filters)
                self._current, self._crc = pattern, 0
                self._waiting, self._heard, self._ping = -1, False, 1
                return False
        quiet = self._turn is None and not self.limits.uplink.held  # else something is to be sent
        passed = self._passed > 0 or self._filters
        well = bool(quiet and passed and not self.free and not self._strikes)
        self.free = self.free or well
        return well

    def _others_first(self):
        """Between two tries of what is under suspicion others pass: a try may cost ten seconds of silence."""
        now = self._now
        return now - self._up_at < _OTHERS_MS and now - self._sent_at < _IDLE_MS

    def _ask_for(self, what):
        """Nothing else goes until this can."""
        if self._turn is None:
            self._turn, self._turn_at = what, self._now

    def _settle(self, what):
        """It passed, or it was found out."""
        if what in self.wanted:
            self.wanted.remove(what)

    def _pass(self, uptime):
        """What was unanswered is answered."""
        current = self._current
        for each in list(self._strikes):
            if _covers(current, each):
                del self._strikes[each]
        self._settle(_what(current))
        self._asked = 0 if self._waiting == -1 else self._asked + 1
        self._passed += self._waiting >= 0
        if self._waiting > 0:
            self._acked += 1
            self._vain = 0
            if self._without:  # is a ping answered now?
                self._without, self._proof = False, True
                self._controls = self._ping = 1
        self._waiting = self._current = None
        self._sent_at = uptime
        self.limits.passed(current, self._crc, uptime)

    def lost(self, closed, silent, uptime):
        """The connection is gone. closed: by the broker; silent: it answered too late, or not at all."""
        if self._waiting is None and self._early and self._early[0] in self.client.unanswered:
            self._early.clear()
        over = silent or (closed and self.limits.answers.are_over(uptime - self._pinged_at))
        unanswered = over and self._ping == 2
        if self._waiting is None:
            if unanswered and self.limits.probes(None):
                self.limits.judge(None, 0, "never answers", uptime, True)
            elif self.client.released:
                self._unanswered += unanswered
                if silent and not self._controls:
                    # PUBCOMP may only be late. After the longest wait it is not.
                    self._releases += 1 if self.limits.answers.wait_longer(uptime) else _STRIKES
                self._releases += closed
                if self._releases >= (_STRIKES if self._begun_anew else _RELEASES):
                    self._releases = 0
                    self.limits.begin_anew(self._begun_anew, uptime)
                    self._begun_anew = not self._begun_anew
            elif not self.free and (closed or silent):
                if not unanswered:
                    self._strikes.clear()  # a ping was the last that it heard: it is the network,
                self._unanswered += unanswered  # or it answers none
                if unanswered and self._proof:
                    self._proof = False
                    self.limits.learn(uptime, (PINGS, False))
        elif closed or (silent and (self._heard or self._without)):
            self._count("closes at" if closed else "never answers", uptime)
        self._waiting = None
        self.free = False

    def _count(self, how, uptime):
        """A connection ended at the message, or the filter, that was sent alone."""
        current, crc, limits = self._current, self._crc, self.limits
        silent = how != "closes at"
        if silent and limits.answers.may_be_late(uptime):
            limits.answers.wait_longer(uptime)
            return
        is_filter = isinstance(current, bytes)
        # Some brokers take QoS 0 while nothing of QoS 1 passes: a store is full, say.
        others = self._acked if not is_filter and current[1] else self._passed
        strikes, proven, before, passed = self._strikes.get(current, (0, 0, crc, -1))
        strikes, proven = strikes + 1, proven + (others > passed)
        if before != crc:
            crc = 0
        if len(self._strikes) == _MOST:
            self._strikes.clear()
        self._strikes[current] = strikes, proven, crc, others
        if self._acked == self._acked_before and not is_filter:
            self._vain += 1
            if self._vain >= _VAIN:
                limits.answers.takes_nothing(how)
                # Earlier failures may have had this cause.
                limits.proven, limits.crowd = False, 0
            if silent and self._heard and self._vain > 1:
                limits.answers.wait_longer(uptime)
        probed = limits.probes(current, crc)
        known = not is_filter and limits.had_none(current[0])
        if probed or strikes >= (_STRIKES_MORE if known else _STRIKES):
            proven = probed or proven >= _PROVEN
            if proven:
                del self._strikes[current]
            limits.judge(current, crc, how, uptime, proven)
            if proven and limits.trial is None:
                self._settle(_what(current))

    def send(self, topic, payload, retain, qos, pid, dup):
        """As the client's, if nothing else is unanswered."""
        client = self.client
        suspect = topic == self.limits.trial or (topic, qos, retain) in self._strikes
        if suspect and self._others_first():
            return None
        if self._waiting is None and not self._controls and self._turn in (None, topic):
            alone = topic in self.wanted or self.limits.probes((topic, qos, retain))
            if self.free and not alone:
                return client.send(topic, payload, retain, qos, pid, dup)
            if not (client.released or client.in_flight):
                sent = client.send(topic, payload, retain, qos, pid, dup)
                if sent is not None:
                    self._waiting, self._heard, self._ping = sent, False, 1
                    self._turn = None
                    self._current = topic, qos, retain
                    self._crc = self.limits.identify(topic, payload, qos)[1]
                return sent
        if topic in self.wanted or (self.free and self.limits.probes((topic, qos, retain))):
            self._ask_for(topic)
        return None


def _covers(passed, suspect):
    """Does it also clear the other: is that the same, or a lesser form of it?"""
    if isinstance(passed, bytes) or isinstance(suspect, bytes):
        return passed == suspect
    return passed[0] == suspect[0] and passed[1] >= suspect[1] and passed[2] >= suspect[2]


def _what(current):
    """Return the filter, or the topic, of what is under suspicion."""
    return current if isinstance(current, bytes) else current[0]
