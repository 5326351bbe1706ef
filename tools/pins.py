"""The pins that a sensor usually has on a board, for the example, docs/sensors.md, `make config`, `make run`, `make scan` and the tests."""

from firmware.hardware import usualpins
from firmware.hardware.usualpins import USUAL, each

__all__ = ["USES", "USUAL", "each", "usual"]

_WIRES = {"i2c": ("sda", "scl"), "uart": ("tx", "rx"), "echo": ("trigger", "echo")}
# use: the settings that name its pins
USES = {use: _WIRES.get(use, ("pin",)) for use in usualpins.USES}


def usual(model: str, kind: str, bus: str) -> dict[str, int]:
    """Return the pins of a type of sensor on its bus as settings: {"sda": 21, "scl": 22}."""
    use = kind if kind in USES else bus
    return dict(zip(USES[use], each(model, use)[0], strict=True))
