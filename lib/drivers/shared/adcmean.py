"""The mean of a noisy ADC: 16 of 18 samples, without the lowest and the highest."""

from errno import EIO

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


def within(adc, uv):
    """Return this mean. OSError: the ADC is at an end of its range, where it shows the same for whatever is beyond.

    adc: read_u16() gives 0 to 65535. Where 0 stands for more than 0 V, as on an ESP32, that is an end, too.
    """
    code = adc.read_u16()
    if code == 65535:
        raise OSError(EIO, "voltage above the ADC's range")
    if code == 0 and uv:
        raise OSError(EIO, "voltage below the ADC's range")
    return uv
