"""Makes the driver of a channel, anew after each failure."""


class Builder:
    def __init__(self, driver, options, board, bus, wires):
        """driver: a class, called with the bus and the options; bus: a method of board, called with wires."""
        self.driver = driver
        self.options = options
        self.board = board
        self.bus = bus
        self.wires = wires

    def __call__(self, stuck):
        """Return a new driver. stuck: the bus may be held by a chip that was cut off."""
        if stuck and self.bus == "i2c":
            self.board.recover_i2c(*self.wires[:2])
        return self.driver(getattr(self.board, self.bus)(*self.wires), **self.options)

    def acknowledged(self):
        """Does a chip know the address? A chip that refuses everything looks to the bus as if there were none."""
        if self.bus != "i2c":
            return False
        try:
            self.board.i2c(*self.wires).writeto(self.options["address"], b"")
            return True
        except OSError:
            return False
