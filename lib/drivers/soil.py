"""Soil moisture sensor with an analog output at an ADC pin: capacitive ("v1.2", "v2.0"), or any other.

A capacitive one gives about 2.5 V in air and 1.2 V in water, each a little different: read `voltage` in both and set
`dry_v` and `wet_v`. Between them moisture is taken for linear, beyond them it is 0 or 100 %. It is not the water
content of the soil, which the sensor cannot know, but tells dry from wet in the same pot. Supply it with 3.3 V: with
5 V some give more than a pin may have. Below 0.4 V and above 3.1 V nothing is there to read, unless `dry_v` or `wet_v`
is beyond that, too.
"""

from errno import EIO

from micropython import const

from drivers.shared.adcmean import microvolts

_LOWEST_UV = const(400000)  # an open pin of an ESP32 reads 0.14 V or more
_HIGHEST_UV = const(3100000)  # where the ADC of an ESP32 ends


class Soil:
    conversion_ms = 0

    def __init__(self, adc, dry_v=2.5, wet_v=1.2):
        """adc: read_uv() gives microvolts at the pin. dry_v, wet_v: volts, either may be the higher."""
        if dry_v == wet_v:
            raise ValueError("dry_v and wet_v are the same: read `voltage` in air and in water")
        self.adc = adc
        self.dry_v = dry_v
        self.wet_v = wet_v
        self.low = _LOWEST_UV if min(dry_v, wet_v) * 1000000 >= _LOWEST_UV else 0
        self.high = _HIGHEST_UV if max(dry_v, wet_v) * 1000000 <= _HIGHEST_UV else 9 * _HIGHEST_UV

    def start(self):
        pass

    def read(self):
        """Return (moisture in %, volts)."""
        uv = microvolts(self.adc)
        if not self.low <= uv <= self.high:
            raise OSError(EIO, "no sensor at the pin")
        volts = uv / 1000000
        moisture = (volts - self.dry_v) * 100 / (self.wet_v - self.dry_v)
        return (min(max(moisture, 0.0), 100.0), volts)
