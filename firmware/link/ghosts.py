"""Takes back what this node had retained under another name, or on topics it no longer has: else it stays at the broker for ever.

state/retained has {topic prefix: names of what is retained there, beside status and info}; today's prefix, and those that are still to
be taken back. A name is all that follows the prefix, such as `output/lamp`. Loaded at the start, and kept only if there are any. Another
board may have the old name by now: under it nothing is touched unless the retained `info` is this board's.
"""

import json

from micropython import const

from firmware import forget
from firmware.files import write
from firmware.topics import VALUE, below

_PATH = "state/retained"
_LONGEST = const(4096)  # bytes: a hundred names, of bare numbers mostly
_PREFIXES = const(3)  # of earlier, at most


def look(node, names):
    """Return the Ghosts of earlier settings, None: there are none. names: what is retained today; None in safe mode.

    Then no sensor is read, and a bare number, which has no time, would go on to be taken for current. All else is only left alone.
    """
    try:
        kept = _load()
    except OSError:
        node.log.warning("node: %s cannot be read: the next start looks again" % _PATH)
        return None
    prefix = node.topics.prefix
    if names is None:
        names = [name for name in kept.get(prefix, ()) if not name.startswith(VALUE)]
    gone = [name for name in kept.get(prefix, ()) if name not in names]
    others = [other for other in kept if other != prefix][:_PREFIXES]
    wanted = {other: kept[other] for other in others}
    wanted[prefix] = names + gone
    try:
        if wanted != kept and not _save(wanted):
            node.log.warning(
                "node: too many retained topics for %s: after a rename they stay at the broker"
                % _PATH
            )
    except OSError:
        return None  # nobody knows whether it is kept: the next start looks again
    return Ghosts(node, wanted, gone) if gone or others else None


class Ghosts:
    def __init__(self, node, wanted, gone):
        """gone: the names under today's prefix that are gone; under other prefixes all are."""
        self.control = node.control
        self.uplink = node.uplink
        self.mark = b'"id":' + json.dumps(node.board.id).encode()
        self.log = node.log
        self.wanted = wanted
        self.prefix = node.topics.prefix
        self.gone = gone
        for name in gone:
            self._watch(self.prefix, name, self._came_back)
        for prefix in wanted:
            if prefix != self.prefix:
                self._watch(prefix, "info", self._is_ours)

    def introduce(self):
        """A connection came up, and the name is this node's: empty what it no longer has."""
        for name in self.gone:
            self.uplink.introduce(below(self.prefix, name), b"")

    def _watch(self, prefix, name, take):
        topic = below(prefix, name)

        def look(data, retained, uptime):
            if not take(prefix, name, bytes(data)):
                return
            self.control.watch(topic, None)
            try:
                _save(self.wanted)
            except OSError:
                pass  # the next start tries again
            self.log.info("node: nothing is left at the broker of %s" % topic.decode())

        self.control.watch(topic, look)

    def _came_back(self, prefix, name, data):
        """Return whether a message is the empty one of introduce(): the broker keeps nothing there any more."""
        if data:
            return False
        self.gone.remove(name)
        self.wanted[prefix].remove(name)
        return True

    def _is_ours(self, prefix, info, data):
        """Take back everything under a prefix, if its `info` is this board's. Return whether that is done, or it is another board's."""
        if self.mark in data:
            for name in ["status"] + self.wanted[prefix] + [info]:
                self.uplink.introduce(below(prefix, name), b"")
            return False
        del self.wanted[prefix]
        return True


def _load():
    """Return what the file says, {} if it says nothing that we would have written. OSError: it cannot be read."""
    try:
        from firmware import reading

        kept = json.loads(reading.whole(_PATH, _LONGEST) or b"")
    except ValueError:
        return {}
    finally:
        forget("", "reading")
    found = {}
    if isinstance(kept, dict):
        for prefix, names in kept.items():
            if isinstance(names, list) and all(_is_level(name) for name in [prefix] + names):
                found[prefix] = names
    return found


def _is_level(name):
    """Can this be in a topic?"""
    return isinstance(name, str) and name and not any(c < " " or c in "+#" for c in name)


def _save(wanted):
    """Return False: it is more than fits, and the file stays as it is. OSError: it cannot be written."""
    text = json.dumps(wanted)
    if len(text.encode()) > _LONGEST:
        return False
    write(_PATH, text)
    return True
