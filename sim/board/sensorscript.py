"""A sensor read as a node reads it: the same program on the simulated board and on the emulated Pico.

`run(case)`: the channel of an entry of `sensors` is loaded and read; between the readings things happen, of which this
tells the processes beside the board over a line of its own (buslog.py). Each reading is printed, one JSON list a line:

    ["reading", values, payload]     floats as the 8 bytes of a double, in hexadecimal digits
    ["failure", text]                what the node publishes instead
    ["nothing"]                      the sensor has nothing to tell
"""

import json
import struct
import sys
import time

import machine

_LONGEST_MS = 200_000
_PAUSE_MS = 60
# Chips have power before the program is there, whose text a busy machine takes a while for, and time passes on the Pico:
# whether they are awake when they are asked first must not depend on that. A DHT22 takes longest.
_AWAKE_MS = 1100


def run(case):
    try:
        import network
    except ImportError:
        sys.modules["network"] = object()  # a Pico without radio has none
    from firmware import payload, sensors
    from firmware.hardware.board import Board

    line = machine.I2C(1, sda=machine.Pin(2), scl=machine.Pin(3), freq=400000)

    def say(what):
        line.writeto(0x42, json.dumps(what).encode())

    time.sleep_ms(_AWAKE_MS)
    say({"step": "load"})
    channel = sensors.load(case["setting"], Board())
    for i, step in enumerate(case["steps"]):
        say({"step": "%d" % i})
        if step == "read":
            print(json.dumps(_read(channel, payload)))
        elif step == "watch":  # until it has changed
            print(json.dumps(_read(channel, payload, False)))
        elif step == "rest":  # until the next regular reading, or the next attempt after a failure
            time.sleep_ms(channel.due(time.ticks_ms()))
        elif step == "pause":
            time.sleep_ms(_PAUSE_MS)
        else:
            say(step)
    say({"step": "end"})


def _read(channel, payload, soon=True):
    began = time.ticks_ms()
    if soon:
        channel.soon(began)
    while time.ticks_diff(time.ticks_ms(), began) < _LONGEST_MS:
        errors = channel.errors
        result = channel.step(time.ticks_ms())
        if isinstance(result, str):
            return ["failure", result]
        if result is not None:
            values = [value if type(value) is not float else _exact(value) for value in result]
            return ["reading", values, payload.body(channel.fields, result).decode()]
        if channel.errors > errors:
            return [
                "failure",
                channel.error,
            ]  # the same as before, which is published once an interval
        time.sleep_ms(max(channel.due(time.ticks_ms()), 1))
    return ["nothing"]


def _exact(value):
    return struct.pack("<d", value).hex()
