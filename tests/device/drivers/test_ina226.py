"""INA226 over the simulated I2C bus."""

import chipstand
from chips import ina219 as chips
from chipstand import RANGE, failure, measure, nearly

import sim
from drivers.ina226 import INA226

BOARDS = ("esp32", "pico_w")

near = nearly(0.0021, 0.06, 0.002)

SUPPLY = (12.0, 0.035)  # volts at the load, volts over the shunt


class Stand(chipstand.I2C):
    """A chip at 0x40."""

    def __init__(self, type="ina226"):
        super().__init__(chips.Chip, 0x40, SUPPLY, type)

    def register(self, number, value):
        self.i2c.writeto_mem(0x40, number, bytes((value >> 8, value & 0xFF)))


def test_the_simulated_chip_agrees_with_the_data_sheet():
    stand = Stand()
    stand.chip.raw = (0x1F40, 0x2570)
    stand.register(5, 0x0A00)
    assert stand.shows(0) == "4127"
    stand.register(0, 0x0127)
    assert stand.shows(0) == "4127"  # the first bits are what they are
    assert stand.shows(6) == "0000"
    sim.advance(3)
    assert [stand.shows(n) for n in (1, 2, 3, 4)] == ["1f40", "2570", "12b8", "2710"]
    assert stand.shows(6) == "0008"
    assert stand.shows(6) == "0000"  # to read it cleared it


def test_the_sign_of_the_current():
    stand = Stand()
    driver = INA226(stand.i2c)
    for raw, steps in ((0xFFFF, -1), (0x8002, -32766), (0x7FFE, 32766), (1, 1), (0, 0)):
        stand.chip.raw = (raw, 0x2570)
        milliamperes = steps * 0.025
        near(measure(driver), (11.98, milliamperes, 11.98 * milliamperes / 1000), (1e-6,) * 3)


def test_a_later_revision_will_do():
    stand = Stand()
    stand.chip.ids[0xFF] = 0x2261
    near(measure(INA226(stand.i2c)), (12.0, 350.0, 4.2))


def test_another_chip_is_named():
    stand = Stand("ina219")
    text = failure(INA226, stand.i2c)
    assert text == "chip id 0x399f is an INA219; expected an INA226 (0x2260)", text
    stand = Stand()
    stand.chip.ids[0xFF] = 0x1050
    text = failure(INA226, stand.i2c)
    assert text == "chip id 0x1050 is an HDC1080; expected an INA226 (0x2260)", text
    stand.chip.ids[0xFF] = 0x2270
    assert failure(INA226, stand.i2c) == "chip id 0x2270; expected an INA226 (0x2260)"
    stand.chip.ids[0xFE] = 0x1234  # another maker's
    assert failure(INA226, stand.i2c) == "chip id 0x4127; expected an INA226 (0x2260)"


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.register(0, 0x4000)  # another program's: asleep
    stand.register(5, 0x1000)
    driver = INA226(stand.i2c)
    assert stand.shows(0) == "4127" and stand.shows(5) == "0000"
    near(measure(driver), (12.0, 350.0, 4.2))


def test_codes_of_too_much():
    stand = Stand()
    driver = INA226(stand.i2c)
    stand.chip.raw = (0, 0xFFFF)
    assert failure(measure, driver) == RANGE
    for stand.chip.raw in ((0x7FFF, 0x2570), (0x8001, 0x2570), (0x8000, 0x2570)):
        assert failure(measure, driver) == "current too large for the shunt"
    stand.chip.raw = None
    near(measure(driver), (12.0, 350.0, 4.2))
    stand.register(6, 0x0004)  # its overflow bit
    assert failure(measure, driver) == "current too large for the shunt"
