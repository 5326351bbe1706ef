"""What `scan` runs on the board: how the lines of a bus rest, who answers there, what a chip says of itself.

Needs MicroPython and nothing else, keeps nothing, and each call ends by itself within some seconds. Pins are driven low at
most, never high, so that nothing is harmed whatever is wired to them.
"""

import json
import time

from machine import Pin, SoftI2C

# how a line rests: something holds it low; only the pin's own resistor pulls it up; another does
HELD, BARE, PULLED = (0, 1, 2)

_CLOCKS = 9  # enough for any chip to finish the byte it holds the bus with
_STRETCH_US = 5000  # a chip may hold SCL for so long

bus = None  # that of the last look()


def settings():
    """Return what is wired to which pins, of the settings the node runs on: (sensors, outputs, pin of the LED)."""
    for path in ("config.json", "state/config.json"):
        try:
            with open(path) as f:
                found = json.load(f)
            led = found.get("node", {}).get("led")
            return found.get("sensors", []), found.get("outputs", []), led
        except (OSError, ValueError, AttributeError):  # the last: it is not an object
            pass
    return [], [], None


def resting(n):
    """Return how the line of pin n rests. It is free afterwards, with the pin's own pull-up."""
    pin = Pin(n, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
    time.sleep_us(500)
    if not pin.value():
        return HELD
    # Low first: an RP2350's pin that was high stays so against its own pull-down (erratum E9).
    pin.init(Pin.OPEN_DRAIN, Pin.PULL_DOWN, value=0)
    time.sleep_us(20)
    pin.value(1)
    time.sleep_us(500)
    rises = pin.value()
    pin.init(Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
    return PULLED if rises else BARE


def touch(sda, scl):
    """Return whether the lines are one. Before, a chip that our reset cut off in mid-byte is clocked to the end."""
    data = Pin(sda, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
    clock = Pin(scl, Pin.OPEN_DRAIN, Pin.PULL_UP, value=1)
    for _ in range(_CLOCKS):
        clock.value(0)
        time.sleep_us(20)
        clock.value(1)
        time.sleep_us(20)
    for level in (0, 1):  # a start, and a stop: whoever listened ends
        data.value(level)
        time.sleep_us(50)
    clock.value(0)
    time.sleep_us(500)
    together = not data.value()
    clock.value(1)
    return together


def look(sda, scl):
    """Return (SDA rests, SCL rests, they touch, addresses that answer, they do so with SDA and SCL swapped)."""
    global bus  # noqa: PLW0603 - the questions after it are about those who answered
    together = touch(sda, scl)
    rest = resting(sda), resting(scl)
    if HELD in rest or together:
        return rest[0], rest[1], together, [], False
    # A bus without resistors of its own may still work slowly, if the wires are short.
    freq = 100000 if BARE not in rest else 10000
    for swapped in (False, True):
        pins = (
            {"sda": Pin(scl), "scl": Pin(sda)} if swapped else {"sda": Pin(sda), "scl": Pin(scl)}
        )
        bus = SoftI2C(freq=freq, timeout=_STRETCH_US, **pins)
        try:
            found = list(bus.scan())
        except OSError:
            found = []
        if found or BARE in rest:
            break
    return rest[0], rest[1], False, found, bool(found) and swapped


def ask(address, written, wait_ms, n):
    """Write, wait and read; wait_ms None: without a stop between, as registers are read. Return hex digits or None."""
    for _ in range(2):
        try:
            if wait_ms is None:
                return bus.readfrom_mem(address, written[0], n).hex()
            if written:
                bus.writeto(address, written)
                time.sleep_ms(wait_ms)
            return bus.readfrom(address, n).hex()
        except OSError:
            pass


def onewire(n):
    """Return (how the line rests, ROMs that answer, in hex digits, checksums not looked at)."""
    from onewire import OneWire, OneWireError

    rest = resting(n)
    if rest == HELD:
        return rest, []
    try:
        return rest, [bytes(rom).hex() for rom in OneWire(Pin(n)).scan()]
    except (OSError, OneWireError):
        return rest, []
