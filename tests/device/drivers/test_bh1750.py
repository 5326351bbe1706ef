"""BH1750 over the simulated I2C bus."""

import chipstand
from chips import bh1750 as chips
from chipstand import failure, measure, nearly

import sim
from drivers.bh1750 import BH1750

BOARDS = ("esp32", "pico_w")

near = nearly(0.05)


class Stand(chipstand.I2C):
    """A chip at 0x23."""

    def __init__(self):
        super().__init__(chips.Chip, 0x23, 320.0)


def test_vectors_of_the_data_sheet():
    stand = Stand()
    driver = BH1750(stand.i2c)
    for frame, lux in (("8390", 28066.7), ("0110", 226.7), ("0001", 0.833), ("fffe", 54611.7)):
        stand.chip.frames = [bytes.fromhex(frame)]
        near(measure(driver), lux)


def test_vectors_at_other_sensitivities():
    for sensitivity, lux in ((31, 121555.0), (138, 27305.8), (254, 14835.4)):
        stand = Stand()
        driver = BH1750(stand.i2c, sensitivity=sensitivity)
        stand.chip.frames = [b"\xff\xfe"]
        near(measure(driver), lux, 0.1)


def test_shows_the_light():
    for sensitivity, lights in (
        (31, (0.0, 5.0, 120000.0)),
        (69, (0.9, 320.0, 54000.0)),
        (254, (0.2, 14000.0)),
    ):
        stand = Stand()
        driver = BH1750(stand.i2c, 0x23, sensitivity)
        for stand.truth in lights:
            near(measure(driver), stand.truth, 69 / 1.2 / sensitivity / 2 + 0.001)
        assert stand.chip.time == sensitivity
        assert not stand.chip.on


def test_how_long_it_takes():
    for sensitivity, ms in ((31, 81), (69, 180), (254, 663)):
        stand = Stand()
        driver = BH1750(stand.i2c, sensitivity=sensitivity)
        assert driver.conversion_ms == ms
        driver.start()
        sim.advance(ms)
        assert driver.ready() == 0
        near(driver.read(), 320.0, 1)


def test_a_millisecond_less_would_be_too_early():
    # The chip would show what it measured before.
    for sensitivity in range(31, 255):
        stand = Stand()
        driver = BH1750(stand.i2c, sensitivity=sensitivity)
        driver.start()
        sim.advance(driver.conversion_ms - 1)
        assert stand.chip.read(2) == b"\0\0"
        assert driver.ready() == 1
        sim.advance(1)
        assert stand.chip.read(2) != b"\0\0"


def test_too_bright():
    stand = Stand()
    driver = BH1750(stand.i2c)
    for stand.truth in (54613.0, 100000.0):
        assert failure(measure, driver) == "too bright (less sensitivity measures more)"
    near(measure(BH1750(stand.i2c, sensitivity=31)), 100000.0, 1)


def test_darkness_is_measured_twice():
    stand = Stand()
    driver = BH1750(stand.i2c)
    stand.truth = 0.0
    began = sim.now()
    for _ in range(2):
        near(measure(driver), 0.0, 0)
    assert sim.now() - began == 4 * 180
    assert stand.chip.commands.count(0x20) == 4


def test_a_chip_that_lost_its_power_is_not_darkness():
    stand = Stand()
    driver = BH1750(stand.i2c, sensitivity=138)
    for when in (1, 100, 360):
        driver.start()
        sim.advance(when)
        stand.chip.reset()
        sim.advance(driver.conversion_ms - when)
        assert driver.ready() == driver.conversion_ms
        sim.advance(driver.conversion_ms)
        assert driver.ready() == 0
        near(driver.read(), 320.0, 0.25)  # and with its sensitivity


def test_what_another_program_set_is_forgotten():
    stand = Stand()
    for command in (0x01, 0x47, 0x7E, 0x11):  # 254, again and again, in steps of half a lux
        stand.chip.write(bytes((command,)))
    near(measure(BH1750(stand.i2c)), 320.0, 0.5)
    assert stand.chip.time == 69 and not stand.chip.on
