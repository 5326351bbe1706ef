"""What is at an ADC pin: a voltage or a battery behind a divider, a soil sensor, a thermistor.

The noise is the ADC's.
"""

import math


def voltage(setting, world):
    r1, r2 = setting.get("r1", 0), setting.get("r2", 1)
    return lambda: world.get("battery", setting["name"]) * r2 / (r1 + r2)


def soil(setting, world):
    dry, wet = setting.get("dry_v", 2.5), setting.get("wet_v", 1.2)
    return lambda: dry - (dry - wet) * world.get("moisture", setting["name"])


def ntc(setting, world):
    supply, series = setting.get("supply_v", 3.3), setting.get("series_ohm", 10000)
    r25, beta = setting.get("r25_ohm", 10000), setting.get("beta", 3950)

    def volts():
        kelvin = world.get("temperature", setting["name"]) + 273.15
        ohm = r25 * math.exp(beta / kelvin - beta / 298.15)
        lower = ohm if setting.get("side", "ground") == "ground" else series
        return supply * lower / (ohm + series)

    return volts


def attach(setting, world, sim):
    volts = {"soil": soil, "ntc": ntc}.get(setting["type"], voltage)(setting, world)
    sim.adc_attach(setting["pin"], lambda: int(volts() * 1000000), setting["name"])
