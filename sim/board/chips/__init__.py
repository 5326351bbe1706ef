"""Chips at register level: what stands on the buses in place of the configured sensors.

Each module has `attach(setting, world, sim)`: make the chip of one entry of `sensors`, wire it to the pins of the
setting, let it measure what the world is at the sensor of that name. The chips know the data sheets, not the drivers:
what they convert they convert by formulas of their own, and what a real one does not do (answer while it starts,
measure faster than it can) they do not do either. A test makes a `Chip` itself and spoils it by its attributes.
"""

# type: module, where they differ
MODULES = {
    "adc": "analog",
    "aht10": "aht20",
    "battery": "analog",
    "bmp280": "bme280",
    "dht11": "dht22",
    "ina226": "ina219",
    "input": "gpio",
    "ntc": "analog",
    "pulse": "gpio",
    "soil": "analog",
}


def attach(setting, world, sim):
    """Attach the chip of one entry of `sensors`. KeyError, ValueError, ImportError: no chip fits it."""
    kind = setting["type"]
    try:
        module = load(kind)
    except ImportError:
        from firmware.settings.partnames import SYNONYMS

        setting = dict(setting, type=SYNONYMS[kind])
        module = load(setting["type"])
    module.attach(setting, world, sim)


def load(kind):
    """Return the module of a type. ImportError: there is none of that name."""
    return __import__("chips." + MODULES.get(kind, kind), None, None, ("attach",))
