"""`machine.Pin`.

Sources: ports/esp32/machine_pin.c, ports/rp2/machine_pin.c, docs/library/machine.Pin.rst.
"""

import sys

import micropython
from micropython import const

import sim

_pins = {}
_FLASH = const(0b1111_1100_0000)  # ESP32: GPIO 6..11


class Pin:
    if sim.ESP32:
        IN, OUT, OPEN_DRAIN = 1, 3, 7
        PULL_DOWN, PULL_UP = 1, 2
        IRQ_RISING, IRQ_FALLING = 1, 2
        WAKE_LOW, WAKE_HIGH = 4, 5
        DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3
    else:
        IN, OUT, OPEN_DRAIN, ALT = 0, 1, 2, 3
        PULL_UP, PULL_DOWN = 1, 2
        IRQ_FALLING, IRQ_RISING = 4, 8

    def __new__(cls, id, *args, **kwargs):
        if isinstance(id, Pin):
            return id
        n = _number(id)
        if n not in _pins:
            self = _pins[n] = object.__new__(cls)
            self.n = n
            self.wire = sim.pin(n)
            self._handler = None
            self._out = 0
            self._mode = self.IN
            self._queued = self._run
        return _pins[n]

    def __init__(self, id, mode=-1, pull=-1, **settings):
        if mode != -1 or pull != -1 or settings:
            self.init(mode, pull, **settings)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, alt=None, hold=None):
        n = self.n
        outside = isinstance(n, str)  # on the Pico's Wi-Fi chip
        if outside and (pull not in (-1, None) or alt is not None):
            raise ValueError("pull and alternate function are not supported on external pin")
        if sim.ESP32 and mode in (self.OUT, self.OPEN_DRAIN) and n >= 34:
            raise ValueError("pin can only be input")
        before = self.wire.value()
        if pull != -1 and not (
            sim.ESP32 and n >= 34
        ):  # those have no pulls, and the port does not say so
            self.wire.pull = None if pull is None else 1 if pull == self.PULL_UP else 0
        if value is not None:
            self._out = int(bool(value))
        if mode != -1:
            self._mode = mode
        self._drive()
        self.wire.moved(before)

    def _drive(self):
        out = self._mode == self.OUT or (self._mode == self.OPEN_DRAIN and not self._out)
        self.wire.out = self._out if out else None

    def value(self, x=None):
        if x is None:
            return self.wire.value()
        before = self.wire.value()
        self._out = int(bool(x))
        self._drive()
        self.wire.moved(before)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not self._out)

    if not sim.ESP32:
        high = on
        low = off

    if sim.ESP32:

        def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, wake=None):
            return self._irq(handler, trigger)

    else:

        def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False):
            return self._irq(handler, trigger)

    def _irq(self, handler, trigger):
        if isinstance(self.n, str):
            raise ValueError("expecting a regular GPIO Pin")
        self._handler = handler
        self._trigger = trigger
        self.wire.irq = self._edge if handler else None
        return self

    def _edge(self, before, after):
        if self._trigger & (self.IRQ_RISING if after else self.IRQ_FALLING):
            try:
                micropython.schedule(self._queued, None)
            except RuntimeError:
                pass  # the queue is full: the edge is lost

    def _run(self, _):
        try:
            if self._handler:
                self._handler(self)
        except Exception as e:
            print("uncaught exception in Pin interrupt handler")
            sys.print_exception(e)
            self._irq(None, 0)

    def __repr__(self):
        return "Pin(%s)" % self.n


def _number(id):
    if sim.ESP32:
        if (
            isinstance(id, int)
            and 0 <= id <= 39
            and not _FLASH >> id & 1
            and id not in (20, 24, 28, 29, 30, 31)
        ):
            return id
    elif isinstance(id, int):
        if 0 <= id <= 29:
            return id
    elif id in ("LED", "WL_GPIO0", "WL_GPIO1", "WL_GPIO2"):
        return "WL_GPIO0" if id == "LED" else id
    elif isinstance(id, str) and id[:2] == "GP" and id[2:].isdigit():
        if int(id[2:]) <= 28:
            return int(id[2:])
        raise ValueError('unknown named pin "%s"' % id)
    raise ValueError("invalid pin")
