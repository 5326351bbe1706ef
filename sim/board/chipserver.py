"""The simulated chips for emulator/chips.mjs: `micropython chipserver.py FOLDER`.

It answers the requests that come from FOLDER (two named pipes; the protocol is described in pins.mjs) with the
chips of `setting.json` there: `{"sensors": [entries], "ahead": true}` (ahead: may the emulated clock outrun the real one?).
Time is the emulated Pico's: what a chip takes 80 ms for is done when 80 ms of it are over. What passes is printed
(buslog.py). With OUTPOST_CONTROL=1 events come on standard input, as in sim.py. It ends when nobody is left to ask.

A chip wants to know how many bytes are read, and a bus knows it only when they were: the chip is asked for
more than anybody takes, set back to what it was, and asked for those that were taken, which must be the same.
"""

import sys

sys.path[:] = [__file__[: __file__.rfind("/")], ".frozen"]

import json  # noqa: E402
import time  # noqa: E402

import buslog  # noqa: E402
import linechips  # noqa: E402
import machine  # noqa: E402
import stand  # noqa: E402

import sim  # noqa: E402

_MOST = 64  # bytes at one go
_SELDOM_MS = 1 << 29


class Server:
    def __init__(self, ahead):
        self.ahead = ahead
        self.began = 0  # emulated ms at the power-on of the chips, by the clock of the board since its last reset
        self.us = 0  # emulated, now
        self.echoed = None  # the edges that the board knows of
        # pin: [what answers, does the board pull it low?]
        self.lines = {n: [linechips.DhtLine(n), False] for n, _, _ in sim.dht_devices}
        for n, _, _ in sim.onewire_devices:
            self.lines[n] = [linechips.OneWireLine(n), False]
        for sda, scl, _, _, _ in sim.i2c_devices:
            line = linechips.I2cLine(self, sda, scl)
            self.lines[sda], self.lines[scl] = [line, False], [line, False]
        self.buses = {}
        self.clocks = {}
        self.chip = self.given = None
        self.asked = 0
        self.shown = {}  # pin: level as the board knows it

    def answer(self, words):
        us = self.us = int(words[0])
        ms = us // 1000
        if words[1] == "hello":
            self.began = ms - sim.now()
            self.shown = {}
        sim.advance(max(ms - self.began - sim.now(), 0))
        time._us = us % 1000
        word = getattr(self, "on_" + words[1])(*words[2:])
        return word + self._levels() + self._echoes() + self._next()

    def _next(self):
        ms = sim.until_event(_SELDOM_MS)
        return "" if ms == _SELDOM_MS else " next@%d" % ((self.began + sim.now() + ms) * 1000)

    def _echoes(self):
        """The pulse that an echo pin will give."""
        pulses = ""
        for _, echo, chip, name in sim.echo_devices:
            edges = chip.edges()
            if edges != self.echoed and edges and name not in sim.unplugged:
                for level, at in zip((1, 0), edges):
                    if at is not None:
                        pulses += self._later(echo, level, time.ticks_diff(at, time.ticks_us()))
            self.echoed = edges
        return pulses

    def _later(self, n, level, us):
        return " %d=%d@%d" % (n, level, self.us + us)

    def _levels(self):
        changes = ""
        for n, wire in sim.wires.items():
            level = wire.value()
            if self.shown.get(n) != level:
                self.shown[n] = level
                changes += " %d=%d" % (n, level)
        return changes

    def on_hello(self):
        return "ahead" if self.ahead else "+"

    def on_news(self):
        return "+"

    def on_pin(self, n, out, pull):
        wire = sim.pin(int(n))
        before = wire.value()
        wire.out = None if out == "-" else int(out)
        wire.pull = None if pull == "-" else int(pull)
        wire.moved(before)
        line = self.lines.get(wire.n)
        if line is None or (wire.out == 0) == line[1]:
            return "+"
        line[1] = wire.out == 0
        changes = line[0].edge(wire.n, self.us, line[1])
        if changes and changes[0] == (0, 0):  # it stays low for a while
            self.shown[wire.n] = 1
            changes = changes[1:]
        return "+" + "".join([self._later(wire.n, level, us) for level, us in changes])

    # I2C

    def _bus(self, pins):
        if pins not in self.buses:
            sda, scl = sorted([int(n) for n in pins.split(",")])
            self.buses[pins] = machine.SoftI2C(sda=machine.Pin(sda), scl=machine.Pin(scl))
            self.buses[pins]._nack = 5
        return self.buses[pins]

    def on_address(self, pins, address, mode, hz):
        self.chip = None
        if hz and self.clocks.get(pins) != hz:
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
        setting = json.load(file)
    buslog.attach(setting["sensors"])
    if sim.uos.getenv("OUTPOST_CONTROL"):
        sim.control = stand.Control()
    requests = open(folder + "/requests", "rb")  # waits until the other side opens it, too
    answers = open(folder + "/answers", "wb")
    server = Server(setting["ahead"])
    while True:
        request = requests.readline()
        if not request:
            return
        answers.write(server.answer(request.decode().split()).encode() + b"\n")


main()
