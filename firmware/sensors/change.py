"""Delivery `change`: a reading is delivered when it differs from the last one that was, and now and then besides."""


class Change:
    def __init__(self, deadbands, heartbeat_ms):
        """deadbands: by how much each quantity must differ to count, in the order of the readings; 0: at all.

        Quantities that come after those do not count.
        """
        self.deadbands = deadbands
        self.heartbeat_ms = heartbeat_ms
        self._last = None
        self._since = None  # uptime: readings may be days apart

    def passes(self, uptime, result):
        """Should this result, a tuple of values or a text, be delivered?"""
        if self._last is None or uptime - self._since >= self.heartbeat_ms:
            return True
        return self._differs(result)

    def delivered(self, uptime, result):
        """This one was kept or sent: compare the next ones with it."""
        self._last = result
        self._since = uptime

    def _differs(self, result):
        last = self._last
        if isinstance(result, str) or isinstance(last, str):
            return result != last
        for value, before, band in zip(result, last, self.deadbands):
            if value is None or before is None:
                if value is not before:
                    return True
            elif not abs(value - before) <= band:  # NaN has to be reported, too
                return True
        return False
