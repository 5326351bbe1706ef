"""Names of the topics a node publishes on, and listens to. How they are sent is not known here.

<base>/<node>/status | health | info | log | reply
<base>/<node>/reading/<channel>             a reading of now
<base>/<node>/history/<channel>             one delivered late
<base>/<node>/value/<channel>/<quantity>    the newest as a bare number, see values.py
<base>/<node>/output/<name>                 what an output is
<base>/<node>/output/<name>/set             what it is to become
<base>/<node>/cmd/<command>, <base>/all/cmd/<command>
"""

# Branches, below <base>/<node>/.
READING = "reading/"
HISTORY = "history/"
VALUE = "value/"
OUTPUT = "output/"


def below(prefix, name):
    return (prefix + "/" + name).encode()


class Topics:
    def __init__(self, base, node):
        """base: one level or several."""
        self.base = base
        self.prefix = base + "/" + node
        self.status = self.own("status")  # the others are made where they are wanted

    def own(self, name):
        """Return a topic of this node."""
        return below(self.prefix, name)

    def channel(self, name):
        """Return the topics of a channel: for a reading of now, and for one delivered late."""
        return self.own(READING + name), self.late(self.prefix, name)

    def late(self, prefix, name):
        """Return the topic for a late reading of a channel, which may have been taken under another prefix."""
        return below(prefix, HISTORY + name)

    def output(self, name):
        """Return the topics of an output: what it is, and what it is to become."""
        return self.own(OUTPUT + name), self.own(OUTPUT + name + "/set")

    def commands(self, name="+"):
        """Return the topics of a command, or those that stand for all: for this node alone, and for every one."""
        return self.own("cmd/" + name), below(self.base, "all/cmd/" + name)
