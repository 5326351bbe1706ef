"""Bytes on their way out: packets in one buffer, written as many at a time as there are.

buf   [ sent before ..... | handed to the socket next | appended since | .............. ]
        0                  ^ sent                      ^ stop           ^ end
"""


class Buffer:
    """What outgoing.py's Outgoing stands on, which adds cut() and close_gaps()."""

    def __init__(self, size):
        self.buf = bytearray(size)
        self.sent = self.stop = self.end = 0
        self.first = None  # goes before all that is in buf: CONNECT, PUBREL to be sent again
        self.first_sent = 0
        self.stream = None  # a Stream that is being sent, or not acknowledged yet
        self.gaps = False  # whether close_gaps() would find any
        self.moved = False  # whether the last flush() got anything out

    def add(self, packet):
        """Append a packet that is not kept. Return False when there is no room for it now."""
        n = len(packet)
        i = self.room(n, 0)
        if i < 0:
            return False
        self.buf[i : i + n] = packet
        self.end = i + n
        return True

    def answer(self, kind, pid):
        """Append one of the packets that are an id and nothing else. The caller has asked for room()."""
        buf = self.buf
        i = self.end
        buf[i] = kind
        buf[i + 1] = 2
        buf[i + 2] = pid >> 8
        buf[i + 3] = pid & 0xFF
        self.end = i + 4

    def room(self, n, reserve):
        """Return where n bytes can be appended, or -1."""
        limit = len(self.buf) - reserve - n
        if self.end > limit and self.gaps:
            self.cut()  # is cheap, and does as long as acknowledgements come in order
            if self.end > limit:
                self.close_gaps()
        return self.end if self.end <= limit else -1

    def waiting(self):
        """Return whether anything is still to be written."""
        return self.sent < self.end or self.first is not None or self.streaming()

    def streaming(self):
        """Return whether the payload of a stream is still to be written."""
        return self.stream is not None and self.stream.at >= 0

    def flush(self, sock):
        """Write what is to be sent, several packets at once. Return False when the socket takes no more now.

        TLS wants a write that it did not take repeated with the same bytes, no more and no less: `stop`.
        """
        self.moved = False
        if self.first is not None:
            while self.first_sent < len(self.first):
                n = sock.write(self.first, self.first_sent, len(self.first) - self.first_sent)
                if n is None:
                    return False
                self.first_sent += n
                self.moved = True
            self.first = None
            self.first_sent = 0
        while self.sent < self.end or (self.stream and self.stream.at >= 0):
            if self.sent == self.stop:
                if self.stream and self.stream.at == self.sent:
                    done, moved = self.stream.flush(sock)
                    self.moved |= moved
                    if not done:
                        return False
                    if not self.stream.pid:
                        self.stream = None
                    continue
                self.stop = self.stream.at if self.streaming() else self.end
            n = sock.write(self.buf, self.sent, self.stop - self.sent)
            if n is None:
                return False
            self.sent += n
            self.moved = True
        self.gaps = True
        return True
