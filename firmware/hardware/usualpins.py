"""USUAL: the pins that a sensor has on each board model if nobody says otherwise, one row a model.

The page for a phone looks for sensors there; the host's commands and pages have them from `tools/pins.py`. Written as `make scan` would
say them: pins of one use are separated by spaces, the usual ones first; those that belong together by a slash. Which pins may be used at
all is in `pins.py`.
"""

# A use is a bus, or a type of sensor that has pins of its own on it.
USES = ("i2c", "onewire", "dht", "adc", "battery", "input", "pulse", "uart", "echo")

# A table, one board a row:
# fmt: off
USUAL = {
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
    """Return [(pin, …), …] of a use, the usual pins first; empty for a board that is not there."""
    row = USUAL.get(model)
    pins = row[USES.index(use)].split() if row else ()
    return [tuple([int(pin) for pin in together.split("/")]) for together in pins]
