"""SHTC3 over the simulated I2C bus."""

import chipstand
from chips import shtc3 as chips
from chipstand import failure, measure, nearly

import sim
from drivers.shtc3 import SHTC3

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Stand(chipstand.I2C):
    """A chip at 0x70."""

    def __init__(self):
        super().__init__(chips.Chip, 0x70, AIR)


def test_a_chip_that_sleeps_is_woken():
    stand = Stand()
    stand.chip.write(b"\xb0\x98")  # another program's
    assert stand.i2c.scan() == []
    near(measure(SHTC3(stand.i2c)), AIR)
    assert stand.i2c.scan() == [0x70]


def test_it_is_told_to_measure_temperature_first():
    stand = Stand()
    measure(SHTC3(stand.i2c))
    assert stand.chip.commands == [0x3517, 0x805D, 0xEFC8, 0x7866]


def test_another_chip():
    stand = Stand()
    for id in (0x0807, 0xFFC7, 0x0887):  # only six bits are the product's
        stand.chip.id = id
        near(measure(SHTC3(stand.i2c)), AIR)
    for id in (0x0806, 0x0827, 0x0007, 0xFFFF, 0x0000):
        stand.chip.id = id
        text = "chip id 0x%04x; expected an SHTC3 (0x0807)" % id
        assert failure(SHTC3, stand.i2c) == text, text
