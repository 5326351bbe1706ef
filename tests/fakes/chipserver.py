"""The simulated chips for tools/rp2040/chips.mjs: `micropython chipserver.py FOLDER`.

It answers the requests that come from FOLDER (two named pipes; the protocol is described in chips.mjs) with the chip of
the entry of `sensors` that is in `setting.json` there. Time is the emulated Pico's: what a chip takes 80 ms for is done when
80 ms of it are over. What passes is printed (buslog.py). It ends when nobody is left to ask.

A chip wants to know how many bytes are read, and a bus knows it only when they were: the chip is asked for
more than anybody takes, set back to what it was, and asked for those that were taken, which must be the same.
"""

import sys

sys.path[:] = [__file__[: __file__.rfind("/")], ".frozen"]

import json  # noqa: E402

import buslog  # noqa: E402
import machine  # noqa: E402
import sim  # noqa: E402

_MOST = 64  # bytes at one go


class Server:
    def __init__(self):
        self.began = (
            None  # emulated ms when the first request came, which is the power-on of the chips
        )
        self.buses = {}
        self.clocks = {}
        self.chip = self.given = None
        self.asked = 0
        self.shown = {}  # pin: level as the board knows it

    def answer(self, words):
        ms = int(words[0]) // 1000
        if self.began is None:
            self.began = ms - sim.now()
        sim.advance(max(ms - self.began - sim.now(), 0))
        return getattr(self, "on_" + words[1])(*words[2:]) + self._levels()

    def _levels(self):
        changes = ""
        for n, wire in sim.wires.items():
            level = wire.value()
            if self.shown.get(n) != level:
                self.shown[n] = level
                changes += " %d=%d" % (n, level)
        return changes

    def on_hello(self):
        sim.run_due()
        return "+"

    def on_pin(self, n, out, pull):
        wire = sim.pin(int(n))
        before = wire.value()
        wire.out = None if out == "-" else int(out)
        wire.pull = None if pull == "-" else int(pull)
        wire.moved(before)
        return "+"

    # I2C

    def _bus(self, pins):
        if pins not in self.buses:
            sda, scl = sorted([int(n) for n in pins.split(",")])
            self.buses[pins] = machine.SoftI2C(sda=machine.Pin(sda), scl=machine.Pin(scl))
            self.buses[pins]._nack = 5
        return self.buses[pins]

    def on_address(self, pins, address, mode, hz):
        self.chip = None
        if self.clocks.get(pins) != hz:
            self.clocks[pins] = hz
            buslog.note("clock", pins, int(hz))
        try:
            chip = self._bus(pins)._chip(int(address))
        except OSError:
            return "-"
        if mode == "w":
            if self._bus(pins)._refused(chip, b""):
                buslog.note("i2c", int(address), "deaf")
                return "-"
            self.chip = chip
            return "+"
        before = _state(chip)
        self.asked = sim.now()
        self.given = chip.read(_MOST)
        _restore(chip, before)
        if self.given is None:
            self._read(pins, chip, 1)
            return "-"
        self.chip = chip
        return self.given.hex()

    def on_write(self, pins, data):
        return "-" if self._bus(pins)._refused(self.chip, bytes.fromhex(data)) else "+"

    def on_took(self, pins, n):
        # What it says now was measured when it was addressed: the bus takes its time.
        now, sim._up = sim._up, self.asked
        same = self._read(pins, self.chip, int(n)) == self.given[: int(n)]
        sim._up = now
        if not same:
            raise ValueError("the chip does not say the same twice")
        return "+"

    def _read(self, pins, chip, n):
        try:
            return self._bus(pins)._read(chip, n)
        except OSError:
            return None

    def on_stop(self, pins):
        if self.chip:
            self._bus(pins)._stop(self.chip)
            self.chip = None
        return "+"

    # the others

    def on_adc(self, n):
        return str(machine.ADC(machine.Pin(int(n)))._raw())

    def _uart(self, pins):
        for tx, rx, chip, name in sim.uart_devices:
            if sorted(int(n) for n in pins.split(",")) == sorted((tx, rx)):
                return None if name in sim.unplugged else chip
        return None

    def on_sent(self, pins, data):
        chip = self._uart(pins)
        if chip:
            chip.write(bytes.fromhex(data))
        return "+"

    def on_listen(self, pins):
        chip = self._uart(pins)
        came = chip.read() if chip else None
        return came.hex() if came else "-"


def _state(chip):
    """What a read may change: attributes, and what is in those that are lists or the like."""
    return {
        key: (value, type(value)(value) if isinstance(value, (list, dict, bytearray)) else None)
        for key, value in chip.__dict__.items()
    }


def _restore(chip, state):
    for key, (value, content) in state.items():
        if isinstance(value, dict):
            value.clear()
            value.update(content)
        elif content is not None:
            value[:] = content
        setattr(chip, key, value)


def main():
    folder = sys.argv[1]
    with open(folder + "/setting.json") as file:
        buslog.attach(json.load(file))
    requests = open(folder + "/requests", "rb")  # waits until the other side opens it, too
    answers = open(folder + "/answers", "wb")
    server = Server()
    while True:
        request = requests.readline()
        if not request:
            return
        answers.write(server.answer(request.decode().split()).encode() + b"\n")


main()
