"""`time` of the boards: whole seconds, 8-tuples in UTC, ticks that wrap after 2^30, a clock that starts wrong.

Epoch 2000 on ESP32, 1970 on the Pico. Source: docs/library/time.rst, ports/*/modtime.c.
"""

import sys

from micropython import const

import sim
from sim import utime

_MASK = const(0x3FFFFFFF)
_EPOCH = 946_684_800 if sim.ESP32 else 0
_DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_us = 0  # of virtual time: what sleep_us has not yet made a millisecond


def time():
    return sim.rtc_ms() // 1000 - _EPOCH


def time_ns():
    return (sim.rtc_ms() - _EPOCH * 1000) * 1_000_000


def gmtime(seconds=None):
    if seconds is None:
        seconds = time()
    return tuple(utime.gmtime(int(seconds) + _EPOCH)[:8])


localtime = gmtime


def mktime(t):
    year, month, day, hour, minute, second = t[:6]
    year += (month - 1) // 12
    month = (month - 1) % 12
    leaps = year if month > 1 else year - 1
    days = (year - 1970) * 365 + leaps // 4 - leaps // 100 + leaps // 400 - 477
    return (((days + _DAYS[month] + day - 1) * 24 + hour) * 60 + minute) * 60 + second - _EPOCH


def sleep(seconds):
    sim.sleep(int(seconds * 1000))


def sleep_ms(ms):
    sim.sleep(ms)


def sleep_us(us):
    global _us
    if sim.is_virtual:
        _us += us
        ms, _us = divmod(_us, 1000)
        if ms:
            sim.sleep(ms)
    else:
        utime.sleep_us(us)


def ticks_us():
    if sim.is_virtual:
        return (sim.now() * 1000 + _us) & _MASK
    return utime.ticks_us() & _MASK


ticks_cpu = ticks_us
ticks_ms = sim.ticks

if sys.maxsize < 1 << 32:
    ticks_add = utime.ticks_add
    ticks_diff = utime.ticks_diff
else:

    def ticks_add(ticks, delta):
        if not -0x20000000 <= delta < 0x20000000:
            raise OverflowError("ticks interval overflow")
        return (ticks + delta) & _MASK

    def ticks_diff(end, start):
        return ((end - start + 0x20000000) & _MASK) - 0x20000000


# umqtt says `utime`; sim and this module have had the real one by now.
sys.modules["utime"] = sys.modules[__name__]
