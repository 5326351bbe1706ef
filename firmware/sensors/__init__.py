"""The sensors of a node: `load` makes the Channel of each entry of `sensors` in the config.

TYPES and QUANTITIES are those of `types.py`, loaded when they are asked for. Also under CPython, `load` excepted.
"""

import sys

# Settings that are the bus's or the channel's; a driver is told the others by name.
_NOT_THE_DRIVERS = ("sda", "scl", "freq", "pin", "interval_s")


def __getattr__(name):
    if name in ("TYPES", "QUANTITIES"):
        from firmware.sensors.types import QUANTITIES, TYPES

        return TYPES if name == "TYPES" else QUANTITIES
    raise AttributeError(name)


def load(setting, board):
    """Return the Channel of a checked setting. The hardware is first touched by the channel's first step."""
    from firmware.sensors.channel import Channel
    from firmware.sensors.types import QUANTITIES, TYPES

    path, bus, rows, quantities = TYPES[setting["type"]]
    module, name = path.split(".")
    driver = getattr(__import__("drivers." + module, None, None, (name,)), name)
    options = {key: setting[key] for key, _, _, _, _ in rows if key not in _NOT_THE_DRIVERS}
    if bus == "i2c":
        options["address"] = int(options["address"], 16)
    if isinstance(quantities[-1], dict):
        quantities = quantities[1][setting[quantities[0]]]

    def build(stuck):
        if stuck and bus == "i2c":
            board.recover_i2c(setting["sda"], setting["scl"])
        return driver(_open(board, bus, setting), **options)

    channel = Channel(
        setting["name"],
        build,
        tuple((quantity, QUANTITIES[quantity][2]) for quantity in quantities),
        int(setting["interval_s"] * 1000 + 0.5),
        setting["qos"],
        setting["retain"],
    )
    channel.latest = setting["delivery"] == "latest"
    if setting["delivery"] == "change":
        from firmware.sensors.change import Change

        bands = setting["deadband"] or {}
        heartbeat_ms = setting["heartbeat_s"] * 1000
        channel.change = Change([bands.get(name, 0) for name, _ in channel.fields], heartbeat_ms)
    return channel


def _open(board, bus, setting):
    if bus == "i2c":
        return board.i2c(setting["sda"], setting["scl"], setting["freq"])
    if bus == "input":
        return board.input(setting["pin"], setting["pull"])
    return getattr(board, bus)(setting["pin"])


def drop():
    """Forget the tables, some kilobytes with their help texts. They come back when they are asked for."""
    sys.modules.pop("firmware.sensors.types", None)
    globals().pop("types", None)
