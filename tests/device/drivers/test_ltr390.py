"""LTR390 over the simulated I2C bus."""

import chipstand
from chips import ltr390 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.ltr390 import LTR390

BOARDS = ("esp32", "pico_w")

near = nearly(0.1001, 0.0053)

DAY = (1000.0, 3.0)


class Stand(chipstand.I2C):
    """A chip at 0x53."""

    def __init__(self):
        super().__init__(chips.Chip, 0x53, DAY)


def test_vectors():
    # Light 10 27 00, UV 3f 02 00, both at gain 3 and 18 bits.
    stand = Stand()
    stand.chip.raw = [0x002710, 0x00023F]
    near(measure(LTR390(stand.i2c)), (2000.0, 6.0), 1e-9)
    assert stand.chip.settings == [(0x02, 3), (0x0A, 3)]
    assert stand.chip.memory[chips.RATE] == 0x22


def test_shows_the_light():
    stand = Stand()
    driver = LTR390(stand.i2c)
    for stand.truth in (DAY, (0.0, 0.0), (0.2, 0.01), (49000.0, 11.0), (1.0, 15.0)):
        near(measure(driver), stand.truth)


def test_less_gain_in_the_sun():
    stand = Stand()
    driver = LTR390(stand.i2c)
    for stand.truth in ((52429.0, 8.0), (120000.0, 11.0), (157000.0, 16.0), (50001.0, 8.0)):
        stand.chip.settings.clear()
        near(measure(driver), stand.truth, (0.31, 0.0053))
        assert stand.chip.settings == [(0x02, 3), (0x02, 1), (0x0A, 3)]
    stand.truth = DAY
    near(measure(driver), DAY)


def test_nothing_saturates_in_silence():
    stand = Stand()
    driver = LTR390(stand.i2c)
    for stand.truth in ((157300.0, 3.0), (500000.0, 3.0), (1000.0, 3000.0)):
        assert failure(measure, driver) == "too bright", stand.truth
    stand.truth = DAY
    near(measure(driver), DAY)


def test_what_18_bits_cannot_be():
    stand = Stand()
    driver = LTR390(stand.i2c)
    for raw in ([0x040000], [0xFFFFFF], [100, 0x0FFFFF]):
        stand.chip.raw = raw
        assert failure(measure, driver) == RANGE


def test_how_long_it_takes():
    stand = Stand()
    driver = LTR390(stand.i2c)
    began = sim.now()
    measure(driver)
    assert sim.now() - began == 230


def test_asked_too_early():
    stand = Stand()
    driver = LTR390(stand.i2c)
    driver.start()
    sim.advance(114)
    assert driver.ready() == 1
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(1)
    assert driver.ready() == 115  # now the UV
    sim.advance(114)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == driver.ready() == 0
    near(driver.read(), DAY)


def test_a_slow_chip_is_waited_for():
    stand = Stand()
    driver = LTR390(stand.i2c)
    measure(driver)
    stand.chip.takes_ms = 20
    stand.truth = (5000.0, 9.0)
    near(measure(driver), stand.truth)


def test_it_sleeps_between_readings():
    stand = Stand()
    driver = LTR390(stand.i2c)
    measure(driver)
    assert stand.chip.memory[chips.CONTROL] == 0


def test_what_another_program_set_is_forgotten():
    stand = Stand()
    for data in (b"\x04\x05", b"\x05\x04", b"\x00\x0a"):  # 20 bits, gain 18, UV, every second
        stand.chip.write(data)
    sim.advance(5000)
    near(measure(LTR390(stand.i2c)), DAY)


def test_the_wrong_chip():
    stand = Stand()
    for id in (0xE5, 0x00, 0xFF):
        stand.chip.memory[chips.ID] = id
        assert failure(LTR390, stand.i2c) == "chip id 0x%02x; expected an LTR390 (0xb2)" % id
    stand.chip.memory[chips.ID] = 0xB3  # another revision
    near(measure(LTR390(stand.i2c)), DAY)


def test_power_that_goes_in_the_middle_of_the_answer():
    stand = Stand()
    driver = LTR390(stand.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    stand.chip.reset()
    stand.chip.memory[chips.STATUS] = 0x08
    assert failure(driver.ready) == NOT_MEASURED


def test_lines_that_say_nothing():
    stand = Stand()
    driver = LTR390(stand.i2c)
    for line in (b"\xff", b"\0"):
        stand.chip.read = lambda n, line=line: line * n
        driver.start()
        sim.advance(driver.conversion_ms)
        assert failure(driver.ready) == NOT_MEASURED
