"""Contacts that bounce, a PIR sensor that does not, and a source of pulses."""

_BOUNCE_MS = (1, 2, 4, 5)  # after a contact closed or opened it is the other way, and back

# unit: what of the world it is the rate of, how much of the unit that is, in how many of its times an hour passes
_RATES = {
    "mm/h": ("rain", 1, 1),
    "m/s": ("wind", 1, 3600),
    "km/h": ("wind", 3.6, 1),
    "L/min": ("flow", 1, 60),
    "L/h": ("flow", 60, 1),
    "W": ("load", 1, 1),
    # Nobody knows what is counted: something.
    "1/s": ("wind", 1, 3600),
    "1/min": ("wind", 1, 60),
    "1/h": ("wind", 1, 1),
}


class Contact:
    """A contact to ground, or with `active` 1 to 3.3 V. Open, it leaves the pin to its resistor."""

    def __init__(self, sim, pin, active=0, bounces=True):
        self.sim = sim
        self.wire = sim.pin(pin)
        self.active = active
        self.bounces = bounces
        self.closed = None

    def move(self, closed):
        if closed == self.closed:
            return
        first, self.closed = self.closed is None, closed
        self.touch(closed)
        if self.bounces and not first:
            for i, ms in enumerate(_BOUNCE_MS):
                self.sim.after(ms, lambda touches=closed == bool(i & 1): self.touch(touches))

    def touch(self, closed):
        self.wire.drive(self.active if closed else None)


class Output(Contact):
    """An output: drives the pin both ways."""

    def touch(self, closed):
        self.wire.drive(self.active if closed else 1 - self.active)


class Pulses:
    """A contact that closes for each pulse, and then stays open for a while."""

    def __init__(self, contact, closed_ms, open_ms):
        self.contact = contact
        self.closed_ms = closed_ms
        self.open_ms = open_ms
        self.waiting = 0
        self.busy = False
        contact.move(False)

    def tip(self):
        self.waiting += 1
        if not self.busy:
            self._close()

    def _close(self):
        self.busy = self.waiting > 0
        if self.busy:
            self.waiting -= 1
            self.contact.move(True)
            self.contact.sim.after(self.closed_ms, self._open)

    def _open(self):
        self.contact.move(False)
        self.contact.sim.after(self.open_ms, self._close)


def attach(setting, world, sim):
    name, pin = setting["name"], setting["pin"]
    active = 1 if setting.get("pull", "up") == "down" else 0
    if setting["type"] == "pulse":
        # Whoever sets the debounce time knows the contact: it is open again, bounce and all, before that is over.
        debounce_ms = setting.get("debounce_ms", 50)
        contact = Contact(sim, pin, active, bounces=debounce_ms >= 20)
        pulses = Pulses(contact, max(debounce_ms * 7 // 10, 1), debounce_ms + 1)
        world.on_tip(name, pulses.tip, _pulses_per_hour(setting, world))
        return
    kind = setting.get("kind", "button")
    if kind == "pir":
        contact = Output(sim, pin, active=1, bounces=False)
    else:
        contact = Contact(sim, pin, active)
    # The world says "opened": that is pressed for a button, motion for a PIR sensor.
    inverted = bool(setting.get("invert", False)) != (kind == "reed")
    world.on_door(name, lambda opened: contact.move(opened != inverted), kind)


def _pulses_per_hour(setting, world):
    quantity, amount, times = _RATES[setting.get("unit", "1/min")]
    per_pulse = setting.get("per_pulse", 1)
    return lambda: world.get(quantity, setting["name"]) * amount * times / per_pulse
