"""`select` of the boards over `socket`'s sockets: a poll lets virtual time pass until one is ready, or its time is over."""

import stage

import sim

POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16


class _Poll:
    def __init__(self):
        self._watched = []

    def register(self, obj, flags=POLLIN | POLLOUT):
        self.unregister(obj)
        self._watched.append((obj, flags))

    modify = register

    def unregister(self, obj):
        self._watched = [each for each in self._watched if each[0] is not obj]

    def poll(self, timeout=-1):
        stage.passed()
        end = None if timeout is None or timeout < 0 else sim.now() + timeout
        while True:
            sim.run_due()
            ready = []
            for obj, asked in self._watched:
                flags = obj.flags() & (asked | POLLERR | POLLHUP)
                if flags:
                    ready.append((obj, flags))
            left = 1000 if end is None else end - sim.now()
            if ready or left <= 0:
                return ready
            sim.advance(max(1, sim.until_event(left)))

    def ipoll(self, timeout=-1, flags=0):
        return iter(self.poll(timeout))


def poll():
    return _Poll()
