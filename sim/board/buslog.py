"""The simulated board's buses, written down, and a line to whoever stands beside the board.

What goes over the buses of sim/board is printed, one JSON list a line, whether a program uses them directly or
chipserver.py does so for the emulated Pico:

    ["i2c", address, "write", hex, acknowledged]    ["i2c", address, "read", hex or null]
    ["i2c", address, "absent"]                      ["i2c", address, "stop"]      ["i2c", address, "deaf"]
    ["adc", pin, counts]                            ["uart", "sent" or "came", hex]
    ["onewire", "write_byte" or another, what]      ["dht", "frame", hex or null]
    ["step", text]                                  said over the line, between what comes before and after it

The line is an I2C address of its own, on pins where nothing else is: a write is one JSON object. `{"step": text}` is
written down; `{"do": "set", "name": "room", "temperature": -5}` is a call of sim/board/sim.py;
`{"do": "chip", "stuck": true}` sets an attribute of the sensor's chip (hexadecimal digits beginning with "0x" are bytes,
also in a list); `{"do": "power_lost"}` makes it forget its settings.
"""

import json

import _machine_adc
import _machine_i2c
import chips
import stand

import sim

SDA, SCL, ADDRESS = 2, 3, 0x42


class Line:
    def write(self, data):
        if data:
            said = json.loads(data)
            if "step" in said:
                note("step", said["step"])
            else:
                obey(said)

    def read(self, n):
        return None


def obey(event):
    arguments = {key: event[key] for key in event if key != "do"}
    if event["do"] == "chip":
        chip = the_chip()
        for key, value in arguments.items():
            if not hasattr(chip, key):
                raise ValueError("the chip has no " + key)
            setattr(chip, key, _value(value))
    elif event["do"] == "power_lost":
        the_chip().reset()
    else:
        stand.CALLS[event["do"]](**arguments)


def _value(value):
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    return value


def the_chip():
    for device in (
        sim.i2c_devices
        + sim.uart_devices
        + sim.echo_devices
        + sim.dht_devices
        + sim.onewire_devices
    ):
        if not isinstance(device[-2], Line):
            return device[-2]


def note(*words):
    print(json.dumps(words))


def attach(sensors):
    """Wire the chips of entries of `sensors`, and the line."""
    sim.no_stand()
    sim.virtual()
    sim.i2c_attach(SDA, SCL, ADDRESS, Line(), "line")
    for setting in sensors:
        chips.attach(setting, stand.the_world(), sim)
    _write_down_i2c(_machine_i2c.SoftI2C)
    _write_down_adc(_machine_adc.ADC)
    for device in sim.uart_devices:
        _write_down_uart(device[-2])
    for device in sim.onewire_devices:
        _write_down_calls("onewire", device[-2], ("reset", "write_byte", "read_byte"))
    for device in sim.dht_devices:
        _write_down_calls("dht", device[-2], ("frame",))


def _write_down_i2c(i2c):
    seen = [None]  # address of the chip that is spoken to, None: the line
    find, refused, read, stop = i2c._chip, i2c._refused, i2c._read, i2c._stop

    def _chip(self, address):
        seen[0] = None if address == ADDRESS and self._sda == SDA else address
        try:
            return find(self, address)
        except OSError as e:
            if e.errno == self._nack:
                note("i2c", address, "absent")
            raise

    def _refused(self, chip, data):
        no = refused(self, chip, data)
        if seen[0] is not None and data:
            if no and refused(self, chip, b""):
                note("i2c", seen[0], "deaf")  # it heard nothing of it
            else:
                note("i2c", seen[0], "write", data.hex(), not no)
        return no

    def _read(self, chip, n):
        try:
            data = read(self, chip, n)
        except OSError:
            note("i2c", seen[0], "read", None)
            raise
        note("i2c", seen[0], "read", data.hex())
        return data

    def _stop(self, chip):
        stop(self, chip)
        if seen[0] is not None:
            note("i2c", seen[0], "stop")

    i2c._chip, i2c._refused, i2c._read, i2c._stop = _chip, _refused, _read, _stop


def _write_down_adc(adc):
    raw = adc._raw

    def _raw(self):
        counts = raw(self)
        note("adc", self._n, counts)
        return counts

    adc._raw = _raw


def _write_down_uart(chip):
    """Byte by byte, since a true port sends them so."""
    write, read = chip.write, chip.read

    def heard(data):
        for byte in data:
            note("uart", "sent", "%02x" % byte)
        write(data)

    def said():
        data = read()
        if data:
            note("uart", "came", data.hex())
        return data

    chip.write, chip.read = heard, said


def _write_down_calls(kind, chip, names):
    def write_down(name):
        call = getattr(chip, name)

        def called(*args):
            result = call(*args)
            what = args[0] if args else result
            note(kind, name, what.hex() if isinstance(what, bytes) else what)
            return result

        setattr(chip, name, called)

    for name in names:
        write_down(name)
