"""`select` of the boards: the link decides what a poll sees, time passes as `sim` says."""

import sim
import uselect
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT


class _Poll:
    def __init__(self):
        self._real = uselect.poll()
        self._flags = {}

    def register(self, obj, flags=POLLIN | POLLOUT):
        self._real.register(obj, flags)
        self._flags[id(obj)] = flags

    def modify(self, obj, flags):
        self._real.modify(obj, flags)
        self._flags[id(obj)] = flags

    def unregister(self, obj):
        self._real.unregister(obj)
        self._flags.pop(id(obj), None)

    def poll(self, timeout=-1):
        end = None if timeout is None or timeout < 0 else sim.now() + timeout
        while True:
            sim.run_due()
            left = 100 if end is None else end - sim.now()
            # Looking gives a peer process two real milliseconds, whatever the clock.
            step = sim.until_event(min(left, 100)) if left > 0 else 0
            ready = self._real.poll(min(step, 2) if sim.is_virtual else step)
            if ready and sim.slow_path:
                ready = self._seen(ready)
                if not ready and not sim.is_virtual and step:
                    sim.sleep(min(step, 5))
            if ready or left <= 0:
                return ready
            if sim.is_virtual:
                sim.advance(step or 1)

    def _seen(self, ready):
        seen = []
        for obj, flags in ready:
            if hasattr(obj, "link_flags"):
                flags = obj.link_flags(flags, self._flags.get(id(obj), 0))
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
