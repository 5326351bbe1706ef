"""SHT40, SHT41 and SHT45 over the simulated I2C bus."""

import chipstand
from chips import sht4x as chips
from chipstand import NACK, RANGE, failure, measure, nearly

import sim
from drivers.sht4x import SHT4X

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Stand(chipstand.I2C):
    """A chip at 0x44."""

    def __init__(self):
        super().__init__(chips.Chip, 0x44, AIR)


def test_humidity_stays_within_0_and_100():
    stand = Stand()
    driver = SHT4X(stand.i2c)
    for percent, shown in ((-5.9, 0.0), (-0.5, 0.0), (100.5, 100.0), (118.9, 100.0)):
        stand.truth = (21.5, percent)
        near(measure(driver), (21.5, shown))


def test_the_ends_of_the_humidity_are_no_value():
    stand = Stand()
    driver = SHT4X(stand.i2c)
    for stand.truth in ((21.5, -6.0), (21.5, 119.0)):
        assert failure(measure, driver) == RANGE, stand.truth


def test_while_it_heats_it_does_not_answer():
    stand = Stand()
    stand.chip.write(b"\x32")  # another program's
    assert failure(SHT4X, stand.i2c) == NACK
    sim.advance(110)
    near(measure(SHT4X(stand.i2c)), AIR)


def test_an_sht3x_is_named():
    from chips import sht3x

    stand = Stand()
    sim.i2c_devices.clear()
    sim.i2c_attach(4, 5, 0x44, sht3x.Chip(sim, lambda: AIR), "air")
    began = sim.now()
    assert failure(SHT4X, stand.i2c) == "another chip answers (an SHT3x)"
    assert sim.now() - began <= 20
