"""`machine.ADC`: 12 bits, noisy, with ends where nothing moves.

Sources: ports/esp32/machine_adc.c, ports/rp2/machine_adc.c, ESP32 data sheet section 4.5.
"""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled

from _machine_pin import Pin

import sim

_ADC2 = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27)
# uV at the pin that read 4095, by attenuation
_FULL = (1_100_000, 1_500_000, 2_200_000, 3_200_000)
_DEAD = (75_000, 75_000, 100_000, 142_000)  # and below which nothing moves


class ADC:
    if sim.ESP32:
        ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3
        WIDTH_9BIT, WIDTH_10BIT, WIDTH_11BIT, WIDTH_12BIT = 9, 10, 11, 12
    else:
        CORE_TEMP = 4

    if sim.ESP32:

        def __init__(self, pin, *, atten=0):
            self._n = pin.n if isinstance(pin, Pin) else pin
            if not (32 <= self._n <= 39 or self._n in _ADC2):
                raise ValueError("invalid pin")
            self._atten = atten

        def atten(self, atten):
            self._atten = atten

        def width(self, bits):
            pass

        def read_uv(self):
            raw = self._raw()
            dead = _DEAD[self._atten]
            return (dead + raw * (_FULL[self._atten] - dead) // 4095) // 1000 * 1000

        def read(self):
            return self._raw()

        def _raw(self):
            if self._n in _ADC2 and sim.radio and True in sim.radio.active:
                raise OSError(errnos.ETIMEDOUT)
            dead = _DEAD[self._atten]
            return _counts(sim.on_pin(sim.adc_devices, self._n), dead, _FULL[self._atten], 12)

    else:

        def __init__(self, pin):
            n = pin.n if isinstance(pin, Pin) else pin
            if isinstance(n, int) and 0 <= n <= 4:
                n += 26
            if n not in (26, 27, 28, 29, 30):
                raise ValueError("Pin doesn't have ADC capabilities")
            self._n = n

        def _raw(self):
            if self._n == 30:
                return _counts(_core, 0, 3_300_000, 1)
            if self._n == 29 and sim.radio and True in sim.radio.active:
                return sim.random(0, 4095)  # the pin is the radio's clock
            return _counts(sim.on_pin(sim.adc_devices, self._n), 0, 3_300_000, 6)

    def read_u16(self):
        raw = self._raw()
        return raw << 4 | raw >> 8


def _core():
    return 706_000  # 27 degrees


def _counts(microvolts, low, high, noise):
    if microvolts is None:
        return sim.random(0, 400)  # an open pin
    raw = (microvolts() - low) * 4095 // (high - low)
    if 0 < raw < 4095:
        raw += sim.random(-noise, noise)
    return max(0, min(4095, int(raw)))
