"""Frames of a fixed size in the stream of a serial port, with whatever else comes between them."""

from micropython import const

_CHUNKS = const(64)  # read at one go: more than any port's buffer has


class Frames:
    """`spoilt`: a frame came whose check was wrong. The last good one is in `buf` until look() is called again."""

    def __init__(self, uart, head, size, is_valid):
        """head: the first bytes of a frame; is_valid(buf): is its check right?"""
        self.uart = uart
        self.head = head
        self.is_valid = is_valid
        self.buf = bytearray(size)
        self.spoilt = False
        self._rest = memoryview(self.buf)
        self._have = 0

    def forget(self):
        """Throw away what came until now: it is old, and a full port has lost what is new."""
        self._have = 0
        self.spoilt = False
        for _ in range(_CHUNKS):
            if not self._read(self.buf):
                break

    def look(self):
        """Read what came. Return whether a frame is whole; if not, what there is of it is kept for the next look."""
        size = len(self.buf)
        for _ in range(_CHUNKS * size):  # one byte of noise costs one turn
            if self._have == size:
                if self.buf.startswith(self.head):
                    if self.is_valid(self.buf):
                        self._have = 0
                        return True
                    self.spoilt = True
                self._resync(size)
            n = self._read(self._rest[self._have :])
            if not n:
                return False
            self._have += n
        return False

    def _read(self, buf):
        """Read what is there, and no more: while bytes come a Pico's port waits for each next one, whatever its timeout."""
        n = min(self.uart.any(), len(buf))
        return self.uart.readinto(buf, n) if n else 0

    def _resync(self, size):
        """It did not begin here: go on from where the next might."""
        at = self.buf.find(self.head[:1], 1)
        self._have = size - at if at > 0 else 0
        self.buf[: self._have] = self.buf[size - self._have :]
