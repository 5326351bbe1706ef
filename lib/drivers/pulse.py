"""Pulse counter: tipping-bucket rain gauge, anemometer, flow meter, energy meter.

Counts by interrupt each time the contact closes; what follows within `debounce_ms` is bounce. Contacts bounce when they
open too: `debounce_ms` should be longer than one stays closed (a rain gauge: 200), and must be shorter than the time
between two pulses. A Pico counts on whatever the program does. An ESP32 queues eight interrupts at most while
MicroPython is inside a long call (a name look-up can take seconds); beyond those it loses pulses.
"""

import time

from micropython import const

_MASK = const(0x1FFFFFFF)  # the counter stays a small integer: an interrupt must not allocate

_PER_MS = {"s": 1000, "min": 60000, "h": 3600000, "W": 3600000}  # W: Wh an hour


class Pulse:
    conversion_ms = 0

    def __init__(self, pin, pull="up", debounce_ms=50, per_pulse=1.0, unit="1/min"):
        """pull: of the pin; with "down" a closed contact is high, else low.

        per_pulse: what one pulse stands for, as 0.2794 (mm of rain); unit: of the rate, as "mm/h".
        """
        self._per_pulse = per_pulse
        self._per_ms = _PER_MS[unit.split("/")[-1]]
        self._debounce_ms = debounce_ms
        self._last = time.ticks_add(time.ticks_ms(), -debounce_ms)
        self._pulses = 0  # the interrupt's, wraps
        self._seen = 0  # _pulses at the last read()
        self._count = 0
        self._read_at = None
        closing = pin.IRQ_RISING if pull == "down" else pin.IRQ_FALLING
        try:
            pin.irq(handler=self._closed, trigger=closing, hard=True)
        except TypeError:  # ESP32 has no such choice
            pin.irq(handler=self._closed, trigger=closing)

    def _closed(self, pin):
        now = time.ticks_ms()
        # Ticks wrap: what looks negative was days ago.
        if not 0 <= time.ticks_diff(now, self._last) < self._debounce_ms:
            self._last = now
            self._pulses = (self._pulses + 1) & _MASK

    def start(self):
        pass

    def read(self):
        """Return (pulses since power-on, rate since the last read). None the first time: no rate yet."""
        now = time.ticks_ms()
        pulses = self._pulses
        new = (pulses - self._seen) & _MASK
        began = self._read_at
        elapsed = time.ticks_diff(now, began) if began is not None else None
        if elapsed == 0:
            return None
        self._seen = pulses
        self._read_at = now
        self._count += new
        if elapsed is None:
            return None
        return (self._count, new * self._per_pulse * self._per_ms / elapsed)
