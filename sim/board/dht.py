"""`dht`, frozen on both boards: a measurement blocks 250 ms; silence is ETIMEDOUT, a bad sum a bare Exception."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled

import sim


class DHTBase:
    def __init__(self, pin):
        self.pin = pin
        self.buf = bytearray(5)

    def measure(self):
        sim.sleep(250)
        chip = sim.on_pin(sim.dht_devices, self.pin.n)
        frame = chip.frame() if chip and self.pin.n not in sim.stuck else None
        if frame is None:
            raise OSError(errnos.ETIMEDOUT)
        self.buf[:] = frame
        if sum(frame[:4]) & 0xFF != frame[4]:
            raise Exception("checksum error")


class DHT11(DHTBase):
    def humidity(self):
        return self.buf[0]

    def temperature(self):
        return self.buf[2]


class DHT22(DHTBase):
    def humidity(self):
        return (self.buf[0] << 8 | self.buf[1]) * 0.1

    def temperature(self):
        t = ((self.buf[2] & 0x7F) << 8 | self.buf[3]) * 0.1
        return -t if self.buf[2] & 0x80 else t
