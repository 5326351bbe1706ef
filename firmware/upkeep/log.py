"""The node's log: to the console at once, and a bounded number of lines kept until they can be published.

Parts log what a user can act on: one line, no secrets, `part: what happened`.
"""

from micropython import const

from firmware import forget

LEVELS = ("debug", "info", "warning", "error")

_KEEP = const(8)  # lines waiting for the broker: about 0.8 KB at worst
_WIDTH = const(160)


class Log:
    def __init__(self, level="info"):
        self.level = LEVELS.index(level)
        self.waiting = []
        self.dropped = 0  # lines that never reached the broker
        self.uptime_s = 0  # set by the loop, for the time of a line

    def _write(self, level, text):
        if level < self.level:
            return
        line = "%d %s %s" % (self.uptime_s, LEVELS[level], text[:_WIDTH])
        print(line)
        if len(self.waiting) == _KEEP:
            self.waiting.pop(0)
            self.dropped += 1
        self.waiting.append(line)

    def state(self, document):
        """Show the `health` document on the console, so that whoever looks there sees a healthy node; it has a topic of its own."""
        if self.level < 2:
            print("%d health %s" % (self.uptime_s, document.decode()))

    def debug(self, text):
        self._write(0, text)

    def info(self, text):
        self._write(1, text)

    def warning(self, text):
        self._write(2, text)

    def error(self, text):
        self._write(3, text)


def reason(error):
    """Return an exception as words. Without the memory for them, its name."""
    try:
        from firmware.upkeep import reasons

        return reasons.reason(error)
    except MemoryError:
        return type(error).__name__
    finally:
        forget("upkeep", "reasons")
