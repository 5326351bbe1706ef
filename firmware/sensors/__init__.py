"""The sensors of a node: `load` makes the Channel of each entry of `sensors` in the config.

TYPES and QUANTITIES are those of `types.py`, loaded when they are asked for. Also under CPython, `load` excepted.
"""

# Settings for the bus or the channel; the driver gets the others by name.
_NOT_THE_DRIVERS = (
    "sda",
    "scl",
    "freq",
    "pin",
    "trigger",
    "echo",
    "tx",
    "rx",
    "interval_s",
    "keep",
)
# What a bus is opened with: arguments of Board's method of its name.
_WIRES = {
    "i2c": ("sda", "scl", "freq"),
    "input": ("pin", "pull"),
    "echo": ("trigger", "echo"),
    "uart": ("tx", "rx"),
}
_PIN = ("pin",)
_DERIVED = ("dew_point", "absolute_humidity", "altitude_m")


def __getattr__(name):
    if name in ("TYPES", "QUANTITIES"):
        from firmware.sensors.types import QUANTITIES, TYPES

        return TYPES if name == "TYPES" else QUANTITIES
    raise AttributeError(name)


def load(setting, board):
    """Return the Channel of a checked setting. The hardware is first touched by the channel's first step."""
    from firmware.sensors.build import Builder
    from firmware.sensors.channel import Channel
    from firmware.sensors.types import TYPES

    path, bus, rows, quantities = TYPES[setting["type"]]
    module, name = path.split(".")
    driver = getattr(__import__("drivers." + module, None, None, (name,)), name)
    options = {
        row[0]: setting[row[0]] for row in rows if row[0] not in _NOT_THE_DRIVERS + _DERIVED
    }
    if bus == "i2c":
        options["address"] = int(options["address"], 16)
    if setting.get("keep"):
        options["path"] = "state/count-" + setting["name"]
    if isinstance(quantities[-1], dict):
        quantities = quantities[1][setting[quantities[0]]]

    process, derived = _process(setting, quantities)
    channel = Channel(
        setting["name"],
        Builder(
            driver, options, board, bus, tuple([setting[key] for key in _WIRES.get(bus, _PIN)])
        ),
        tuple(_field(setting, quantity) for quantity in quantities + derived),
        int(setting["interval_s"] * 1000 + 0.5),
        setting["qos"],
        setting["retain"],
    )
    channel.process = process
    channel.latest = setting["delivery"] == "latest"
    if setting["delivery"] == "change":
        from firmware.sensors.change import Change

        bands = setting["deadband"] or {}
        heartbeat_ms = setting["heartbeat_s"] * 1000
        # Derived quantities have no deadband: they follow from others that have one.
        channel.change = Change([bands.get(quantity, 0) for quantity in quantities], heartbeat_ms)
    return channel


def _field(setting, quantity):
    """Return (quantity, unit, device class, decimals)."""
    from firmware.sensors.options import PULSES
    from firmware.sensors.types import QUANTITIES

    unit, device_class, decimals = QUANTITIES[quantity]
    if quantity == "rate":
        unit, device_class = setting["unit"], PULSES[setting["unit"]][0]
    elif quantity == "total":
        _, unit, device_class = PULSES[setting["unit"]]
    return quantity, unit, device_class, decimals


def _process(setting, quantities):
    """Return the Process of what the driver reads (None: it is published as it is), and the quantities it adds."""
    wanted = [(key, setting.get(key)) for key in _DERIVED]
    wanted = [
        pair for pair in wanted if pair[1] is not None and pair[1] is not False
    ]  # altitude_m may be 0
    if not (wanted or setting["calibrate"] or setting["filter"]):
        return None, ()
    from firmware.sensors.process import Process

    process = Process(quantities, setting["calibrate"] or {}, setting["filter"] or {})
    return process, tuple(process.derive(key, value) for key, value in wanted)


def drop():
    """Forget the tables with their help texts, and this module. They come back when they are asked for."""
    from firmware import forget

    forget("sensors", "types", "options", "named")
    forget("", "sensors")
