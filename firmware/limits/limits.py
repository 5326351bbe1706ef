"""What a broker refuses. In memory only once there is something to find.

MQTT 3.1.1 has no word for most refusals: the broker closes the connection, or says nothing. When the broker has
ended several connections in a row, suspects.py sends one message at a time, until each kind has passed. A message at which the broker
closes goes, until it passes,

    of QoS 2    at QoS 1: the broker has no QoS 2
    retained    unretained: the broker keeps no messages
    else        nowhere: it is set aside; at the third one of a topic (the twelfth, if others pass) the whole topic

A subscription at which it closes is left out. connects.py looks at CONNECT.

It concludes nothing without evidence: the message failed, another passed, it failed again. Where no other message passes, the lesser form
takes its place: once that has passed, the connection begins anew and the full form has to fail again. Where nothing passes, nothing is learnt.

What it finds holds for one broker, stays in RAM, and is tried again: see retries.py, and after a restart.
"""

from binascii import crc32

from micropython import const

from firmware import forget
from firmware.limits.answers import Answers
from firmware.limits.connects import Connects
from firmware.limits.retries import FILTER, MESSAGE, PINGS, QOS, RETAIN, TOPIC, WINDOW, Retries

BARRED = const(-1)  # what send() returns for a message that the broker refuses

_MOST = const(16)  # topics that are remembered
_WELL = const(2)  # if all went well one at a time so often, there were too many at once
_BAD = const(3)  # refused messages of a topic, before the whole topic counts as refused,
_BAD_AMONG_GOOD = const(12)  # or this, if others pass


class Limits:
    def __init__(self, uplink):
        self.uplink = uplink
        self.suspects = None  # while one message at a time is sent
        self.crowd = 0  # messages of QoS 2 that were in flight together when it closed
        self._well = 0  # times that each message by itself went well
        self.connects = Connects(uplink)  # what it does at CONNECT
        self.answers = Answers(uplink, self.connects.will)
        self._forget()

    def _forget(self):
        """Believe that the broker can do all that the settings allow."""
        settings = self.uplink.settings
        self.qos, self.retain, self.window2 = settings["qos_max"], settings["retain"], 0
        self.answers.forget()
        self.topics = []
        self.filters = []
        self.messages = []  # as identify() returns them
        self.retries = Retries(self)
        self._passes = {}  # topic of these → packet id of a message of it that was sent, True: it had one
        self._how = {}  # and how the refusal showed
        self.abandoned = False  # exchanges that have come to PUBREL never end: see withdraw.py,
        self.twice = False  # and the broker may deliver their messages all the same
        self.trial = None  # the topic whose message goes in a lesser form
        self._before = None  # QoS and retain before that
        self.proven = False  # nothing but that message failed

    def begin(self):
        """A connection to this broker is about to be opened, or something was learnt on it."""
        uplink = self.uplink
        client = uplink.client
        self.connects.begin()
        client.window2 = self.window2 or uplink.settings["window2"]
        self.answers.begin()
        uplink.qos_max, uplink.retain = self.qos, self.retain
        watched = self.suspects or self.topics or self.messages
        uplink.send = self.send if watched else client.send
        if not self.suspects:
            client.subscriptions.withhold(self.filters)
        elif not self.suspects.free:
            client.subscriptions.withhold(self.filters, [])

    def leave(self):
        """The next connection is another broker's. What this one does at CONNECT is kept: else it would never be found out."""
        self._forget()
        self.suspects = None
        self.begin()
        self.connects.leave()

    def up(self, uptime):
        """The broker said welcome. Return False: the connection was a trial and is to be closed."""
        self.answers.up(uptime)
        if self.suspects:
            self.suspects.up(uptime)
        return self.connects.up()

    def step(self, uptime, acked, held):
        """A connection is up. held: for so long that all seems well. Return True when one message at a time is over."""
        if held:
            self._well = 0
        for topic, pid in self._passes.items():
            if pid in acked:
                self._passes[topic] = True
        self.answers.step(acked, uptime)
        self.retries.step(uptime)
        suspects = self.suspects
        if suspects:
            well = suspects.step(uptime, acked)
            if well:
                self._well += self.crowd > 1
                if self._well >= _WELL:  # otherwise it may have been the network
                    self.learn(uptime, (WINDOW, self.crowd // 2), sure=True)
                    self._well = 0
                self.crowd = 0
            if held:
                suspects.free = True
            if suspects.free and not (suspects.wanted or self.retries.probing):
                self.suspects = None
                forget("limits", "suspects")
                well = True
            if well:
                self.begin()
            return well
        self.connects.step(uptime)
        return False

    def lost(self, closed, silent, uptime):
        """The connection is gone. closed: by the broker; silent: it answered too late, or not at all."""
        if self.suspects:
            self.suspects.lost(closed, silent, uptime)

    def suspect(self, unfinished):
        """Begin to look: it ended several connections in a row. unfinished: messages of QoS 2 that were in flight."""
        if not self.suspects:
            from firmware.limits.suspects import Suspects

            self.suspects = Suspects(self)
            self.uplink.hurry()
        self.crowd = max(self.crowd, unfinished)

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):
        """As the client's send(); BARRED: the broker refuses this message."""
        item = self._barring(topic, payload, qos)
        if item:
            if self.retries.may_go(item):
                return None  # with the next step
            self.uplink.why = "%s %s %s" % (
                self.uplink.broker,
                self._how.get(topic, "will not have"),
                topic.decode(),
            )
            return BARRED
        sent = (self.suspects or self.uplink.client).send(topic, payload, retain, qos, pid, dup)
        if sent and self.had_none(topic):
            self._passes[topic] = sent
        return sent

    def _barring(self, topic, payload, qos):
        if topic in self.topics:
            return TOPIC, topic
        if self.messages:
            message = self.identify(topic, payload, qos)
            if message in self.messages:
                return MESSAGE, message
        return None

    def identify(self, topic, payload, qos):
        """Return what a message is known by. At QoS 0 it never comes again, so its whole topic is meant."""
        return topic, crc32(payload) if qos else 0

    def bars(self):
        """Is there a message that it refuses, or may there be? Then readings set aside wait."""
        cautious = self.suspects and not self.suspects.free
        barred = self.topics or self.messages
        return bool(cautious or (barred and not self.retries.gives_back()))

    # what is learnt

    def judge(self, culprit, crc, how, uptime, proven):
        """It refuses this filter, or this message: (topic, QoS, retained) and CRC; 0: any message of the topic. proven: others pass."""
        if self.retries.failed(culprit, crc, uptime):
            return
        if isinstance(culprit, bytes):
            if proven:
                self.learn(uptime, (FILTER, culprit))
            return
        topic, qos, retain = culprit
        released = self.uplink.client.released  # it closes at PUBREL
        if released and not proven:
            return
        if topic != self.trial:
            if self.trial:
                # The trial of another topic ends without an answer.
                self.qos, self.retain = self._before
            self.trial, self._before = topic, (self.qos, self.retain)
            self.proven = proven
        # It refused another message of the topic in every form: this one is not tried in all of them.
        lesser = released or topic not in self._passes
        if qos == 2 and self.qos == 2 and lesser:
            self.qos = 1
            if released:
                self._abandon()
        elif retain and self.retain and lesser:
            self.retain = False
        else:
            self.trial = None
            self.qos, self.retain = self._before  # it was neither
            if proven:
                self._bar(topic, crc, how, uptime)
        if proven:
            self.uplink.hurry()

    def _bar(self, topic, crc, how, uptime):
        """It refuses a message in every form."""
        if len(self._passes) == _MOST:
            self._passes.clear()
            self._how.clear()
        self._how[topic] = how
        passes = self._passes.setdefault(topic, 0) is True
        bad = 1 + sum([topic == each[0] for each in self.messages])
        every = not crc or bad >= (_BAD_AMONG_GOOD if passes else _BAD)
        self.learn(uptime, (TOPIC, topic) if every else (MESSAGE, (topic, crc)))

    def probes(self, culprit, crc=None):
        """Is this what is being tried again? None: a ping."""
        return self.retries.is_probe(culprit, crc)

    def had_none(self, topic):
        """Did it refuse every message of a topic of which it refused one?"""
        return self._passes.get(topic, True) is not True

    def passed(self, message, crc, uptime):
        """It took this filter, or this message: (topic, QoS, retained). OSError: the connection has to begin anew."""
        self.retries.passed(message, crc, uptime)
        if not isinstance(message, tuple):
            return
        if message[0] in self._passes:
            self._passes[message[0]] = True
        if self.trial and message[0] == self.trial:
            self.trial = None
            before = self._before
            lowered = self.qos < before[0]
            if lowered:
                # It may hold the message in an exchange that nobody ends, which would take one of its places for ever.
                self.uplink.begin_anew()
            if not self.proven:
                self.qos, self.retain = before
                raise OSError("a lesser form passes; once more as it was")
            if self.retain < before[1]:
                self.learn(uptime, (RETAIN, False))
            if lowered:
                self.learn(uptime, (QOS, 1))
                raise OSError("its session begins anew, without the exchanges of QoS 2")

    def lowered(self, uptime):
        """It answered QoS 2 as if it were QoS 1."""
        self.uplink.qos_max = 1
        self.learn(uptime, (QOS, 1), sure=True)

    def begin_anew(self, again, uptime):
        """Let exchanges begin anew: it ends connections at PUBREL. again: so it did after they had begun anew."""
        if again:
            self._abandon()
            self.learn(uptime, (QOS, 1), sure=True)
            return
        self.uplink.begin_anew()
        self.uplink.log.warning(
            "mqtt: %s does not end exchanges of QoS 2: they begin anew" % self.uplink.broker
        )

    def _abandon(self):
        self.abandoned = self.twice = True
        self.answers.never_came()
        self.uplink.begin_anew()

    def learn(self, uptime, item, sure=False):
        """Have this no more, as in retries.py. sure: nothing that passes by looks like it."""
        self.retries.bar(item)
        told = self.retries.learn(item, uptime, sure)
        verb = "answers no" if item[0] == PINGS else "will not have"
        self.uplink.log.warning("mqtt: %s %s %s" % (self.uplink.broker, verb, told))

    def needed(self):
        """Is there anything to remember?"""
        known = self.suspects or self.retries.all or self.answers.needed()
        return bool(known) or self._well > 0 or self.connects.needed()

    def text(self):
        """Return what it refuses, for people; None: nothing is known."""
        told = self.answers.text()
        qos, retain = self._before if self.trial else (self.qos, self.retain)
        if qos < self.uplink.settings["qos_max"]:
            told.append("no QoS 2, some readings come twice" if self.twice else "no QoS 2")
        if retain < self.uplink.settings["retain"]:
            told.append("nothing retained")
        if self.connects.text():
            told.append(self.connects.text())
        if self.window2:
            told.append("%d of QoS 2 at once" % self.window2)
        barred = {each[0] for each in self.uplink.documents if each[2] == BARRED}
        topics = self.topics + sorted(barred.difference(self.topics)) + self.filters
        told += ["not " + (topic.decode() or "UNSUBSCRIBE") for topic in topics]
        return "; ".join(told) or None
