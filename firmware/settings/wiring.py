"""Can the sensors be wired like this: the pins of the board, and who shares which bus."""

from firmware.hardware.pins import PINS

_LISTS = {
    "sda": "output",
    "scl": "output",
    "onewire": "output",
    "tx": "output",
    "rx": "input",
}  # use of a pin: list in PINS, if not its name

# Of PWM: how many pins, and different frequencies; one more, and the port raises. A Pico has one for each pin of the first 16.
_PWM = {
    "esp32": (16, 8),
    "esp32s2": (8, 4),
    "esp32s3": (8, 4),
    "esp32c3": (6, 4),
    "esp32c6": (6, 4),
}


class Wiring:
    """model: key of PINS; of another board, or None, the pins are taken as they are."""

    def __init__(self, model, fault):
        """fault: called with path, what is wrong, what would be right."""
        self.model = model
        self.board = PINS.get(model)
        self.pico = model is not None and model.startswith("pico")
        self.fault = fault
        self.holders = {}  # pin: (path of the setting that has it, what others must have in common)
        self.members = {}  # bus: [(path, settings) of the sensors on it]
        self.uarts = {}  # number of the serial port: path
        self.pwms = []  # (path, pin, frequency) of the outputs that are dimmed
        self.controllers = {}  # Pico: I2C controller: (path, bus)

    def label(self, pin):
        return "%s%d" % ("GP" if self.pico else "GPIO", pin)

    def pin(self, path, pin, use):
        """Check one pin for "input", "output", "adc", or a wire of a bus."""
        ranges = self.board[_LISTS.get(use, use)] if self.board else "0-48"
        if within(pin, ranges):
            return True
        why = "does not exist on this board"
        if self.board:
            for others, text in self.board["why"]:
                if within(pin, others):
                    why = text
                    break
        self.fault(path, "%s %s" % (self.label(pin), why), "give one of " + ranges)
        return False

    def sensor(self, path, settings, rows):
        """Check the pins of a sensor against those of the sensors before it."""
        bus = None
        free = True
        for key, kind, _, use, _ in rows:
            pin = settings[key]
            if kind != "pin" or pin is None:
                continue
            common = None
            if use in ("sda", "scl"):
                bus = (settings["sda"], settings["scl"])
                common = (use,) + bus
            elif use == "onewire":
                common = bus = (pin,)
            free = self.claim("%s.%s" % (path, key), pin, common) and free
        if not free:
            return
        if bus and None not in bus:
            self.bus(path, settings, bus)
        if settings.get("tx") is not None and settings.get("rx") is not None:
            self.uart(path, settings["tx"], settings["rx"])
        pin = settings.get("pin")
        if (
            self.board
            and pin is not None
            and settings.get("pull")
            and not within(pin, self.board["pull"])
        ):
            wrong = "%s has no resistor inside" % self.label(pin)
            self.fault(path + ".pull", wrong, "give null and wire one of about 10 kΩ")

    def claim(self, place, pin, common=None):
        """One user a pin; those that have the same in common may share it. Return whether it is free."""
        holder, theirs = self.holders.setdefault(pin, (place, common))
        if holder == place or (common is not None and common == theirs):
            return True
        right = "give a free pin"
        if common and theirs and common[0] == theirs[0]:
            if None in common + theirs:
                return True  # the other wire of a bus is at fault, which has been told
            right = "give the other wire of that bus, too, or a free pin"
        self.fault(place, "%s is %s already" % (self.label(pin), holder), right)
        return False

    def bus(self, path, settings, bus):
        if self.pico and len(bus) == 2:
            self.controller(path, bus)
        if bus not in self.members:
            self.members[bus] = []
        for other, theirs in self.members[bus]:
            if settings.get("freq") != theirs.get("freq"):
                self.fault(
                    path + ".freq",
                    "differs from that of %s on the same bus" % other,
                    "give both the same",
                )
                break
        for other, theirs in self.members[bus]:
            address = settings.get("address")
            other_address = theirs.get("address")
            # of a 1-Wire chip, its digits in small letters and in large are the same
            if address is not None and (
                str(address).lower() == str(other_address).lower()
                or "" in (address, other_address)
            ):
                # One chip with several inputs is several sensors.
                if (
                    settings["type"] == theirs["type"]
                    and "input" in settings
                    and settings["input"] != theirs["input"]
                ):
                    continue
                self.fault(
                    path + ".address",
                    "does not tell it from %s on the same bus" % other,
                    "give each its own",
                )
                break
        self.members[bus].append((path, settings))

    def uart(self, path, tx, rx):
        """Check the pins of a serial port, and that there is one left: the first is the console's on an ESP32."""
        if self.pico:
            number = (tx + 4) >> 3 & 1
            if tx & 3:
                wrong = "%s is no TX pin" % self.label(tx)
                self.fault(path + ".tx", wrong, "give one of 0 4 8 12 16 20")
                if rx & 3 != 1:
                    wrong = "%s is no RX pin" % self.label(rx)
                    self.fault(path + ".rx", wrong, "give the one after tx")
            elif rx & 3 != 1 or (rx + 4) >> 3 & 1 != number:
                wrong = "%s is not RX of UART%d" % (self.label(rx), number)
                self.fault(path + ".rx", wrong, "give the one after tx, " + self.label(tx + 1))
            else:
                self.port(path, number)
        else:
            self.port(path, len(self.uarts))

    def port(self, path, number):
        other = self.uarts.setdefault(number, path)
        if other != path:
            right = "give pins of UART%d" % (1 - number)
            self.fault(path + ".tx", "UART%d is that of %s already" % (number, other), right)
        elif self.board and number >= self.board.get("uarts", 2):
            self.fault(path, "this board has no serial port left", "leave it out")

    def pwm(self, path, pin, freq):
        """Check an output that is dimmed against those before it."""
        self.pwms.append((path, pin, freq))
        pins, freqs = _PWM.get(self.model, (16, 16))
        if len(self.pwms) > pins:
            self.fault(path, "this board has no PWM left", "leave it out, or make it a switch")
        elif len({each[2] for each in self.pwms}) > freqs:
            right = "give one of the others'"
            self.fault(path + ".freq", "is one too many for this board", right)
        for other, theirs, their_freq in self.pwms[:-1] if self.pico else ():
            # RP2040 data sheet, 4.5.2: GP16 is GP0 again, and a pair of pins has one frequency.
            if (pin ^ theirs) & 15 == 0:
                why = "%s has the PWM of %s" % (self.label(pin), other)
                self.fault(path + ".pin", why, "give another pin, not 16 from it")
            elif (pin ^ theirs) & 14 == 0 and freq != their_freq:
                why = "differs from that of %s, whose pin has the same PWM" % other
                self.fault(path + ".freq", why, "give both the same")

    def controller(self, path, bus):
        """Check the pins of a Pico's I2C: each belongs to one of two controllers, as SDA or as SCL."""
        sda, scl = bus
        number = (sda >> 1) & 1
        if sda & 1:
            self.fault(path + ".sda", "%s is an SCL pin" % self.label(sda), "give an even one")
            if not scl & 1:
                self.fault(path + ".scl", "%s is an SDA pin" % self.label(scl), "give an odd one")
        elif not scl & 1 or (scl >> 1) & 1 != number:
            right = "give one of " + ("3 7 11 15 19 27" if number else "1 5 9 13 17 21")
            self.fault(path + ".scl", "%s is not SCL of I2C%d" % (self.label(scl), number), right)
        else:
            other, theirs = self.controllers.setdefault(number, (path, bus))
            if theirs != bus:
                right = "give those, or pins of I2C%d" % (1 - number)
                self.fault(
                    path + ".sda", "I2C%d is on the pins of %s already" % (number, other), right
                )


def within(pin, ranges):
    """Is this pin number in ranges such as "0 2 4-5"?"""
    for part in ranges.split():
        first, _, last = part.partition("-")
        if int(first) <= pin <= int(last or first):
            return True
    return False
