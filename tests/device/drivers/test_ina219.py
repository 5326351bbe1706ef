"""INA219 over the simulated I2C bus."""

import chipstand
from chips import ina219 as chips
from chipstand import failure, measure, nearly

import sim
from drivers.ina219 import INA219

BOARDS = ("esp32", "pico_w")

near = nearly(0.0021, 0.06, 0.002)

SUPPLY = (12.0, 0.035)  # volts at the load, volts over the shunt


class Stand(chipstand.I2C):
    """A chip at 0x40."""

    def __init__(self, type="ina219"):
        super().__init__(chips.Chip, 0x40, SUPPLY, type)

    def register(self, number, value):
        self.i2c.writeto_mem(0x40, number, bytes((value >> 8, value & 0xFF)))


def test_the_simulated_chip_agrees_with_the_data_sheet():
    stand = Stand()
    stand.chip.raw = (0x07D0, 0x5D98)
    stand.register(5, 0x5001)
    assert stand.shows(5) == "5000"  # bit 0 cannot be written
    stand.register(0, 0x399F)
    sim.advance(2)
    assert [stand.shows(n) for n in (1, 2, 3, 4)] == ["07d0", "5d9a", "1766", "2710"]
    assert stand.shows(2) == "5d98"  # to read the power cleared it


def test_the_sign_of_the_current():
    stand = Stand()
    driver = INA219(stand.i2c)
    for raw, milliamperes in (
        (0xFFFF, -0.1),
        (0x8301, -3199.9),
        (0x7CFF, 3199.9),
        (1, 0.1),
        (0, 0),
    ):
        stand.chip.raw = (raw, 0x5D98)
        near(
            measure(driver), (11.98, milliamperes, 11.98 * milliamperes / 1000), (1e-6, 1e-3, 1e-5)
        )


def test_another_chip_is_named():
    stand = Stand("ina226")
    text = failure(INA219, stand.i2c)
    assert text == "chip id 0x2260 is an INA226; expected an INA219 (0x399f)", text
    stand.chip.ids[0xFF] = 0x1050
    text = failure(INA219, stand.i2c)
    assert text == "chip id 0x1050 is an HDC1080; expected an INA219 (0x399f)", text
    stand.chip.ids[0xFF] = 0x1234
    assert failure(INA219, stand.i2c) == "chip id 0x1234; expected an INA219 (0x399f)"
    stand.chip.ids.clear()
    assert failure(INA219, stand.i2c) == "chip id 0x4127; expected an INA219 (0x399f)"


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.register(0, 0x0000)  # another program's: 16 V, 40 mV, asleep
    stand.register(5, 0x1000)
    driver = INA219(stand.i2c)
    assert stand.shows(0) == "399f" and stand.shows(5) == "0000"
    near(measure(driver), (12.0, 350.0, 4.2))


def test_codes_of_too_much():
    stand = Stand()
    driver = INA219(stand.i2c)
    for stand.chip.raw in ((0x7FFF, 0x5D98), (0x8000, 0x5D98), (0x07D0, 0x5D99)):
        # the last: its overflow bit
        assert failure(measure, driver) == "current too large for the shunt"
