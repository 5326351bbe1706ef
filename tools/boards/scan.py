"""Find the sensors on a board's I2C and 1-Wire pins, and print their lines for config.json.

The pins are those of the board's own config.json, else the usual ones. The node is stopped for it, and restarted at the end.
What has no address (DHT, voltages, contacts, serial ports) cannot be found.
"""

import argparse
import functools
import json
import sys
from pathlib import Path

from tools import CommandError, Stopped, said
from tools.boards import ports, scan_ids
from tools.boards.ports import LOST, UNSUITABLE
from tools.boards.scan_config import Chip, Known, quoted
from tools.boards.serialboard import Link, LinkLost
from tools.models import MICROPYTHON, model_of
from tools.numbers import whole

_ATTEMPTS = 3  # a watchdog that was armed already may bite before it is fed
_NONSENSE = 40  # so many chips are on no bus
_HELD, _BARE = 0, 1  # how a line rests, as in scan_probe.py
_NO_POWER = "wired to ground, or what is wired to it has no power"

_IDENTIFY = """
import sys
_i = sys.implementation
print("@" + repr((_i.name, tuple(_i.version[:3]), getattr(_i, "_machine", "a board"))))
"""
# After scan_probe.py. The watchdog brings the node back, should this program or the cable go away.
_TELL = """
import machine
_dog = machine.WDT(timeout=8000)
def _tell(value):
    _dog.feed()
    print("@" + repr(value))
"""


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{ports.EXIT_CODES}  {LOST}  the board went away in the middle\n"
    ports.add_port(parser)
    parser.add_argument(
        "port", nargs="?", default=argparse.SUPPRESS, metavar="PORT", help="the same"
    )
    for name, text in (
        ("sda", "I2C data pin, with its --scl (both may be repeated)"),
        ("scl", "I2C clock pin"),
        ("onewire", "1-Wire data pin (may be repeated)"),
    ):
        parser.add_argument(
            "--" + name, type=whole(0), action="append", default=[], metavar="N", help=text
        )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also try the board's other pins; those the config has for something else are left alone",
    )
    parser.add_argument(
        "--json", action="store_true", help="only the lines for config.json; the rest to stderr"
    )


def run(args):
    if len(args.sda) != len(args.scl):
        raise CommandError("each SDA= goes with an SCL=, as SDA=21 SCL=22")
    entries, _ = _found(args)
    if args.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
    elif entries:
        lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in entries)
        print(f'\nfor config.json:\n\n"sensors": [\n{lines}\n]')
    return 0


def found(port):
    """Return (entries of `sensors` for what answers on a board's pins, its model or None); what there is to say goes to stderr."""
    return _found(argparse.Namespace(port=port, sda=[], scl=[], onewire=[], all=False, json=True))


def _found(args):
    with Link(ports.find(args.port)) as link:
        scan = Scan(link, args)
        try:
            return scan.whole(), scan.known.model
        except KeyboardInterrupt:
            print("\nstopped; the node restarts", file=sys.stderr)
            raise Stopped from None
        finally:
            link.restart()


class Scan:
    def __init__(self, link, args):
        self.link = link
        self.args = args
        self.say = functools.partial(
            print, file=sys.stderr if args.json else sys.stdout, flush=True
        )

    def whole(self):
        """Return the entries of `sensors` for all that answers and has a driver."""
        for attempt in range(_ATTEMPTS):
            try:
                self._begin()
                chips = self._i2c() + self._onewire()
                break
            except LinkLost:
                if attempt == _ATTEMPTS - 1 or not self.link.awaited():
                    raise
                self.say("the board does not answer (a restart, by its watchdog?): once more")
        entries, remarks = self.known.entries(chips)
        for remark in remarks:
            self.say(remark)
        return entries

    def _begin(self):
        self.link.enter()
        name, version, machine = self.link.answer(_IDENTIFY)
        release = ".".join(str(number) for number in version)
        self.say(f"{self.link.port}: {machine}, {name} {release}")
        if name != "micropython" or version < MICROPYTHON:
            oldest = ".".join(str(number) for number in MICROPYTHON)
            raise CommandError(
                f"the board runs {name} {release}, Outpost needs MicroPython {oldest} or newer: "
                f"make flash PORT={self.link.port}",
                UNSUITABLE,
            )
        self.link.run(
            Path(__file__).with_name("scan_probe.py").read_text(encoding="utf-8") + _TELL
        )
        self.known = Known(model_of(machine), *self._call("settings()", most=40_000))
        self.in_use = set()  # pins of an I2C bus that was found

    def _call(self, code, most=4000):
        (answer,) = self.link.answers(f"_tell({code})", most=most)
        return answer

    # I2C

    def _i2c(self):
        asked = list(zip(self.args.sda, self.args.scl, strict=True))
        if self.args.onewire and not asked and not self.args.all:
            return []
        pairs = self.known.pairs(asked, self.args.all)
        if not pairs:
            self.say(said("I2C: no pins are known or free: give SDA= and SCL="))
        return [chip for pair in pairs for chip in self._bus(*pair)]

    def _bus(self, sda, scl):
        """Say who is on one bus. Returns the Chips that have a driver."""
        title = f"I2C, SDA {self.known.label(sda)}, SCL {self.known.label(scl)}:"
        sda_rests, scl_rests, touch, addresses, swapped = self._call(f"look({sda}, {scl})")
        rests = {f"SDA ({self.known.label(sda)})": sda_rests}
        rests[f"SCL ({self.known.label(scl)})"] = scl_rests
        if fault := _why_no_bus(rests, touch, addresses):
            self.say(title, fault)
            return []
        self.say(title + ("" if addresses else " nothing answers"))
        if addresses:
            self.in_use |= {sda, scl}
            if _BARE in rests.values():
                self.say("  no pull-up resistors: wire 4.7 kΩ from SDA and from SCL to 3.3 V")
        pins = {"sda": sda, "scl": scl}
        if swapped:
            self.say("  SDA and SCL are swapped: swap the wires, or the pins in config.json")
            pins = {"sda": scl, "scl": sda}
        chips = [self._chip(pins, address) for address in addresses]
        self._say_absent(pins, [f"0x{address:02x}" for address in addresses])
        return [chip for chip in chips if chip]

    def _chip(self, pins, address):
        """Ask a chip what it is, and say so. Returns a Chip, None if it has no driver."""

        @functools.cache
        def ask(question):
            written, wait_ms, size = question
            answer = self._call(f"ask({address}, {written!r}, {wait_ms!r}, {size})")
            return bytes.fromhex(answer) if answer else None

        text = f"0x{address:02x}"
        names, proved, driver = scan_ids.identify(self.known.candidates(text), address, ask)
        if not driver:
            what = " or ".join(names) or "unknown"
            self.say(f"  {text}  {what if proved or not names else f'perhaps {what}'}: no driver")
            return None
        chip = Chip(names, pins, text, proved)
        theirs = self.known.entries_of(chip)
        likely = [entry["type"] for entry in theirs if entry["type"] in names]
        if likely:
            chip.types = likely[:1]
        what = " or ".join(chip.types) + ("" if proved else ", as far as the address tells")
        for entry in theirs:
            says = "" if entry["type"] in chip.types else f" says {entry['type']}"
            what += f"; {quoted(entry)} in config.json{says}"
        self.say(f"  {text}  {what}")
        return chip

    # 1-Wire

    def _onewire(self):
        if self.args.sda and not self.args.onewire and not self.args.all:
            return []
        pins = self.known.wires(self.args.onewire, self.args.all)
        if not pins:
            self.say(said("1-Wire: no pin is known or free: give ONEWIRE="))
        return [chip for pin in pins if pin not in self.in_use for chip in self._wire(pin)]

    def _wire(self, pin):
        """Say who is on one wire. Returns the Chips that have a driver."""
        title = f"1-Wire, {self.known.label(pin)}:"
        roms, spoilt = set(), set()
        for _ in range(3):  # a long wire now and then loses a bit
            rests, answers = self._call(f"onewire({pin})", most=8000)
            spoilt = {rom for rom in answers if not scan_ids.rom_is_sound(rom)}
            roms |= set(answers) - spoilt
            if not spoilt:
                break
        if rests == _HELD:
            self.say(title, f"is held low: {_NO_POWER}")
            return []
        if not (roms or spoilt):
            if rests != _BARE or not self.args.all or self.known.on_bus({"pin": pin}):
                self.say(f"{title} nothing answers")
        else:
            self.say(title)
            if rests == _BARE:
                self.say("  no pull-up resistor: wire 4.7 kΩ from data to 3.3 V")
            if spoilt:
                self.say("  a wrong checksum: look at the wire and its pull-up resistor")
        families = {rom: scan_ids.family(rom) for rom in sorted(roms)}
        chips = [Chip([kind], {"pin": pin}, rom) for rom, (_, kind) in families.items() if kind]
        for rom, (name, kind) in families.items():
            for chip in [chip for chip in chips if chip.address == rom]:
                for entry in self.known.entries_of(chip):
                    if entry.get("address") or len(chips) == 1:
                        name += f"; {quoted(entry)} in config.json"  # noqa: PLW2901
            self.say(f"  {rom}  {name}{'' if kind else ': no driver'}")
        self._say_absent({"pin": pin}, [chip.address for chip in chips])
        return chips

    def _say_absent(self, pins, addresses):
        """What the config has on a bus, and is not there."""
        for entry, address in self.known.on_bus(pins):
            what = (
                f"  {quoted(entry)} in config.json ({' '.join((entry['type'], address)).strip()})"
            )
            if address == "" and len(addresses) > 1:
                self.say(f"{what} has no address: give it one of these")
            elif address not in (addresses if address else addresses[:1] and [""]):
                self.say(f"{what} does not answer")


def _why_no_bus(rests, touch, addresses):
    """rests: how each line rests. Returns None if it is a bus, with or without chips."""
    held = [wire for wire, how in rests.items() if how == _HELD]
    if held:
        return f"{' and '.join(held)} {'is' if len(held) == 1 else 'are'} held low: {_NO_POWER}"
    if touch:
        return "SDA and SCL touch each other"
    if len(addresses) > _NONSENSE:
        return (
            f"{len(addresses)} addresses answer: no bus, look at the wires and pull-up resistors"
        )
