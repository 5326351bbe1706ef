"""What a broker will not have. In memory only once there is something to find.

MQTT 3.1.1 has no word for most refusals: the broker closes the connection, or says nothing. After connections that it ended in a row
suspects.py sends one message at a time, until each kind has passed. The message at which the broker closes goes, until it passes,

    of QoS 2    at QoS 1: the broker has no QoS 2
    retained    unretained: the broker keeps no messages
    else        nowhere: it is set aside; at the third one of a topic, all of the topic, or if others pass at the twelfth

A subscription at which it closes is left out. What it does at CONNECT is in connects.py.

All of it is of one broker, kept in RAM, and tried again after a day, and after a restart.
"""

from binascii import crc32

from micropython import const

from firmware import forget
from firmware.connects import Connects

BARRED = const(-1)  # what send() returns for a message that the broker will not have

_MOST = const(16)  # messages, topics and filters that are remembered, each
_AGAIN_MS = const(86400000)  # what was learnt is tried again
_WELL = const(2)  # times that all went well one at a time, before there were too many at once
_BAD = const(3)  # messages of a topic that it would not have, before all of the topic is meant,
_BAD_AMONG_GOOD = const(12)  # or this, if others pass


class Limits:
    def __init__(self, uplink):
        self.uplink = uplink
        self.suspects = None  # while one message at a time is sent
        self._crowd = 0  # messages of QoS 2 that were in flight together when it closed
        self._well = 0  # times that each message by itself went well
        self.connects = Connects(uplink)  # what it does at CONNECT
        self._forget()

    def _forget(self):
        """Believe that the broker can do all that the settings allow."""
        settings = self.uplink.settings
        self.qos, self.retain, self.window2 = settings["qos_max"], settings["retain"], 0
        self.topics = []
        self.filters = []
        self._messages = []  # as identify() returns them
        self._passes = {}  # topic of these → packet id of a message of it that was sent, True: it had one
        self._learnt_at = None  # uptime
        self.abandoned = False  # exchanges that have come to PUBREL will not end: see withdraw.py,
        self._twice = False  # and the broker may hand on what it has of them
        self.trial = None  # the topic whose message goes in a lesser form
        self._before = None  # QoS and retain before that

    def begin(self):
        """A connection to this broker is about to be opened, or something was learnt on it."""
        uplink = self.uplink
        client = uplink.client
        self.connects.begin()
        client.window2 = self.window2 or uplink.settings["window2"]
        uplink.qos_max, uplink.retain = self.qos, self.retain
        uplink.send = self.send if self.bars() else client.send
        if not self.suspects:
            client.subscriptions.withhold(self.filters)
        elif not self.suspects.free:
            client.subscriptions.withhold(self.filters, [])

    def leave(self):
        """The next connection is another broker's. What it does at CONNECT is kept: else it would never be found out."""
        self._forget()
        self.suspects = None
        self.begin()
        self.connects.leave()

    def up(self, uptime):
        """The broker said welcome. Return False: the connection was a trial and is to be closed."""
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
        suspects = self.suspects
        if suspects:
            well = suspects.step(uptime, acked)
            if well:
                self._well += 1
                if self._well >= _WELL and self._crowd > 1:  # else it may have been the network
                    self.window2 = self._crowd // 2
                    self._learn(uptime, "%d messages of QoS 2 at once" % self._crowd)
                    self._well = 0
                self._crowd = 0
            if held:
                suspects.free = True
            if suspects.free and not suspects.wanted:
                self.suspects = None
                forget("suspects")
                well = True
            if well:
                self.begin()
            return well
        if self._learnt_at is not None and uptime - self._learnt_at >= _AGAIN_MS:
            self.uplink.log.info("mqtt: trying again what %s would not have" % self.uplink.broker)
            self._forget()
            self.begin()
        self.connects.step(uptime)
        return False

    def lost(self, closed, silent, uptime):
        """The connection is gone. closed: by the broker; silent: it answered too late, or not at all."""
        if self.suspects:
            self.suspects.lost(closed, silent, uptime)

    def suspect(self, unfinished):
        """It ended connections in a row. unfinished: messages of QoS 2 that were in flight."""
        if not self.suspects:
            from firmware.suspects import Suspects

            self.suspects = Suspects(self)
            self.uplink.hurry()
        self._crowd = max(self._crowd, unfinished)

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):
        """As the client's, and BARRED."""
        if topic in self.topics or (self._messages and self._is_barred(topic, payload, qos)):
            self.uplink.why = "%s %s %s" % (self.uplink.broker, self._how, topic.decode())
            return BARRED
        sent = (self.suspects or self.uplink.client).send(topic, payload, retain, qos, pid, dup)
        if sent and self.had_none(topic):
            self._passes[topic] = sent
        return sent

    def _is_barred(self, topic, payload, qos):
        return self.identify(topic, payload, qos) in self._messages

    def identify(self, topic, payload, qos):
        """Return what a message is known by. At QoS 0 it never comes again: all of its topic is meant."""
        return topic, crc32(payload) if qos else 0

    def bars(self):
        """Is there a message that it will not have, or may there be?"""
        return bool(self.suspects or self.topics or self._messages)

    # what is learnt

    def judge(self, culprit, crc, how, uptime):
        """It is this filter, or this message: (topic, QoS, retained) and CRC; 0: any message of the topic."""
        self.uplink.hurry()
        if isinstance(culprit, bytes):
            _remember(self.filters, culprit)
            what = "a subscription to %s" % culprit.decode() if culprit else "UNSUBSCRIBE"
            self._learn(uptime, what)
            return
        topic, qos, retain = culprit
        message = topic, crc
        if topic != self.trial:
            self.trial, self._before = topic, (self.qos, self.retain)
        released = self.uplink.client.released  # it is PUBREL that it will not have
        # It would not have another message of the topic in any form: this one is not tried in all of them.
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
            if len(self._passes) == _MOST:
                self._passes.clear()
            passes = self._passes.setdefault(topic, 0) is True
            bad = 1 + sum([topic == each[0] for each in self._messages])
            every = not crc or bad >= (_BAD_AMONG_GOOD if passes else _BAD)
            _remember(*((self.topics, topic) if every else (self._messages, message)))
            self._how = how
            what = "any message" if every else "a message"
            self._learn(uptime, "%s to %s" % (what, topic.decode()))

    def had_none(self, topic):
        """Did it have no message of a topic of which it would not have one?"""
        return self._passes.get(topic, True) is not True

    def passed(self, message, uptime):
        """It had this filter, or this message: (topic, QoS, retained)."""
        if isinstance(message, bytes):
            return
        if message[0] in self._passes:
            self._passes[message[0]] = True
        if self.trial and message[0] == self.trial:
            self.trial = None
            if self.qos < self._before[0]:
                self._learn_qos(uptime)
            if self.retain < self._before[1]:
                self._learn(uptime, "retained messages: nothing is kept for later subscribers")

    def lowered(self, uptime):
        """It answered QoS 2 as if it were QoS 1."""
        self.qos = self.uplink.qos_max = 1
        self._learn_qos(uptime)

    def begin_anew(self, again, uptime):
        """It ends connections at PUBREL. again: that was no better after exchanges had begun anew."""
        if again:
            self.qos = 1
            self._abandon()
            self._learn_qos(uptime)
            return
        self.uplink.begin_anew()
        self.uplink.log.warning(
            "mqtt: %s does not end exchanges of QoS 2: they begin anew" % self.uplink.broker
        )

    def _abandon(self):
        self.abandoned = self._twice = True
        self.uplink.begin_anew()

    def _learn_qos(self, uptime):
        twice = ", and some come twice" if self._twice else ""
        self._learn(uptime, "QoS 2: readings go at QoS 1" + twice)

    def _learn(self, uptime, what):
        if self._learnt_at is None:
            self._learnt_at = uptime
        self.uplink.log.warning("mqtt: %s will not have %s" % (self.uplink.broker, what))

    def needed(self):
        """Is there anything to remember?"""
        known = self.suspects or self._learnt_at is not None
        return known or self._well > 0 or self.connects.needed()

    def text(self):
        """Return what it will not have, for people; None: nothing is known."""
        told = []
        if self.qos < self.uplink.settings["qos_max"]:
            told.append("no QoS 2, some readings come twice" if self._twice else "no QoS 2")
        if self.retain < self.uplink.settings["retain"]:
            told.append("nothing retained")
        if self.connects.text():
            told.append(self.connects.text())
        if self.window2:
            told.append("%d of QoS 2 at once" % self.window2)
        told += [
            "not " + (topic.decode() or "UNSUBSCRIBE") for topic in self.topics + self.filters
        ]
        return "; ".join(told) or None


def _remember(known, new):
    if len(known) == _MOST:
        known.pop(0)
    known.append(new)
