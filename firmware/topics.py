"""Names of the topics a node publishes on. How they are sent is not known here.

<base>/<node>/status | health | info | log | <channel> | <channel>/history
"""


class Topics:
    def __init__(self, base, node):
        self.prefix = base + "/" + node
        self.status = self._under("status")
        self.health = self._under("health")
        self.info = self._under("info")
        self.log = self._under("log")

    def _under(self, name):
        return (self.prefix + "/" + name).encode()

    def channel(self, name):
        """Return the topics of a channel: for a reading of now, and for one delivered late."""
        return self._under(name), self._under(name + "/history")
