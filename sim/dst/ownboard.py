"""The board of a story: its flash, its address, its chance, and the names under which it has been at the brokers."""

from norram import Flash

import sim

_BLOCKS = 48


class Board:
    def __init__(self, random, truth):
        self.random = random
        self.truth = truth
        self.flash = Flash(random.fork(), _BLOCKS)
        self.urandom = random.fork()
        self.mac = b""
        self.names = set()  # under which this flash has been at the brokers
        self.first_tick = 0
        self.sick_reads = 0  # of the flash, from power-on to EIO
        self.spoil = []  # (name, content) of files of state/ that somebody spoils

    def draw_mac(self):
        self.mac = self.random.bytes(3)

    def erase(self):
        """It knows nothing any more: erased, or another one."""
        self.flash = Flash(self.random.fork(), _BLOCKS)
        self.truth.erased()
        self.truth.exact = False
        self.names.clear()

    def id(self):
        unique = sim.mac() if sim.ESP32 else b"\xe6\x61\x64\x08\x43" + sim.mac()[3:]
        return unique.hex()

    def name(self):
        """The one that it has of its hardware."""
        return ("esp32-" if sim.ESP32 else "picow-") + self.id()[-6:]

    def take_name(self):
        """Its file system is there: under which name does it live?"""
        life = self.truth.life
        try:
            with open("state/alias") as f:
                held = f.read().rpartition(" ")[0]
        except (OSError, UnicodeError):
            return
        if held == life.node and not self.truth.spoiled:
            life.node = "%s-%s" % (held, self.id()[-6:])
            self.names.add(life.node)
