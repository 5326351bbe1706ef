"""The chips of tests/fakes for tools/rp2040/chips.mjs: `micropython chipserver.py FAKES FOLDER`.

It answers the requests that come from FOLDER (two named pipes; the protocol is described in chips.mjs) with the chip of
the entry of `sensors` that is in `setting.json` there. Time is the emulated Pico's: what a chip takes 80 ms for is done when
80 ms of it are over. What passes is printed (buslog.py). It ends when nobody is left to ask.

A chip of tests/fakes wants to know how many bytes are read, and a bus knows it only when they were: the chip is asked for
more than anybody takes, set back to what it was, and asked for those that were taken, which must be the same.
"""

import sys

sys.path.insert(0, sys.argv[1])

import json  # noqa: E402

import buslog  # noqa: E402
import machine  # noqa: E402
import sim  # noqa: E402

_MOST = 64  # bytes at one go


class Server:
    def __init__(self):
        self.began = None  # emulated ms when the first request came, which is the power-on of the chips
        self.buses = {}
        self.chip = self.given = None
        self.shown = {}  # pin: level as the board knows it

    def answer(self, words):
        ms = int(words[0]) // 1000
        if self.began is None:
            self.began = ms - sim.now()
        sim.advance(max(ms - self.began - sim.now(), 0))
        answer = getattr(self, "_" + words[1])(*words[2:])
        return answer + self._levels()

    def _levels(self):
        changes = ""
        for n in sim.wires:
            level = sim.wires[n].value()
            if self.shown.get(n) != level:
                self.shown[n] = level
                changes += " %d=%d" % (n, level)
        return changes

    def _hello(self):
        sim.run_due()
        return "+"

    def _pin(self, n, out, pull):
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

    def _address(self, pins, address, mode):
        self.chip = None
        try:
            chip = self._bus(pins)._chip(int(address))
        except OSError:
            return "-"
        if mode == "w":
            self.chip = chip
            return self._write(pins, "")
        before = _state(chip)
        self.given = chip.read(_MOST)
        _restore(chip, before)
        if self.given is None:
            self._read(pins, chip, 1)
            return "-"
        self.chip = chip
        return self.given.hex()

    def _write(self, pins, data):
        try:
            self._bus(pins)._write(self.chip, bytes.fromhex(data))
        except OSError:
            return "-"
        return "+"

    def _took(self, pins, n):
        if self._read(pins, self.chip, int(n)) != self.given[: int(n)]:
            raise ValueError("the chip does not say the same twice")
        return "+"

    def _read(self, pins, chip, n):
        try:
            return self._bus(pins)._read(chip, n)
        except OSError:
            return None

    def _stop(self, pins):
        if self.chip:
            self._bus(pins)._stop(self.chip)
            self.chip = None
        return "+"

    # the others

    def _adc(self, n):
        return str(machine.ADC(machine.Pin(int(n)))._raw())

    def _uart(self, pins):
        for tx, rx, chip, name in sim.uart_devices:
            if sorted(int(n) for n in pins.split(",")) == sorted((tx, rx)):
                return None if name in sim.unplugged else chip
        return None

    def _sent(self, pins, data):
        chip = self._uart(pins)
        if chip:
            chip.write(bytes.fromhex(data))
        return "+"

    def _listen(self, pins):
        chip = self._uart(pins)
        came = chip.read() if chip else None
        return came.hex() if came else "-"


def _state(chip):
    """What a read may change: attributes, and what is in those that are lists or the like."""
    state = dict(chip.__dict__)
    for key in state:
        if isinstance(state[key], (list, dict, bytearray)):
            state[key] = (state[key], type(state[key])(state[key]))
        else:
            state[key] = (state[key], None)
    return state


def _restore(chip, state):
    for key in state:
        value, content = state[key]
        if isinstance(value, dict):
            value.clear()
            value.update(content)
        elif content is not None:
            value[:] = content
        setattr(chip, key, value)


def main():
    folder = sys.argv[2]
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
