"""What this node had retained under another name, or of outputs it no longer has: taken back, or it stays at the broker for ever.

state/retained has {topic prefix: names of what is retained there, beside status and info}; today's prefix, and those that are still to
be taken back. Loaded at the start, and kept only if there are any. Another board may have the old name by now: under it nothing is
touched unless the retained `info` is this board's.
"""

import json

from micropython import const

from firmware import forget
from firmware.files import write

_PATH = "state/retained"
_LONGEST = const(1100)  # bytes
_PREFIXES = const(3)  # of earlier, at most


def look(node, names):
    """Take back what is left of earlier settings, now and when the broker tells of it. names: what is retained today."""
    try:
        kept = _load()
    except OSError:
        node.log.warning("node: %s cannot be read: the next start looks again" % _PATH)
        return
    prefix = node.topics.prefix
    gone = [name for name in kept.get(prefix, ()) if name not in names]
    others = [other for other in kept if other != prefix][:_PREFIXES]
    wanted = {other: kept[other] for other in others}
    wanted[prefix] = names + gone
    try:
        if wanted != kept:
            _save(wanted)
    except OSError:
        return  # it is not known to be kept: the next start looks again
    if gone or others:
        Ghosts(node, wanted, names)


class Ghosts:
    def __init__(self, node, wanted, names):
        self.control = node.control
        self.uplink = node.uplink
        self.mark = b'"id":' + json.dumps(node.board.id).encode()
        self.log = node.log
        self.wanted = wanted
        self.prefix = node.topics.prefix
        for prefix in wanted:
            if prefix == self.prefix:
                for name in wanted[prefix]:
                    if name not in names:
                        self._watch(prefix, name, name)
            else:
                self._watch(prefix, "info", None)

    def _watch(self, prefix, last, gone):
        """gone: this name only; None: all under the prefix."""
        topic = _topic(prefix, last)

        def take(data, retained, uptime):
            data = bytes(data)
            if data and (gone or self.mark in data):
                for name in [gone] if gone else ["status"] + self.wanted[prefix] + [last]:
                    self.uplink.introduce(_topic(prefix, name), b"")
                return
            # It was taken back, and comes back empty; or it is another board's.
            self.control.watch(topic, None)
            if gone:
                self.wanted[prefix].remove(gone)
            else:
                del self.wanted[prefix]
            try:
                _save(self.wanted)
            except OSError:
                pass  # the next start finds nothing to take back
            self.log.info("node: nothing is left at the broker of %s" % topic.decode())

        self.control.watch(topic, take)


def _topic(prefix, name):
    return (prefix + "/" + name).encode()


def _load():
    """Return what the file says, {} if it says nothing that we would have written. OSError: it cannot be read."""
    try:
        from firmware import reading

        kept = json.loads(reading.whole(_PATH, _LONGEST) or b"")
    except ValueError:
        return {}
    finally:
        forget("reading")
    found = {}
    if isinstance(kept, dict):
        for prefix, names in kept.items():
            if isinstance(names, list) and all(_is_level(name) for name in [prefix] + names):
                found[prefix] = names
    return found


def _is_level(name):
    """Can it be in a topic?"""
    return isinstance(name, str) and name and not any(c < " " or c in "+#" for c in name)


def _save(wanted):
    text = json.dumps(wanted)
    if len(text.encode()) <= _LONGEST:
        write(_PATH, text)
