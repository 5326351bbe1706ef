"""Chips at register level: what stands on the buses in place of the configured sensors.

Each module has `attach(setting, world, sim)`: make the chip of one entry of `sensors`, wire it to the pins of the
setting, let it measure what the world is at the sensor of that name. The chips know the data sheets, not the drivers:
what they convert they convert by formulas of their own, and what a real one does not do (answer while it starts,
measure faster than it can) they do not do either. A test makes a `Chip` itself and spoils it by its attributes.
"""

MODULES = {
    "adc": "analog",
    "battery": "analog",
    "bme280": "bme280",
    "bmp280": "bme280",
    "dht22": "dht22",
    "ds18b20": "ds18b20",
    "input": "gpio",
    "pulse": "gpio",
}


def attach(setting, world, sim):
    """Attach the chip of one entry of `sensors`. KeyError, ValueError: no chip fits it."""
    module = MODULES[setting["type"]]
    __import__("chips." + module, None, None, ("attach",)).attach(setting, world, sim)
