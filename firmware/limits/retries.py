"""When something that a broker refused is tried again: after ten minutes, then twice as long each time, up to a day. Loaded with limits.py.

One thing at a time is tried, alone, with a ping behind it (suspects.py): that costs one connection if the broker has not changed. A topic, or
a message, is tried when a message of it comes: the node introduces itself anew, and readings that were set aside come back.
"""

from micropython import const

# What it may be: (kind, what).
TOPIC = const(0)
MESSAGE = const(1)  # of a topic, by its CRC
FILTER = const(2)
QOS = const(3)
RETAIN = const(4)
WINDOW = const(5)  # of QoS 2 at once
PINGS = const(6)

_FIRST_MS = const(600000)
_LAST_MS = const(86400000)
_RARE_MS = const(7200000)  # if what is to be tried does not come for so long, it is left for now
_MOST = const(16)  # topics, messages and filters that are remembered, each
_BACK = const(3)  # readings that may come back each time and be set aside again


class Retries:
    def __init__(self, limits):
        self.limits = limits
        # (kind, what) → uptime when it is tried again, and ms until the time after that; 0: it is not tried alone, but allowed again
        self.all = {}
        self.probing = None  # what is tried
        self._probed_at = 0
        self._asked = None  # a message of this came, and it is its turn
        self._back = 0  # readings that may still come back, and be refused again
        self._now = 0  # uptime at the last look

    def learn(self, item, uptime, sure):
        """Note that the broker refuses it. sure: nothing that passes looks like it. Return what it is, for people."""
        kind, what = item
        for each in list(self.all):
            if kind == WINDOW == each[0] or (
                kind == TOPIC and each[0] == MESSAGE and each[1][0] == what
            ):
                del self.all[each]
        self._wait(item, uptime, 0 if sure else _FIRST_MS)
        if kind == QOS:
            twice = ", and some come twice" if self.limits.twice else ""
            return "QoS 2: readings go at QoS 1" + twice
        if kind == RETAIN:
            return "retained messages: nothing is kept for later subscribers"
        if kind == WINDOW:
            return "more than %d messages of QoS 2 at once" % what
        if kind == PINGS:
            return "pings: an acknowledged message stands for their answers"
        if kind == FILTER:
            return "a subscription to %s" % what.decode() if what else "UNSUBSCRIBE"
        if kind == TOPIC:
            return "any message to %s" % what.decode()
        return "a message to %s" % what[0].decode()

    def bar(self, item):
        """Send it no more."""
        limits = self.limits
        kind, what = item
        if kind == QOS:
            limits.qos = what
        elif kind == RETAIN:
            limits.retain = what
        elif kind == WINDOW:
            limits.window2 = what
        elif kind == PINGS:
            limits.answers.pings = what
        else:
            known = self._known(kind)
            if kind == TOPIC:
                limits.messages = [each for each in limits.messages if each[0] != what]
            if len(known) == _MOST:
                self.all.pop((kind, known.pop(0)), None)
            known.append(what)

    def lift(self, item):
        """Send it again."""
        limits = self.limits
        settings = limits.uplink.settings
        kind, what = item
        if kind == QOS:
            limits.qos, limits.twice = settings["qos_max"], False
        elif kind == RETAIN:
            limits.retain = settings["retain"]
        elif kind == WINDOW:
            limits.window2 = 0
        elif kind == PINGS:
            limits.answers.pings = True
        elif what in self._known(kind):
            self._known(kind).remove(what)

    def _known(self, kind):
        limits = self.limits
        return {TOPIC: limits.topics, FILTER: limits.filters, MESSAGE: limits.messages}[kind]

    def _wait(self, item, uptime, ms):
        self.all[item] = [uptime + (ms or _LAST_MS), ms]

    def step(self, uptime):
        """A connection is up."""
        if self.probing and uptime - self._probed_at >= _RARE_MS:
            item, self.probing = self.probing, None
            self.bar(item)
            self._wait(item, uptime, self.all[item][1])
        if self._busy():
            return
        before, self._now = self._now, uptime
        item, self._asked = self._asked, None
        offered = False
        for each, (at, ms) in list(self.all.items()):
            if at > uptime:
                continue
            if at > before:
                self._back = _BACK
            if not ms:
                del self.all[each]
                self.lift(each)
                self.limits.begin()
            elif each[0] in (TOPIC, MESSAGE):
                offered = self._offer(each[1] if each[0] == TOPIC else each[1][0]) or offered
            elif not item and (each[0] != RETAIN or not self._is_barred()):
                item = each
        # What was wanted may be forgotten by now, or its whole topic be barred.
        if item in self.all and not (offered and item[0] > MESSAGE):
            self._try(item, uptime)

    def _busy(self):
        """Is something being tried or looked for? What only has to go alone when it comes leaves room for a trial."""
        suspects = self.limits.suspects
        return self.probing or (suspects and not suspects.at_rest)

    def _is_barred(self):
        """Will the broker not have `status`? That is what is sent to try retained messages, and it has to be tried by itself before."""
        status = self.limits.connects.will
        return any(
            what == status or (kind == MESSAGE and what[0] == status) for kind, what in self.all
        )

    def _offer(self, topic):
        """Let the node introduce itself again, if this is part of its introduction. Return whether it is."""
        offered = False
        for document in self.limits.uplink.documents:
            if document[0] == topic:
                offered = True
                if document[2] == -1:
                    document[2] = None
        return offered

    def _try(self, item, uptime):
        limits = self.limits
        log, name = limits.uplink.log, limits.uplink.broker
        kind, what = item
        if kind == FILTER and what not in limits.uplink.client.subscriptions.filters():
            del self.all[item]  # nobody wants it now; if anybody does later, it is found out anew
            self.lift(item)
            limits.begin()
            return
        try:
            limits.suspect(0)
        except MemoryError:
            self._wait(item, uptime, self.all[item][1])
            return
        limits.suspects.up(uptime)
        limits.suspects.free = True
        self.lift(item)
        self.probing, self._probed_at = item, uptime
        limits.begin()
        log.info("mqtt: trying again what %s would not have" % name)
        if item[0] == RETAIN and not limits.uplink.held:
            limits.uplink.introduce(limits.connects.will, b"online")

    def may_go(self, item):
        """A message of this came: is it to be tried with the next step?"""
        if not self._asked and not self._busy():
            if item in self.all and self.all[item][0] <= self._now:
                self._asked = item
        if self._asked == item:
            return True
        self._back = max(0, self._back - 1)
        return False

    def gives_back(self):
        """May readings that were set aside come back, though others are barred?"""
        return self._back > 0

    def is_probe(self, culprit, crc=None):
        """Is this being tried: a filter, or (topic, QoS, retained) and CRC, or None, a ping?"""
        if not self.probing:
            return False
        kind, what = self.probing
        if culprit is None:
            return kind == PINGS
        if isinstance(culprit, bytes):
            return kind == FILTER and culprit == what
        topic, qos, retain = culprit
        if kind == MESSAGE:
            return topic == what[0] and crc in (None, what[1])
        return (
            (kind == TOPIC and topic == what)
            or (kind == QOS and qos == 2)
            or (kind == RETAIN and bool(retain))
        )

    def failed(self, culprit, crc, uptime):
        """It ended the connection. Return whether it was being tried."""
        if not self.is_probe(culprit, crc):
            return False
        item, self.probing = self.probing, None
        self.bar(item)
        self._wait(item, uptime, min(2 * self.all[item][1], _LAST_MS))
        uplink = self.limits.uplink
        minutes = self.all[item][1] // 60000
        uplink.log.info(
            "mqtt: %s still will not have it; again in %d min" % (uplink.broker, minutes)
        )
        return True

    def passed(self, culprit, crc, uptime):
        """It passed. OSError: the connection has to begin anew."""
        if not self.is_probe(culprit, crc):
            return
        item, self.probing = self.probing, None
        del self.all[item]
        self._back = _BACK
        for each in self.all.values():
            if 0 < each[1] < _LAST_MS:
                each[0] = min(each[0], uptime)  # this may have been wrong, too
        uplink = self.limits.uplink
        uplink.log.info("mqtt: %s has it again" % uplink.broker)
        if item[0] == RETAIN:
            raise OSError("messages are kept again: the node introduces itself anew")
