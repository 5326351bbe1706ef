"""`dht` for a firmware without micropython-lib: what our drivers use of it. The timing is the firmware's own."""

from machine import dht_readinto


class DHT22:
    def __init__(self, pin):
        self.pin = pin
        self.buf = bytearray(5)

    def measure(self):
        dht_readinto(self.pin, self.buf)
        if sum(self.buf[:4]) & 0xFF != self.buf[4]:
            raise Exception("checksum error")
