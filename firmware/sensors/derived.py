"""Computes what follows from the measured quantities. Floats in, floats out; also under CPython.

A calibration may be wrong by any amount: a humidity beyond 0 or 100 % counts as 0 or 100 %, and an impossible temperature is an
OSError.
"""

from errno import EIO
from math import exp, log

# Magnus formula over water, -45 to 60 °C: WMO-No. 8, annex 4.B (as Sonntag 1990).
_A, _B, _HPA = 17.62, 243.12, 6.112
_DRY = 0.1  # %: drier than any of the sensors can tell, and there is no dew point of nothing


def _possible(celsius):
    if not -100 <= celsius <= 200:
        raise OSError(EIO, "no air has this temperature, check calibrate and filter")


def dew_point(celsius, percent):
    """Return °C."""
    _possible(celsius)
    x = log(min(max(percent, _DRY), 100) / 100) + _A * celsius / (_B + celsius)
    return _B * x / (_A - x)


def absolute_humidity(celsius, percent):
    """Return g/m³. 216.7: the molar mass of water over the gas constant, in g·K/(m³·hPa)."""
    _possible(celsius)
    vapour = min(max(percent, 0), 100) / 100 * _HPA * exp(_A * celsius / (_B + celsius))
    return 216.7 * vapour / (273.15 + celsius)


def sea_level_pressure(hpa, altitude_m):
    """Return hPa, in the standard atmosphere (as the data sheets of BMP180 and BMP280 have it)."""
    return hpa / (1 - altitude_m / 44330) ** 5.255


_OF_AIR = ("temperature", "humidity")

# setting: (quantity, function, quantities it follows from, is the setting's value its last argument)
DERIVED = {
    "dew_point": ("dew_point", dew_point, _OF_AIR, False),
    "absolute_humidity": ("absolute_humidity", absolute_humidity, _OF_AIR, False),
    "altitude_m": ("sea_level_pressure", sea_level_pressure, ("pressure",), True),
}
