"""What `scan` takes from the node's settings: which pins to look at, what is known of a chip, and the lines for what was found."""

import json
from dataclasses import dataclass

from tools import CommandError
from tools import pins as usual
from tools.settings import judge
from tools.settings.newconfig import new_name

# What `check` wants beside sensors.
_REST = {
    "wifi": {"networks": [{"ssid": "any"}]},
    "mqtt": {"brokers": [{"host": "any"}]},
}


@dataclass
class Chip:
    """One that answers. types: those it may be, the likeliest first; pins and address: as in its settings."""

    types: list
    pins: dict
    address: str
    proved: bool = True


class Known:
    """The sensors, outputs and LED of a config that may be anything, on a board of a model that may be unknown (None)."""

    def __init__(self, model, sensors, outputs, led):
        self.model = model
        self.config, self.types = judge.node()
        self.sensors = _objects(sensors)
        self.names = {entry.get("name") for entry in self.sensors + _objects(outputs)}
        self.taken = {_pin(entry, "pin") for entry in _objects(outputs)} | {led}
        for entry in self.sensors:
            self.taken |= {_pin(entry, row[0]) for row in self._rows(entry) if row[1] == "pin"}

    def _rows(self, entry):
        return self._type(entry)[2]

    def _type(self, entry):
        kind = entry.get("type")
        return self.types.get(kind if isinstance(kind, str) else "", ("", "", (), ()))

    # which pins

    def label(self, pin):
        return self._wiring([]).label(pin)

    def _wiring(self, faults):
        from firmware.settings.wiring import Wiring

        return Wiring(self.model, lambda _, wrong, right: faults.append(f"{wrong}, {right}"))

    def _faults(self, pins):
        """Why these cannot be the wires of one bus, empty if they can."""
        faults: list[str] = []
        wiring = self._wiring(faults)
        if len(set(pins)) < len(pins):
            faults.append("SDA and SCL are the same pin, give two")
        elif all(wiring.pin("", pin, "output") for pin in pins) and wiring.pico and len(pins) == 2:
            wiring.controller("", pins)
        return faults

    def pairs(self, asked, everywhere):
        """The pairs of SDA and SCL to look at: those asked for, else those of the config, else the usual one."""
        others = usual.each(self.model, "i2c")
        if everywhere and self.model in ("pico_w", "pico2_w"):
            others += [(pin, pin + 1) for pin in range(0, 28, 2)]
        return self._choose(asked, everywhere, ("sda", "scl"), others)

    def wires(self, asked, everywhere):
        """The pins to look for 1-Wire at."""
        others = usual.each(self.model, "onewire")
        if everywhere and self.model in ("pico_w", "pico2_w"):
            others += [(pin,) for pin in range(29)]
        found = self._choose([(pin,) for pin in asked], everywhere, ("pin",), others)
        return [pin for (pin,) in found]

    def _choose(self, asked, everywhere, keys, others):
        for fault in [fault for pins in asked for fault in self._faults(pins)]:
            raise CommandError(fault)
        bus = "i2c" if "sda" in keys else "onewire"
        named = [
            tuple(_pin(entry, key) for key in keys)
            for entry in self.sensors
            if self._type(entry)[1] == bus
        ]
        chosen = asked or [pins for pins in named if None not in pins and not self._faults(pins)]
        if everywhere or not chosen:
            # what the config has for something else is left alone: it may be a relay
            chosen += [
                pins
                for pins in (others if everywhere else others[:1])
                if not self.taken & set(pins) and not self._faults(pins)
            ]
        return list(dict.fromkeys(chosen))

    # what the config says of a chip

    def candidates(self, address):
        """The types that can be at an I2C address."""
        return [
            kind
            for kind, (_, bus, rows, _) in self.types.items()
            if bus == "i2c" and any(row[0] == "address" and address in row[3] for row in rows)
        ]

    def on_bus(self, pins):
        """[(entry, its address as text)] of a bus."""
        found = []
        for entry in self.sensors:
            default = [row[2] for row in self._rows(entry) if row[0] == "address"]
            if default and all(entry.get(key) == pin for key, pin in pins.items()):
                found.append((entry, str(entry.get("address", default[0])).lower()))
        return found

    def entries_of(self, chip):
        """The entries of a chip. One of a 1-Wire chip may have no address: it is for the only one there."""
        return [
            entry for entry, address in self.on_bus(chip.pins) if address in (chip.address, "")
        ]

    # the lines

    def entries(self, chips):
        """Return (entries of `sensors` for the chips, which pass `check` together; why others are not among them).

        What the config has already stays as it is; another chip in its place takes its name.
        """
        kept: list[dict] = []
        remarks = []
        for chip in chips:
            theirs = self.entries_of(chip)
            if "pin" in chip.pins and sum(other.pins == chip.pins for other in chips) > 1:
                theirs = [entry for entry in theirs if entry.get("address")]
            same = [entry for entry in theirs if entry["type"] == chip.types[0]]
            if same and not self._check(kept + same):
                kept += [self._in_order(entry) for entry in same]
                continue
            names = [entry["name"] for entry in theirs if isinstance(entry.get("name"), str)]
            taken = self.names | {entry["name"] for entry in kept}
            for name in [*names[:1], new_name(chip.types[0], self.types, taken)]:
                entry = self._entry(chip, name, theirs)
                faults = self._check([*kept, entry])
                if not faults:
                    kept.append(entry)
                    break
            else:
                remarks.append(
                    f"{chip.types[0]} {chip.address} is left out: {faults[0].partition(': ')[2]}"
                )
        return kept, remarks

    def _check(self, sensors):
        return self.config.check({**_REST, "sensors": sensors}, self.types, self.model)[1]

    def _entry(self, chip, name, theirs):
        entry = {"name": name, "type": chip.types[0]}
        entry |= _first("interval_s", theirs) | chip.pins
        # those on one bus must agree
        entry |= _first("freq", [other for other, _ in self.on_bus(chip.pins)])
        return entry | {"address": chip.address}

    def _in_order(self, entry):
        """As people write it: MicroPython's dict has no order."""
        from firmware.settings.entries import SENSOR

        order = [row[0] for row in (*SENSOR, *self._rows(entry))]
        return {key: entry[key] for key in sorted(entry, key=order.index)}


def _objects(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _first(key, entries):
    """{key: value} of the first that has it."""
    return next(({key: entry[key]} for entry in entries if key in entry), {})


def _pin(entry, key):
    return entry[key] if isinstance(entry.get(key), int) else None


def quoted(entry):
    """The name of an entry, as it stands in the config."""
    return json.dumps(entry.get("name"), ensure_ascii=False)
