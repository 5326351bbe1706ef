"""Names of the topics a node publishes on, and listens to. How they are sent is not known here.

<base>/<node>/status | health | info | log | reply | <channel> | <channel>/history | <output>
<base>/<node>/cmd/<command>, <base>/all/cmd/<command>, <base>/<node>/<output>/set
"""


class Topics:
    def __init__(self, base, node):
        self.prefix = base + "/" + node
        self.status = self._under("status")
        self.health = self._under("health")
        self.info = self._under("info")
        self.log = self._under("log")
        self.reply = self._under("reply")
        self.commands = (self._under("cmd/+"), (base + "/all/cmd/+").encode())
        self.sets = self._under("+/set")

    def _under(self, name):
        return (self.prefix + "/" + name).encode()

    def channel(self, name):
        """Return the topics of a channel: for a reading of now, and for one delivered late."""
        return self._under(name), self.late(self.prefix, name)

    def late(self, prefix, name):
        """Return the topic for a late reading of a channel, which may have been taken under another prefix."""
        return (prefix + "/" + name + "/history").encode()

    def output(self, name):
        """Return the topics of an output: what it is, and what it is to become."""
        return self._under(name), self._under(name + "/set")

    def command(self, name):
        return self._under("cmd/" + name)
