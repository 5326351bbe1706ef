"""Another board under the node's name: it takes the connection over, says that it is there, and comes back whenever it is thrown out.

It speaks to the model broker without packets; what it says is no witness of the node's.
"""

import stage
from micropython import const

import sim

_BACK_MS = const(1500)
_HEALTH_MS = const(10000)


class Rival:
    """Stands among a broker's connections."""

    def __init__(self, broker, name, id):
        self.broker = broker
        self.name = name
        self.id = id
        self.session = None
        self.wire = self  # for who cuts it, or has it pass pieces
        self.conn = None
        self.up_left = self.down_left = self.piece = None
        self.heard = 0
        self.since = sim.now()
        self._connect()

    def _connect(self):
        broker = self.broker
        if broker.state != "up" or broker.refuses or broker.mute:
            sim.after(_BACK_MS, self._connect)
            return
        for other in broker.conns[:]:
            if other.name == self.name:
                other.close("taken over")
        broker.conns.append(self)
        stage.tell("rival", "board %s is %s, too" % (self.id, self.name))
        self._say("status", b"online", True)
        self._say("info", b'{"version":"0.1.0","id":"%s"}' % self.id, True)
        self._health()

    def _health(self):
        if self in self.broker.conns:
            self._say("health", b'{"uptime_s":1}', False)
            sim.after(_HEALTH_MS, self._health)

    def _say(self, what, payload, retained):
        topic = "outpost/%s/%s" % (self.name, what)
        if retained:
            self.broker.retained[topic] = payload
        self.broker.route(topic, payload, 0)

    # a connection's side

    def close(self, why, how="fin", will=True):
        stage.tell("rival", "is thrown out: " + why)
        self.forget(will)

    def forget(self, with_will):
        if self in self.broker.conns:
            self.broker.conns.remove(self)
            if with_will:
                self._say("status", b"offline", True)
            sim.after(_BACK_MS, self._connect)

    def cut(self):
        self.forget(True)
