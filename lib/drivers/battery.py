"""The voltage and the charge of one lithium cell, at an ADC pin behind a divider.

Two equal resistors of 100 kΩ suit any board and take 20 µA; 100 nF beside the lower one, since the ADC wants a low
impedance. The charge is that of a LiPo or Li-ion cell at rest, by a usual discharge curve; under load, and while it is
charged, the voltage says something else. Readings and the ADC's limits are those of `adc`.
Range: 0 to 100 %, 5 % at best.
"""

from errno import EIO

from micropython import const

from drivers.shared.adcmean import microvolts, within

_UNPLUGGED_UV = const(300000)

# Millivolts of a cell at rest, percent.
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


class Battery:
    conversion_ms = 0

    def __init__(self, adc, r1=0, r2=1):
        """adc: read_uv() gives microvolts at the pin, read_u16() the code. r1, r2: the divider, in any one unit."""
        self.adc = adc
        self.ratio = (r1 + r2) / r2

    def start(self):
        pass

    def read(self):
        """Return (volts, percent)."""
        uv = microvolts(self.adc)
        if uv < _UNPLUGGED_UV:
            raise OSError(EIO, "under 0.3 V at the pin: no battery?")
        volts = within(self.adc, uv) * self.ratio / 1000000
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
