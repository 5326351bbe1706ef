"""Takes what others send a node: commands, states for its outputs, Home Assistant's start.

It ignores retained messages: perhaps nobody has meant them since the node was switched on.
"""

import time

from micropython import const

from firmware import forget

_LONGEST = const(512)  # bytes of the longest payload that is taken
_CHECK_MS = const(50000)  # by then the node's own message has come back
_REPLIES = const(4)  # that wait for room
_NO_MEMORY = b'{"ok":false,"error":"not enough memory"}'


class Control:
    def __init__(self, node, uplink, topics, panel, led, log):
        """node: what commands are given; panel: the outputs, or None; led: a pin, or None."""
        self.node = node
        self.uplink = uplink
        self.client = client = uplink.client
        self.topics = topics
        self.panel = panel
        self.led = led
        self.log = log
        self.blink = None
        self.restart = False
        self.fault = None  # what the broker forbids this node, for `health`
        self.heard = False  # has the node's own `status` come back on this connection? None: not yet, though it was published twice
        self.introduced = False  # has the node's `info` been published in this start?
        self._connects = 0
        self.check_at = None  # ticks by which it must have come back
        self._watched = {}  # topic → what takes its messages
        self.watch(topics.status, self.hear)
        self.replies = []  # that the client had no room for
        self.reply = None  # packet id of the last one, while it is in flight
        self.told_at = None  # ticks when a command asked for a restart
        for topic in topics.commands():
            client.want(topic, 1)
        if panel:
            # QoS 0: a command that cannot come now never comes. A pump must not start because a link is back.
            client.want(topics.output("+")[1], 0)

    def watch(self, topic, take):
        """Subscribe to one more topic; take(data, retained, uptime) gets what comes there. take None: no longer."""
        self.client.want(topic, None if take is None else 0)
        self._watched.pop(topic, None)
        if take:
            self._watched[topic] = take

    def hear(self, data, retained, uptime):
        """The node's own `status` came. A retained one may be an old one."""
        self.heard = self.heard or (data == b"online" and not retained)

    def _check(self, now):
        """A while after the node may publish on a connection: do the broker's access rules let it do what it has to?"""
        uplink = self.uplink
        if self._connects != uplink.connects or uplink.held:
            self._connects = uplink.connects
            self.heard = False
            self.check_at = time.ticks_add(now, _CHECK_MS)
        elif not uplink.connected:
            self.check_at = None
        elif (
            self.check_at is not None
            and time.ticks_diff(now, self.check_at) >= 0
            and not uplink.brokers.cautious
        ):
            try:
                from firmware.control import access

                self.check_at = None
                self.fault = access.check(self, now)
                forget("control", "access")
            except MemoryError:  # no reason to end
                self.check_at = time.ticks_add(now, _CHECK_MS)

    def step(self, now):
        """Return True when it is time to restart, as commanded. MemoryError: the node ends anyway."""
        if self.blink and not self.blink.step(now):
            self.blink = None
        self._send()
        self._check(now)
        if not self.restart:
            return False
        from firmware.control import restart

        return restart.is_due(self, now)

    def due(self, now):
        """Return ms until step() wants to be called."""
        return self.blink.due(now) if self.blink else 1000

    def acknowledged(self, pids):
        if self.reply in pids:
            self.reply = None
            forget("control", "commands")
            forget("upkeep", "document")

    def arrived(self, topic, data, retained, uptime):
        """A message came."""
        take = self._watched.get(topic)
        if take:
            take(data, retained, uptime)
            return
        text = topic.decode()
        if retained or len(data) > _LONGEST:
            why = "retained" if retained else "too long"
            self.log.warning("control: %s ignored, it is %s" % (text, why))
            return
        name = text.rpartition("/")[2]
        if topic in self.topics.commands(name):
            self._command(name, data)
        elif self.panel:
            self.panel.set(text, data)

    def _command(self, name, data):
        self.log.info("control: " + name)
        try:
            from firmware.control.commands import run

            reply = run(self, name, data)
        except MemoryError:  # not even for the reply
            reply = _NO_MEMORY
        if len(self.replies) == _REPLIES:
            self.replies.pop(0)
        self.replies.append(reply)
        self._send()

    def _send(self):
        while self.replies:
            sent = self.uplink.send(self.topics.own("reply"), self.replies[0], False, 1)
            if sent is None:
                return
            self.reply = sent
            self.replies.pop(0)
