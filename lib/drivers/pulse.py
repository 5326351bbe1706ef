"""Pulse counter: tipping-bucket rain gauge, anemometer, flow meter, energy meter.

Counts by interrupt each time the contact closes; what follows within `debounce_ms` is bounce. Contacts bounce when they
open too: `debounce_ms` should be longer than one stays closed (a rain gauge: 200), and must be shorter than the time
between two pulses. A Pico counts on whatever the program does. An ESP32 queues eight interrupts at most while
MicroPython is inside a long call (a name look-up can take seconds); beyond those it loses pulses.

With `keep` a count is on flash before it is published, so that what was published never goes back after a power cut;
pulses since the last reading are lost with the power, but not when the node itself resets the board. Nothing is written
while nothing is counted. Where the flash is full or fails, the count goes on in RAM and is published all the same, and
each reading tries again to write it. Where the flash cannot be read, nothing is published until it can: a count that
begins at 0 would be wrong.
"""

import time
from binascii import crc32
from errno import EIO

from flashfile import read, write
from micropython import const

_MASK = const(0x1FFFFFFF)  # the counter stays a small integer: an interrupt must not allocate
_LONGEST = const(64)  # bytes of a file that is believed

_PER_MS = {"s": 1000, "min": 60000, "h": 3600000, "W": 3600000}  # W: Wh an hour
_TOTAL = {"mm/h": 1, "L/min": 1, "L/h": 1, "W": 1000}  # per_pulse's in the unit of the total

_counters = []  # one a pin, for ever: a driver is made anew after a failure, and what it counted goes on


def keep():
    """Before a reset: have on flash what was counted since the last readings, too."""
    for counter in _counters:
        counter.save()


class Pulse:
    conversion_ms = 0

    def __init__(self, pin, pull="up", debounce_ms=50, per_pulse=1.0, unit="1/min", path=""):
        """pull: of the pin; with "down" a closed contact is high, else low.

        per_pulse: what one pulse stands for, as 0.2794 (mm of rain); unit: of the rate, as "mm/h".
        path: the file in which the count is kept; empty: it is not. OSError: what is there is no count, and the next
        driver of this pin and path begins at 0; or it cannot be read, and the next one tries again.
        """
        self._per_pulse = per_pulse
        self._per_ms = _PER_MS[unit.split("/")[-1]]
        self._total = _TOTAL.get(unit)
        for counter in _counters:
            if counter.pin is pin and counter.path == path:
                break
        else:
            counter = Counter(pin, path)
            _counters.append(counter)
        self.counter = counter
        counter.listen(pin.IRQ_RISING if pull == "down" else pin.IRQ_FALLING, debounce_ms)
        counter.load()

    def start(self):
        pass

    def read(self):
        """Return (pulses, rate since the last read), of mm, L and W (pulses, total in mm, L or kWh, rate).

        None the first time: no rate yet.
        """
        counter = self.counter
        now = time.ticks_ms()
        began = counter.read_at
        elapsed = time.ticks_diff(now, began) if began is not None else None
        if elapsed == 0:
            return None
        counter.read_at = now
        new = counter.take()
        if elapsed is None:
            return None
        counter.keep()
        count = counter.count
        rate = new * self._per_pulse * self._per_ms / elapsed
        if self._total is None:
            return (count, rate)
        return (count, count * self._per_pulse / self._total, rate)


class Counter:
    """What was counted at one pin, and the file that keeps it: the number, a space, its CRC."""

    def __init__(self, pin, path):
        self.pin = pin
        self.path = path
        self.count = 0
        self.read_at = None  # ticks
        self.pulses = 0  # the interrupt's, wraps
        self._taken = 0  # of those, what is in count
        self._kept = None  # the count on flash, None: not looked yet
        self._damaged = False
        self._last = None

    def listen(self, trigger, debounce_ms):
        self._debounce_ms = debounce_ms
        if self._last is None:
            self._last = time.ticks_add(time.ticks_ms(), -debounce_ms)
        try:
            self.pin.irq(handler=self.closed, trigger=trigger, hard=True)
        except TypeError:  # ESP32 has no such choice
            self.pin.irq(handler=self.closed, trigger=trigger)

    def closed(self, pin):
        now = time.ticks_ms()
        # Ticks wrap: what looks negative was days ago.
        if not 0 <= time.ticks_diff(now, self._last) < self._debounce_ms:
            self._last = now
            self.pulses = (self.pulses + 1) & _MASK

    def take(self):
        """Add what came since the last call to the count, and return it."""
        pulses = self.pulses
        new = (pulses - self._taken) & _MASK
        self._taken = pulses
        self.count += new
        return new

    def load(self):
        """Go on from the count on flash. Pulses are counted meanwhile.

        OSError: it is damaged, which it says once; or it cannot be read now, and what is published is not to be less.
        """
        if self._kept is not None or not self.path:
            return
        kept = -1 if self._damaged else _count_in(self.path)
        if kept is None:
            self._damaged = True
            raise OSError(EIO, "count on flash is damaged (it begins at 0)")
        self._kept = kept
        self.count += max(kept, 0)

    def keep(self):
        """Write the count if it changed. If that fails, the next call tries again."""
        count = self.count
        if not self.path or count == self._kept:
            return
        number = b"%d" % count
        try:
            write(self.path, b"%s %08x\n" % (number, crc32(number)))
            self._kept = count
        except OSError:
            pass  # better a count that is not kept than none

    def save(self):
        """Write what was counted up to now, unless nobody knows what is on flash."""
        if self._kept is not None:
            self.take()
            try:
                self.keep()
            except MemoryError:
                pass


def _count_in(path):
    """Return the count in a file: 0 if there is none, None if it is damaged. OSError: it cannot be read."""
    try:
        data = read(path, lambda f: f.read(_LONGEST))
    except OSError:
        raise OSError(EIO, "count on flash cannot be read") from None
    if data is None:
        return 0
    number = data.split(b" ")[0]
    if number.isdigit() and data == b"%s %08x\n" % (number, crc32(number)):
        return int(number)
    return None
