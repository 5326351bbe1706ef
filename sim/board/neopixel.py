"""`neopixel`, frozen on both boards: a buffer of colours; `write` shows it to nobody."""


class NeoPixel:
    def __init__(self, pin, n, bpp=3, timing=1):
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.buf = bytearray(n * bpp)
        self.shown = bytes(n * bpp)

    def __len__(self):
        return self.n

    def __setitem__(self, i, colour):
        self.buf[i * self.bpp : (i + 1) * self.bpp] = bytes(colour)

    def __getitem__(self, i):
        return tuple(self.buf[i * self.bpp : (i + 1) * self.bpp])

    def fill(self, colour):
        for i in range(self.n):
            self[i] = colour

    def write(self):
        self.shown = bytes(self.buf)
