"""Notices another board that has this node's name, before this one publishes under it. Loaded for each connection, then let go of.

The retained `info` of a name has the id of the board that holds it. On each connection the node reads it first:

    nothing there, or this board's id    1. the name is this board's
    another board's id                   2. it ends at once, twice, and the name's status is `online` nevertheless; or six times; or
                                            `health` or a new `info` of the other comes: that one is alive. This board takes a name of its
                                            own, `<name>-<end of its id>`, and starts again under it
                                         3. nothing of that while it was connected for a minute and a half, or, if its status stands at
                                            `online`, for one and a half times `publish.health_s`: the other is gone, and this board
                                            stands in for it
    a name of its own, and the other's   4. `info` is taken back, or nothing says that the other is online, for an hour: it starts
                                            again under its name, and asks again

A board that replaces another waits that long once. The board that was there first keeps its name. Readings wait meanwhile;
those that were taken under the name stay readings of that name.
"""

import os

from flashfile import is_nothing, uninterrupted
from micropython import const

from firmware import forget
from firmware.files import read, write

_ALIAS = "state/alias"  # "<name> <id of the board that has it>"
_REPLY_MS = const(500)  # a retained message comes with the answer to the subscription
_OWN_MS = const(60000)  # after this nothing more is awaited
_PEACE_MS = const(90000)  # health comes once a minute, by default
_HOUR_MS = const(3600000)
_SOON_MS = const(10000)  # a board that is thrown out comes back at once and does the same
# with the other's status `online`: a link that had only died leaves `offline`, by the will
_KICKS = const(2)
# without: not every broker keeps that status when a connection is taken over
_MOST_KICKS = const(6)
_NO_ID = "without-id"  # earlier firmware
_LONGEST_ID = const(32)  # hexadecimal digits: a Pico has 16


def name(settings, board):
    """Return the node's name, and (the name that it should have, id of the board that has it) or None."""
    wanted = settings["name"] or board.name
    held, _, other = (read(_ALIAS) or "").rpartition(" ")
    if held != wanted or len(other) > _LONGEST_ID:
        return wanted, None
    return "%s-%s" % (wanted, board.id[-6:]), (wanted, other)


def begin(node, uptime):
    """A connection came up. Return the node's Namesake."""
    found = node.namesake or Namesake(node)
    found.begin(uptime)
    forget("link", "namesake")
    return found


class Namesake:
    def __init__(self, node):
        self.node = node
        self.other = None  # id of the board that holds the name
        self._kicks = 0  # connections that ended at once
        self._peace = 0  # ms that earlier ones held, and nothing of the other came
        self._since = None  # uptime at which the connection came up, None: it is gone
        self._online = False  # the other's status
        # while this board has a name of its own: the uptime at which it was so last
        self._seen = 0
        self._free = self._said = False

    def begin(self, uptime):
        """A connection came up. Until step() returns True nothing may be published on it."""
        node = self.node
        self._since = self._asked = uptime
        self._said = False
        if node.taken:
            self._offline(uptime)
            node.uplink.held = False
            base = node.topics.prefix[: -len(node.name)] + node.taken[0]
            node.control.watch((base + "/info").encode(), self._info_of_the_other)
            node.control.watch((base + "/status").encode(), self._status_of_the_other)
            return
        node.uplink.held = True
        node.control.watch(node.topics.own("info"), self._info)
        if self.other:
            self._listen()

    def step(self, uptime):
        """Return True when the node is to introduce itself."""
        node = self.node
        if node.taken:
            if self._free or (not self._online and uptime - self._seen >= _HOUR_MS):
                self._start_again(None, "the name %s may be free" % node.taken[0])
            said, self._said = self._said, True
            return not said
        if not node.uplink.connected:
            if self._since is not None:
                lasted, self._since = uptime - self._since, None
                self._ended(lasted)
            return False
        elapsed = uptime - self._since
        if self._said:
            if self._free or elapsed >= _OWN_MS:
                self._end()
            return False
        if node.uplink.client.subscriptions.waiting():
            self._asked = uptime  # the answer comes late on a slow link
        heard = uptime - self._asked >= _REPLY_MS
        if not (self._free or (elapsed >= self._peace_ms() if self.other else heard)):
            return False
        if self.other and not self._free:
            node.log.warning("node: board %s is gone: this one stands in for it" % self.other)
        node.uplink.held = False
        self._free = False
        self.other = None
        self._said = node.control.introduced = True
        return True

    def _peace_ms(self):
        """Return after how many ms of connection something of the other must have come: of two boards alike, its `health`."""
        ms = max(_PEACE_MS, self.node.health_ms * 3 // 2) if self._online else _PEACE_MS
        return ms - self._peace

    def _end(self):
        """The name is ours."""
        node = self.node
        for topic in (node.topics.own("info"), node.topics.own("health")):
            node.control.watch(topic, None)
        node.control.watch(node.topics.status, node.control.hear)
        node.namesake = None

    def _listen(self):
        """What is there of the other?"""
        node = self.node
        self._online = False
        node.control.watch(node.topics.own("health"), self._health)
        node.control.watch(node.topics.status, self._status)

    def _ended(self, ms):
        """A connection that was up for so long is gone: because the other one has the name, or because links break."""
        if not self.other:
            return
        self.node.uplink.brokers.ended = 0  # nothing was sent that a broker could refuse
        if ms >= _SOON_MS or not self.node.wifi.up:
            self._peace += ms
            return
        self._kicks += 1
        if self._kicks >= (_KICKS if self._online else _MOST_KICKS):
            self._step_aside()

    def _info(self, data, retained, uptime):
        other = _id(data)
        if other is None and data and retained and self.node.control.introduced:
            other = _NO_ID  # this board's had one: it is another's, which has taken over a connection before
            self._kicks = max(1, self._kicks)
        if other is None or other == self.node.board.id:
            self._free = self._said or other is not None
            return
        if self.other != other:
            self.other = other
            self.node.uplink.held = True
            self._said = self._free = False
            self._peace, self._since = 0, uptime
            self._listen()
            self.node.log.error("node: board %s is called %s, too" % (other, self.node.name))
        self._is_there(retained, uptime)

    def _health(self, data, retained, uptime):
        # What comes soon may be this board's own, sent before it knew of the other.
        if uptime - self._since >= _SOON_MS or not self.node.control.introduced:
            self._is_there(retained, uptime)

    def _is_there(self, retained, uptime):
        """Something from the other board came."""
        if not retained and self.other:
            self._since = uptime  # it is alive, even if the flash is full
            self._step_aside()

    def _status(self, data, retained, uptime):
        if retained:
            self._online = data == b"online"
        self.node.control.hear(data, retained, uptime)

    def _info_of_the_other(self, data, retained, uptime):
        self._free = not data

    def _status_of_the_other(self, data, retained, uptime):
        if data == b"online":
            self._online = True
        else:
            self._offline(uptime)

    def _offline(self, uptime):
        if self._online or not self._seen:
            self._seen = uptime
        self._online = False

    def _step_aside(self):
        self._start_again(
            "%s %s" % (self.node.name, self.other),
            "board %s is called %s, too: give one of them another node.name"
            % (self.other, self.node.name),
        )

    def _start_again(self, alias, why):
        try:
            if alias:
                write(_ALIAS, alias)
            else:
                with uninterrupted:
                    os.remove(_ALIAS)
        except OSError as e:
            # No alias there: it was removed before, and then the memory to go on was lacking.
            if alias or not is_nothing(e):
                # A full flash: the node says nothing under the name until it takes this.
                self._kicks = self._peace = 0
                return
        self.node.uplink.client.disconnect()  # the will would call the other one offline
        self.node.reset(why)


def _id(data):
    """Return the board's id of an `info`, None: there is none. Anybody may have written anything there."""
    begin = data.find(b'"id":"') + 6
    end = data.find(b'"', begin)
    if begin < 6 or not 0 < end - begin <= _LONGEST_ID:
        return None
    digits = bytes(data[begin:end])
    for c in digits:
        if not (48 <= c < 58 or 97 <= c < 103):
            return None
    return digits.decode()
