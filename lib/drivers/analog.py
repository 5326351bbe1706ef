"""A voltage at an ADC pin, through a divider, and the charge of a lithium battery.

    battery + --- r1 ---+--- r2 --- ground
                        pin (100 nF to ground beside it: the ADC wants a low impedance)

The ADC of the boards is noisy: the mean of 16 samples, without the lowest and the highest of 18. On an ESP32 keep the
pin between 0.15 and 2.45 V; on a Pico below 3.3 V, which is also its reference.
"""

from errno import EIO

from micropython import const

_SAMPLES = const(18)
_UNPLUGGED_UV = const(300000)

# Millivolts of one LiPo or Li-ion cell at rest, percent: a usual discharge curve, 5 % at best.
_CURVE = (
    (4200, 100),
    (4060, 90),
    (3980, 80),
    (3920, 70),
    (3870, 60),
    (3820, 50),
    (3790, 40),
    (3770, 30),
    (3740, 20),
    (3680, 10),
    (3450, 5),
    (3000, 0),
)


class Voltage:
    conversion_ms = 0

    def __init__(self, adc, r1=0, r2=1):
        """adc: read_uv() gives microvolts at the pin. r1, r2: the divider, in any one unit."""
        self.adc = adc
        self.ratio = (r1 + r2) / r2

    def start(self):
        pass

    def microvolts(self):
        """Return the mean at the pin."""
        lowest = highest = total = self.adc.read_uv()
        for _ in range(_SAMPLES - 1):
            uv = self.adc.read_uv()
            total += uv
            lowest = min(lowest, uv)
            highest = max(highest, uv)
        return (total - lowest - highest) // (_SAMPLES - 2)

    def read(self):
        """Return (volts,)."""
        return (self.microvolts() * self.ratio / 1000000,)


class Battery(Voltage):
    def read(self):
        """Return (volts, percent) of a single lithium cell."""
        uv = self.microvolts()
        if uv < _UNPLUGGED_UV:
            raise OSError(EIO, "under 0.3 V at the pin: no battery?")
        volts = uv * self.ratio / 1000000
        return (volts, percent(int(volts * 1000 + 0.5)))


def percent(millivolts):
    """Return the charge of a lithium cell, 0 to 100."""
    above, full = _CURVE[0]
    if millivolts >= above:
        return full
    for below, charge in _CURVE:
        if millivolts >= below:
            return charge + (full - charge) * (millivolts - below) // (above - below)
        above, full = below, charge
    return 0
