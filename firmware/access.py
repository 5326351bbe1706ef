"""May this node publish, and does it hear? MQTT 3.1.1 has no word for it: a forbidden PUBLISH is acknowledged and dropped, a forbidden
SUBSCRIBE mostly granted, and silent. So the node listens to its own `status`: one message a connection, which shows both.
"""

from micropython import const

_PATIENCE_MS = const(
    60000
)  # from the broker's acknowledgement of `online` until it has to be back


class Access:
    def __init__(self, uplink, control, topic, log):
        """topic: the node's `status`."""
        self.uplink = uplink
        self.topic = topic
        self.log = log
        self.fault = None  # for `health`
        self._connects = 0
        self._back = self._deaf = False
        self._since = None  # uptime of the acknowledgement
        self._refused = ()
        control.watch(topic, self._arrived)

    def _arrived(self, data, retained, uptime):
        if not retained and data == b"online":  # a retained one is from before, perhaps
            self._back = True

    def step(self, uptime):
        """Say what changed."""
        uplink = self.uplink
        if self._connects != uplink.connects:
            self._connects = uplink.connects
            self._back = False
            self._since = None
            # One message at a time: the subscription came too late to hear it.
            self._deaf = uplink.brokers.cautious
        if not uplink.connected or self._deaf:
            return
        refused = uplink.client.refused
        if len(refused) != len(self._refused):
            self._refused = tuple(refused)
            if refused:
                self._say("the broker refuses a subscription: ", b", ".join(refused))
        if self._back:
            if self.fault and not refused:
                self.fault = None
                self.log.info(
                    "mqtt: what this node publishes comes back: its permissions are whole"
                )
        elif self._since is None:
            if uplink.acknowledged():
                self._since = uptime
        elif uptime - self._since >= _PATIENCE_MS and not self.fault:
            self._say("what this node publishes does not come back: ", self.topic)

    def _say(self, what, topics):
        self.fault = what + topics.decode()
        self.log.error(
            "mqtt: %s; at the broker, let this node write and read its own topics" % self.fault
        )
