"""`select` of the boards: the link decides what a poll sees, time passes as `sim` says."""

import uselect
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT

import sim


class _Poll:
    def __init__(self):
        self._real = uselect.poll()
        self._watched = {}

    def register(self, obj, flags=POLLIN | POLLOUT):
        self._real.register(obj, flags)
        self._watched[id(obj)] = (obj, flags)

    def modify(self, obj, flags):
        self._real.modify(obj, flags)
        self._watched[id(obj)] = (obj, flags)

    def unregister(self, obj):
        self._real.unregister(obj)
        self._watched.pop(id(obj), None)

    def poll(self, timeout=-1):
        end = None if timeout is None or timeout < 0 else sim.now() + timeout
        while True:
            sim.run_due()
            left = 100 if end is None else end - sim.now()
            # Looking gives a peer process two real milliseconds, whatever the clock.
            step = sim.until_event(min(left, 100)) if left > 0 else 0
            ready = self._real.poll(min(step, 2) if sim.is_virtual else step)
            if sim.slow_path:
                hidden = ready
                ready = self._seen(ready)
                if hidden and not ready and not sim.is_virtual:
                    # What the host sees at once the board does not see at all.
                    sim.sleep(min(step, 5))
            if ready or left <= 0:
                return ready
            if sim.is_virtual:
                sim.advance(step or 1)

    def _seen(self, ready):
        """After a fault of the link each socket says itself what is to be seen of it."""
        real = {id(obj): flags for obj, flags in ready}
        seen = []
        for key, (obj, asked) in self._watched.items():
            flags = real.get(key, 0)
            if hasattr(obj, "link_flags"):
                flags = obj.link_flags(flags, asked)
            if flags:
                seen.append((obj, flags))
        return seen

    def ipoll(self, timeout=-1, flags=0):
        return iter(self.poll(timeout))


def poll():
    return _Poll()


def select(rlist, wlist, xlist, timeout=None):
    p = poll()
    for obj in rlist:
        p.register(obj, POLLIN)
    for obj in wlist:
        p.register(obj, POLLOUT | (POLLIN if obj in rlist else 0))
    ready = p.poll(-1 if timeout is None else int(timeout * 1000))
    bad = ~POLLOUT, ~POLLIN
    return (
        [o for o, f in ready if f & bad[0] and o in rlist],
        [o for o, f in ready if f & bad[1] and o in wlist],
        [o for o, f in ready if f & (POLLERR | POLLHUP) and o in xlist],
    )
