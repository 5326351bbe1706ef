"""PINS: the pins that a sensor has on each board model if nobody says otherwise, one row a model.

The example, docs/sensors.md, `make run`, `make scan` and the tests read them here. Written as `make scan` would say them: pins of one
use are separated by spaces, the usual ones first; those that belong together by a slash. Which pins may be used at all is in
firmware/pins.py.
"""

# use: the settings that name its pins. A use is a bus, or a type of sensor that has pins of its own on it.
USES = {
    "i2c": ("sda", "scl"),
    "onewire": ("pin",),
    "dht": ("pin",),
    "adc": ("pin",),
    "battery": ("pin",),
    "input": ("pin",),
    "pulse": ("pin",),
    "uart": ("tx", "rx"),
    "echo": ("trigger", "echo"),
}

# A table, one board a row:
# fmt: off
PINS = {
    # model     i2c                        onewire dht   adc         battery input pulse uart     echo
    "esp32":   ("21/22 19/18 26/25 32/33", "4",    "27", "32 33 34", "33",   "25", "26", "17/16", "18/19"),
    "esp32s2": ("8/9 33/35",               "4",    "5",  "1 2 3",    "2",    "6",  "7",  "17/18", "10/11"),
    "esp32s3": ("8/9 5/6 41/40",           "4",    "7",  "1 2 10",   "2",    "15", "16", "17/18", "11/12"),
    "esp32c3": ("8/9 5/6",                 "4",    "10", "0 1 3",    "1",    "5",  "3",  "6/7",   "6/7"),
    "esp32c6": ("6/7 23/22",               "4",    "10", "0 1 2",    "1",    "18", "19", "20/21", "3/11"),
    "pico_w":  ("4/5",                     "2",    "3",  "26 27 28", "27",   "14", "15", "8/9",   "18/19"),
    "pico2_w": ("4/5",                     "2",    "3",  "26 27 28", "27",   "14", "15", "8/9",   "18/19"),
}
# fmt: on


def each(model, use):
    """Return [(pin, …), …] of a use, the usual pins first; empty if the table has none."""
    row = dict(zip(USES, PINS.get(model, ()), strict=False))
    return [tuple(int(pin) for pin in pins.split("/")) for pins in row.get(use, "").split()]


def usual(model, kind, bus):
    """Return the pins of a type of sensor on its bus as settings: {"sda": 21, "scl": 22}."""
    use = kind if kind in USES else bus
    return dict(zip(USES[use], each(model, use)[0], strict=True))
