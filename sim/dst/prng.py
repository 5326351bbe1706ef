"""Chance from a seed: the same numbers in every run, on every machine."""

from micropython import const

_MASK = const(0x3FFFFFFF)


class Random:
    def __init__(self, seed):
        self.state = (seed * 2654435761 + 0x9E3779B9) & _MASK or 1
        self(1)

    def __call__(self, n):
        """Return an int below n, which is at most 2**22."""
        self.state = state = (self.state * 1103515245 + 12345) & _MASK
        return (state >> 8) % n

    def between(self, low, high):
        return low + self(high - low + 1)

    def chance(self, percent):
        return self(100) < percent

    def choice(self, several):
        return several[self(len(several))]

    def bytes(self, n):
        return bytes([self(256) for _ in range(n)])

    def fork(self):
        """Return a stream of its own, so that what one part draws moves no other."""
        return Random(self(1 << 22) << 8 | self(256))
