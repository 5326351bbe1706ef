"""A payload that is never in memory as a whole: publish(topic, Stream(file, size)).

    with open("photo.jpg", "rb") as f:
        client.publish(b"attic/photo", Stream(f, os.stat("photo.jpg")[6]), qos=1)

To be sent again after a lost connection a file is sought back to where it was, another source is iterated anew: at
QoS 1 and 2 give a list or an object with `__iter__`, not a generator, which can be read once.
"""

from errno import EINVAL

from micropython import const

_PIECE = const(512)
_BURST = const(8)  # pieces a call may send, so that it comes back


class Stream:
    def __init__(self, source, size):
        """source: a file (readinto), or an iterable of bytes; size: bytes in all."""
        self.source = source
        self.size = size
        self.pid = 0
        self.head = 0  # length of the PUBLISH up to the payload
        self.at = -1  # where in the buffer the payload has to follow; -1: all of it was sent
        self.broken = False  # the source failed: the message can never be sent
        self._file = hasattr(source, "readinto")
        self._origin = source.tell() if self._file and hasattr(source, "tell") else 0
        self._pieces = None
        self._buf = self._piece = None
        self._left = 0  # of size, to be read
        self._sent = self._length = 0  # of the piece

    def __len__(self):
        return self.size

    def rewind(self, at):
        """Begin, or begin again, at this place in the buffer."""
        if self._file:
            if self._buf is None:
                self._buf = self._piece = bytearray(min(_PIECE, self.size) or 1)
            elif self._left < self.size:
                self.source.seek(self._origin)
        else:
            self._pieces = iter(self.source)
        self.at = at
        self._left = self.size
        self._sent = self._length = 0

    def flush(self, sock):
        """Write as much as the socket takes. Return (done, moved): all was written, anything was."""
        moved = False
        for _ in range(_BURST):
            while self._left and self._sent == self._length:
                self._read()
            if self._sent < self._length:
                n = sock.write(self._piece, self._sent, self._length - self._sent)
                if n is None:
                    return False, moved
                self._sent += n
                moved = True
            if not self._left and self._sent == self._length:
                self.at = -1  # now: the answer may be there at the next look
                return True, True
        return False, moved

    def _read(self):
        self.broken = True  # until it has worked
        self._sent = 0
        if self._file:
            self._length = min(self.source.readinto(self._buf) or 0, self._left)
            over = not self._length
        else:
            self._piece = next(self._pieces, None)
            self._length = len(self._piece or b"")
            over = self._piece is None or self._length > self._left
        if over:
            self._length = 0
            raise OSError(EINVAL, "stream: not as long as announced")
        self._left -= self._length
        self.broken = False
