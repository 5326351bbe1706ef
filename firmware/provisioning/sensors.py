"""Finds the sensors that the page offers: those that answer on the board's usual pins. Loaded for that alone.

An I2C address tells which types a chip may be; whoever wired it knows which it is. Nothing is written to it. A 1-Wire address tells
the type.
"""

from micropython import const

from firmware import forget, sensors
from firmware.hardware.usualpins import each
from firmware.settings.roms import wrong

_MOST = const(24)  # entries at most: at a faulty bus every address seems to answer


def offered(board):
    """Return entries of `sensors`, each of what may be there, sorted by bus and address. Blocks for some 100 ms."""
    found, types = [], sensors.TYPES
    for sda, scl in each(board.model, "i2c")[:1]:
        for address in _addresses(board, sda, scl):
            for kind in sorted(types):
                for row in types[kind][2]:
                    if row[0] == "address" and row[1] == "choice" and address in row[3]:
                        pins = {"sda": sda, "scl": scl, "address": address}
                        found.append(_entry(kind, types, found, pins))
    for (pin,) in each(board.model, "onewire")[:1]:
        for address in _roms(board, pin):
            found.append(_entry("ds18b20", types, found, {"pin": pin, "address": address}))
    return found[:_MOST]


def drop():
    """Forget this module, and the tables it has loaded."""
    sensors.drop()
    forget("provisioning", "sensors")
    forget("hardware", "usualpins")
    forget("settings", "roms")


def places(model):
    """Return the pins that are looked at, as text; empty for a board that is not known."""
    wires = [
        "%s pin %d" % (name, pin)
        for use, names in (("i2c", ("SDA", "SCL")), ("onewire", ("1-Wire",)))
        for pins in each(model, use)[:1]
        for name, pin in zip(names, pins)
    ]
    return ", ".join(wires)


def _addresses(board, sda, scl):
    try:
        return ["0x%02x" % address for address in board.i2c(sda, scl).scan()]
    except OSError:
        return ()  # a line is held low


def _roms(board, pin):
    # A line without a resistor answers nonsense, and its checksum is wrong.
    roms = [bytes(rom).hex() for rom in board.onewire(pin).scan()]
    return [rom for rom in roms if wrong(rom) is None]


def _entry(kind, types, found, where):
    """Return an entry. Its name is what is measured, if that is one thing, else the type, and a number: as `make scan` has it."""
    quantities = types[kind][3]
    base = quantities[0] if len(quantities) == 1 else kind
    names = [entry["name"] for entry in found]
    number = 1
    while "%s-%d" % (base, number) in names:
        number += 1
    entry = {"name": "%s-%d" % (base, number), "type": kind}
    entry.update(where)
    return entry
