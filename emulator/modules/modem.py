"""The emulated board's line to its network: frames on UART0, as modem.mjs describes them."""

from struct import pack_into, unpack_from

import machine


class Line:
    def __init__(self):
        self.up = False  # the access point is in reach
        self.channels = {}  # number → socket
        self.left = 0  # bytes of data that are next on the line
        self._owner = None  # whose
        self._uart = None
        self._head = bytearray(4)

    def open(self):
        if self._uart is None:
            pins = {"tx": machine.Pin(0), "rx": machine.Pin(1)}
            self._uart = machine.UART(0, 921600, rxbuf=2048, timeout=0, **pins)
            self.send("R", 0)

    def send(self, kind, channel, data=b"", start=0, stop=0):
        head = bytearray(4)
        stop = stop or len(data)
        pack_into("<BBH", head, 0, ord(kind), channel, stop - start)
        self._uart.write(head)
        if data:
            self._uart.write(memoryview(data)[start:stop])

    def pump(self):
        """Take what has arrived, up to data that somebody has to fetch."""
        while True:
            if self.left and self._owner not in self.channels:
                self.take(bytearray(64))
            if self.left or self._uart.any() < 4:
                return
            self._uart.readinto(self._head)
            kind, channel, number = unpack_from("<BBH", self._head)
            if kind == 0x77:  # w
                self.up = bool(number)
            elif kind == 0x64:  # d
                self.left, self._owner = number, channel
            elif kind == 0x61:  # a
                if number in self.channels:
                    self.channels[number].visited(channel)
            elif channel in self.channels:
                self.channels[channel].told(kind == 0x6F, number)  # o

    def waits(self, channel):
        """Return how many bytes of data are there for a channel."""
        self.pump()
        return min(self.left, self._uart.any()) if self.left and self._owner == channel else 0

    def take(self, buf):
        """Fetch data, as much as is there and fits. Return how many bytes."""
        n = min(self.left, self._uart.any(), len(buf))
        if n:
            self._uart.readinto(buf, n)
            self.left -= n
        return n


line = Line()
