"""The units of what sensors publish, by the node's own tables."""

from tools.settings.judge import node


def described():
    """Return {quantity: (unit, decimals)}; of one whose unit a sensor's settings say the unit is ""."""
    node()
    from firmware.sensors import QUANTITIES

    return {name: (unit or "", decimals) for name, (unit, _, decimals) in QUANTITIES.items()}


def units(sensors):
    """Return {quantity: unit}, and {(channel, quantity): unit} of what a sensor's settings say."""
    node()  # finds the firmware
    from firmware.sensors import QUANTITIES
    from firmware.sensors.options import PULSES

    found = {quantity: row[0] or "" for quantity, row in QUANTITIES.items()}
    for sensor in sensors:
        unit = sensor.get("unit")
        if unit in PULSES:
            _, *total = PULSES[unit]  # the total's unit and class, if there is a total
            found[sensor["name"], "rate"] = unit
            found[sensor["name"], "total"] = total[0] if total else ""
    return found
