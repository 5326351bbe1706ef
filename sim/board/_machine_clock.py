"""`machine.RTC` and `machine.WDT`.

Sources: ports/esp32/machine_rtc.c, machine_wdt.c; ports/rp2/machine_rtc.c, machine_wdt.c.
"""

import time

import sim


class RTC:
    def datetime(self, t=None):
        if t is None:
            now = time.gmtime()
            us = sim.rtc_ms() % 1000 * 1000 if sim.ESP32 else 0
            return now[:3] + (now[6],) + now[3:6] + (us,)
        seconds = time.mktime((t[0], t[1], t[2], t[4], t[5], t[6]))
        sim.rtc_set((seconds - time.mktime((1970, 1, 1, 0, 0, 0))) * 1000)

    if sim.ESP32:

        def init(self, t):
            self.datetime((t[0], t[1], t[2], 0) + tuple(t[3:6]) + (0,))

        def memory(self, data=None):
            if data is None:
                return bytes.fromhex(sim.retained.get("memory", ""))
            data = bytes(data)
            if len(data) > 2048:
                raise ValueError("buffer too long")
            sim.retain("memory", data.hex())


class WDT:
    """Cannot be stopped; a second one re-arms it. Real time: SIGALRM, which ends a blocked process too."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(%s) doesn't exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        if not sim.ESP32 and timeout > 8388:
            raise ValueError("timeout exceeds 8388")
        sim.arm(timeout)
        sim.retain("cause", "wdt")  # the process will not be asked when it bites

    def feed(self):
        sim.feed()
