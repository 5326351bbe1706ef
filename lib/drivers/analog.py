"""A voltage at an ADC pin, through a divider.

    voltage --- r1 ---+--- r2 --- ground
                      pin (100 nF to ground beside it: the ADC wants a low impedance)

The ADC of the boards is noisy: the mean of 16 samples, without the lowest and the highest of 18. On an ESP32 keep the
pin between 0.15 and 2.45 V; on a Pico below 3.3 V, which is also its reference.
"""

from adcmean import microvolts


class Voltage:
    conversion_ms = 0

    def __init__(self, adc, r1=0, r2=1):
        """adc: read_uv() gives microvolts at the pin. r1, r2: the divider, in any one unit."""
        self.adc = adc
        self.ratio = (r1 + r2) / r2

    def start(self):
        pass

    def read(self):
        """Return (volts,)."""
        return (microvolts(self.adc) * self.ratio / 1000000,)
