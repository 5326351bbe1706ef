"""NTC thermistor in a divider at an ADC pin.

    supply --- series_ohm ---+--- thermistor --- ground        side: "ground"
    supply --- thermistor ---+--- series_ohm --- ground        side: "supply"
                             pin (100 nF to ground beside it)

The temperature is computed from its resistance at 25 °C and its B value. Beyond about -25 and 100 °C (10 kΩ and 10 kΩ)
the voltage cannot be told from that of a broken wire or a short, both of which are errors: below 0.16 V, where an
ESP32 sees nothing, and above 94 % of the supply or 3.1 V. On an ESP32, whose ADC is good from 0.15 to 2.45 V, the side
"ground" measures warmth better, the side "supply" cold.
Range: about -25 to 100 °C, ±1 °C from 0 to 50 for a usual part.
"""

from errno import EIO
from math import log

from micropython import const

from drivers.shared.adcmean import microvolts

_LOWEST_UV = const(160000)
_HIGHEST_UV = const(3100000)

# 1/K
_AT_25 = 1 / 298.15
_COLDEST = 1 / (273.15 - 60)
_HOTTEST = 1 / (273.15 + 200)


class NTC:
    conversion_ms = 0

    def __init__(
        self, adc, supply_v=3.3, series_ohm=10000, r25_ohm=10000, beta=3950, side="ground"
    ):
        """adc: read_uv() gives microvolts at the pin. side: where the thermistor's other end is."""
        self.adc = adc
        self.supply_uv = supply_v * 1000000
        self.series = series_ohm / r25_ohm
        self.beta = beta
        self.grounded = side == "ground"

    def start(self):
        pass

    def read(self):
        """Return (temperature in °C,)."""
        uv = microvolts(self.adc)
        if not _LOWEST_UV <= uv <= min(self.supply_uv * 0.94, _HIGHEST_UV):
            raise OSError(EIO, "thermistor shorted or not connected")
        ratio = uv / (self.supply_uv - uv)  # of the lower resistor to the upper
        if not self.grounded:
            ratio = 1 / ratio
        inverse = _AT_25 + log(ratio * self.series) / self.beta
        if not _HOTTEST <= inverse <= _COLDEST:
            raise OSError(EIO, "reading out of the chip's range")
        return (1 / inverse - 273.15,)
