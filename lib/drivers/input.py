"""A contact or a PIR sensor at a pin: button, door reed, motion, any contact.

A change is reported as soon as its level has held for 5 ms, so that a spark on the wire is none; what follows within
`debounce_ms` is bounce, and only the level at its end counts. Interrupts note when the level moved: a press that
began and ended while the program was busy elsewhere is still reported, as two changes one after the other.
"""

import time

from micropython import const

_HOLD_MS = const(5)
_IDLE_MS = const(25)  # how long a change may wait for its confirmation by poll_ms
_MOST = const(16)  # changes kept between two calls of changed(); beyond it pairs cancel out

# Is it True when the contact is closed (to ground, or to 3.3 V with a pull-down resistor)? None: it is no contact but
# drives the pin high. And the seconds of false alarms after power-on.
_KINDS = {
    "button": (True, 0),
    "contact": (True, 0),
    "reed": (False, 0),  # closed while the magnet, so the door, is there
    "pir": (None, 60),
}


class Input:
    conversion_ms = 0

    def __init__(self, pin, kind="button", pull="up", invert=False, debounce_ms=30, warmup_s=None):
        """pull: of the pin, "up", "down" or None. invert: report the opposite."""
        closed, warmup = _KINDS[kind]
        level = 1 if closed is None else int(closed == (pull == "down"))
        self._true = level ^ invert
        self._debounce_ms = debounce_ms
        self._hold_ms = min(debounce_ms, _HOLD_MS)
        self._pin = pin
        now = time.ticks_ms()
        self._warm_at = time.ticks_add(now, (warmup if warmup_s is None else warmup_s) * 1000)
        self._warm = False
        self._level = pin.value()  # as last seen
        self._since = now  # and since when
        self._state = self._level  # what was accepted last
        self._accepted = time.ticks_add(now, -debounce_ms)  # and when
        self._told = self._level  # what read() says
        self._untold = 0  # changes accepted since
        self._busy = False
        self.poll_ms = 0  # until changed() wants to be called again
        pin.irq(handler=self._moved, trigger=pin.IRQ_RISING | pin.IRQ_FALLING)

    def start(self):
        pass

    def read(self):
        """Return (pressed, closed, open or motion,); None while a PIR sensor warms up."""
        return (self._told == self._true,) if self._warm else None

    def changed(self, now):
        """Return True when read() has something new to say."""
        self._busy = True  # what moves now, the next call sees by the level
        if self._pin.value() != self._level:
            self._see(now)
        self._settle(now)
        if self._warm:
            told = self._untold > 0
            if told:
                self._untold -= 1
                self._told ^= 1
        else:
            told = self._warm = time.ticks_diff(now, self._warm_at) >= 0
            self._told = self._state
            self._untold = 0
        self.poll_ms = 0 if self._untold else _IDLE_MS if self._level == self._state else _HOLD_MS
        self._busy = False
        return told

    def _moved(self, pin):
        if not self._busy:
            self._see(time.ticks_ms())

    def _see(self, now):
        self._settle(now)  # the level that ends here may have held long enough
        self._level = self._pin.value()
        self._since = now

    def _settle(self, now):
        if self._level == self._state:
            return
        if time.ticks_diff(now, self._since) < self._hold_ms:
            return
        # Ticks wrap: what looks negative was days ago, and is over.
        if 0 <= time.ticks_diff(now, self._accepted) < self._debounce_ms:
            return
        self._state = self._level
        self._accepted = self._since
        self._untold += 1 if self._untold < _MOST else -1
