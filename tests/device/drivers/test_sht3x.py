"""SHT30, SHT31 and SHT35 over the simulated I2C bus."""

import chipstand
from chips import sht3x as chips
from chipstand import failure, measure, nearly

import sim
from drivers.sht3x import SHT3X

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Stand(chipstand.I2C):
    """A chip at 0x44."""

    def __init__(self):
        super().__init__(chips.Chip, 0x44, AIR)


def test_checksums_of_the_simulated_chip():
    for word, crc in ((0xBEEF, 0x92), (0, 0x81), (0xFFFF, 0xAC), (0x6666, 0x93), (0x8000, 0xA2)):
        assert chips.words(word)[2] == crc
    assert chips.words(0x8010) == b"\x80\x10\xe1"


def test_the_chip_is_reset_at_first():
    stand = Stand()
    stand.chip.write(b"\x30\x6d")  # another program's heater
    assert stand.chip.status & 0x2000
    SHT3X(stand.i2c)
    assert not stand.chip.status & 0x2000


def test_a_chip_that_measures_by_itself_is_told_to_stop():
    stand = Stand()
    stand.chip.write(b"\x21\x30")
    sim.advance(5000)
    near(measure(SHT3X(stand.i2c)), AIR)


def test_an_sht4x_is_named():
    from chips import sht4x

    stand = Stand()
    sim.i2c_devices.clear()
    chip = sht4x.Chip(sim, lambda: AIR)
    sim.i2c_attach(4, 5, 0x44, chip, "air")
    began = sim.now()
    assert failure(SHT3X, stand.i2c) == "another chip answers (an SHT4x)"
    assert sim.now() - began <= 20
    assert chip.commands == [0x89]  # none of its heater's
