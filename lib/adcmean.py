"""The mean of a noisy ADC: 16 of 18 samples, without the lowest and the highest."""

from micropython import const

_SAMPLES = const(18)


def microvolts(adc):
    """Return the mean at the pin. adc: read_uv() gives microvolts."""
    lowest = highest = total = adc.read_uv()
    for _ in range(_SAMPLES - 1):
        uv = adc.read_uv()
        total += uv
        lowest = min(lowest, uv)
        highest = max(highest, uv)
    return (total - lowest - highest) // (_SAMPLES - 2)
