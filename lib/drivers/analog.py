"""A voltage at an ADC pin, through a divider.

Two resistors bring down what is above the ADC's range: `r1` from the voltage to the pin, `r2` from the pin to ground;
100 nF beside `r2`, since the ADC wants a low impedance. The ADC of the boards is noisy: a reading is the mean of 16
samples, without the lowest and the highest of 18. At the ends of the ADC's range there is none.
Range: at the pin 0.15 to 2.45 V on an ESP32; 0 to 3.3 V on a Pico, which is also its reference.
"""

from drivers.shared.adcmean import microvolts, within


class Voltage:
    conversion_ms = 0

    def __init__(self, adc, r1=0, r2=1):
        """adc: read_uv() gives microvolts at the pin, read_u16() the code. r1, r2: the divider, in any one unit."""
        self.adc = adc
        self.ratio = (r1 + r2) / r2

    def start(self):
        pass

    def read(self):
        """Return (volts,)."""
        return (within(self.adc, microvolts(self.adc)) * self.ratio / 1000000,)
