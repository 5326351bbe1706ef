"""Chips behind lines that a board moves edge by edge, for chipserver.py: DHT, 1-Wire, and I2C where it is bit-banged.

The other fakes stand in for the whole of `dht` and `onewire`; here it is the line itself that is answered.
`edge(n, us, low)`: the board pulls pin n low or lets go of it, at so many microseconds. What the line does later is
returned as (level, microseconds from now), what it does now is its wire's level.
"""

import onewire

import sim

# Source: Aosong AM2302 product manual.
_START_US = 800  # so long the board must have pulled at least
_ANSWERS_US = 30
_READY_US = 80
_GAP_US = 50
_BIT_US = (26, 70)

# Source: Maxim DS18B20 data sheet: "Initialization", "Read/Write Time Slots".
_RESET_US = 480
_PRESENT_US = 30
_PRESENCE_US = 120
_ONE_US = 15
_HOLD_US = 30


class DhtLine:
    def __init__(self, n):
        self.n = n
        self.low_at = None

    def edge(self, n, us, low):
        began, self.low_at = self.low_at, us if low else None
        if low or began is None or us - began < _START_US:
            return ()
        chip = sim.on_pin(sim.dht_devices, self.n)
        frame = chip.frame() if chip else None
        if frame is None:
            return ()
        at = _ANSWERS_US
        changes = [(0, at), (1, at + _READY_US)]
        at += 2 * _READY_US
        for byte in frame:
            for i in range(7, -1, -1):
                changes += [(0, at), (1, at + _GAP_US)]
                at += _GAP_US + _BIT_US[byte >> i & 1]
        return changes + [(0, at), (1, at + _GAP_US)]


class OneWireLine:
    """One line, whoever is on it: the fake bus knows what each slot means."""

    class _Pin:
        OPEN_DRAIN = PULL_UP = 0

        def __init__(self, n):
            self.n = n

        def init(self, mode, pull):
            pass

    def __init__(self, n):
        self.wire = sim.pin(n)
        self.bus = onewire.OneWire(self._Pin(n))
        self.fell_at = None
        self.reads = False
        self._slot = 0  # of a search
        self._byte = []  # bits of a byte that is being read
        self._fresh = False  # of which none was taken yet

    def edge(self, n, us, low):
        if low:
            self.fell_at = us
            self.reads = self._board_reads()
            if self.reads and not self._bit():
                self.wire.level = 0
            return ()
        if self.fell_at is None:
            return ()
        width = us - self.fell_at
        held = self.wire.level is not None
        self.wire.level = None
        if width >= _RESET_US:
            self._slot = 0
            self._byte = []
            if self.bus.reset():
                return (0, _PRESENT_US), (1, _PRESENT_US + _PRESENCE_US)
        elif self.reads:
            self._taken()
            self._slot += 1
            if held and width < _HOLD_US:
                return (0, 0), (1, _HOLD_US - width)
        else:
            self._slot = self._slot + 1 if self.bus._state == "search" else 0
            self.bus.writebit(int(width < _ONE_US))
        return ()

    def _board_reads(self):
        """Does the board read in this slot? It looks like one in which it writes a 1."""
        state = self.bus._state
        if state == "search":
            return self._slot % 3 != 2
        if state == "chip":
            return any(not chip.listens() for chip in self.bus._on)
        return state == "rom"

    # What began as a slot may become a reset pulse: nothing is taken from a chip before that is known.

    def _bit(self):
        if self.bus._state != "chip":
            place, half = self.bus._place, self.bus._half
            bit = self.bus.readbit()
            self.bus._place, self.bus._half = place, half
            return bit
        if not self._byte:
            byte = 0xFF
            for chip in self.bus._on:
                before = dict(chip.__dict__)
                byte &= type(chip).read_byte(chip)
                for key, value in before.items():
                    setattr(chip, key, value)
            self._byte = [byte >> i & 1 for i in range(8)]
            self._fresh = True
        return self._byte[0]

    def _taken(self):
        if self.bus._state != "chip":
            self.bus.readbit()
            return
        if self._fresh:
            self._fresh = False
            self.bus.readbyte()
        del self._byte[0]


class I2cLine:
    """A bus of bit-banged I2C: SoftI2C, and a Pico's writes of nothing, by which it scans.

    A chip hears a message when it is over: a byte that it refuses is acknowledged all the same.
    """

    def __init__(self, server, sda, scl):
        self.server = server  # whose answers to chips.mjs are the same
        self.pins = "%d,%d" % (sda, scl)
        self.sda, self.scl = sda, scl
        self.wire = sim.pin(sda)
        self.low = {sda: False, scl: False}  # by the board
        self.phase = None  # "address", "write", "read": what the next bits are
        self.clocks = 0  # since the start of the byte
        self.byte = 0
        self.written = b""
        self.given = b""
        self.taken = 0

    def edge(self, n, us, low):
        self.low[n] = low
        if n == self.scl:
            if low:
                self._fell()
            else:
                self._rose()
        elif not self.low[self.scl]:
            self._end()
            if low:  # a start condition
                self.phase = "address"
                self.clocks = self.byte = 0
            else:
                self.server.on_stop(self.pins)
        return ()

    def _end(self):
        if self.written:
            self.server.on_write(self.pins, self.written.hex())
        if self.given:
            self.server.on_took(self.pins, self.taken)
        self.written = self.given = b""
        self.phase = self.wire.level = None

    def _rose(self):
        self.clocks += 1
        one = not self.low[self.sda]
        if self.clocks <= 8:
            self.byte = self.byte << 1 & 0xFF | one
        elif self.phase == "read" and one:  # it wants no more
            self.taken += 1
            self.phase = "idle"

    def _fell(self):
        clocks = self.clocks
        if clocks == 9:
            self.clocks = 0
            self.wire.level = None
            if self.phase == "read":
                self.taken += 1
            elif self.phase == "read next":
                self.phase = "read"
        if clocks == 8 and self.phase in ("address", "write"):
            self._byte_came()
        if self.phase == "read":
            self._show()

    def _byte_came(self):
        if self.phase == "write":
            self.written += bytes((self.byte,))
        else:
            mode = "r" if self.byte & 1 else "w"
            word = self.server.on_address(self.pins, self.byte >> 1, mode, None)
            self.phase = "idle" if word == "-" else "write" if mode == "w" else "read next"
            if self.phase == "read next":
                self.given = bytes.fromhex(word)
                self.taken = 0
        if self.phase != "idle":
            self.wire.level = 0

    def _show(self):
        bit = 1 if self.clocks == 8 else self.given[self.taken] >> (7 - self.clocks) & 1
        self.wire.level = None if bit else 0
