"""VEML7700 over the simulated I2C bus."""

import chipstand
from chips import veml7700 as chips
from chipstand import NOT_MEASURED, failure, measure, nearly

import sim
from drivers.veml7700 import VEML7700

BOARDS = ("esp32", "pico_w")

near = nearly(0.0005)

COARSE, MIDDLE, FINE = 0x1300, 0x1800, 0x0840


class Stand(chipstand.I2C):
    """A chip at 0x10."""

    def __init__(self, lux=1000.0):
        super().__init__(chips.Chip, 0x10, lux)


def test_sensitivity_of_the_simulated_chip():
    # Of the data sheet: gain 2 and 800 ms, gain 1/8 and 25 ms.
    assert abs(1 / chips._counts_a_lux(0x08C0) - 0.0042) < 1e-9
    assert abs(1 / chips._counts_a_lux(0x1300) - 2.1504) < 1e-9


def test_vector():
    stand = Stand()
    stand.chip.raw = [0x05C8]
    near(measure(VEML7700(stand.i2c)), 397.824)
    assert stand.chip.settings == [MIDDLE]


def test_shows_the_light():
    # Whatever it was before, within half a step of the range that fits.
    stand = Stand()
    driver = VEML7700(stand.i2c)
    lights = (0.0, 0.05, 100.0, 268.0, 270.0, 2000.0, 16000.0, 17000.0, 100000.0, 140000.0)
    for stand.truth in lights + tuple(reversed(lights)) + (0.05, 120000.0, 0.05):
        step = 0.0168 if stand.truth < 250 else 0.2688 if stand.truth < 2100 else 2.1504
        near(measure(driver), stand.truth, step / 2 + 1e-6)


def test_ranges():
    for lux, settings in (
        (100.0, [MIDDLE, FINE]),
        (1000.0, [MIDDLE]),
        (15000.0, [MIDDLE]),
        (17000.0, [MIDDLE, COARSE]),
        (20000.0, [MIDDLE, COARSE]),
    ):
        stand = Stand(lux)
        driver = VEML7700(stand.i2c)
        measure(driver)
        assert stand.chip.settings == settings, lux
        measure(driver)  # in the same light
        assert stand.chip.settings == settings + settings[-1:], lux


def test_out_of_the_dark_into_the_sun():
    stand = Stand(1.0)
    driver = VEML7700(stand.i2c)
    measure(driver)
    stand.chip.settings.clear()
    stand.truth = 100000.0
    near(measure(driver), 100000.0, 1.1)
    assert stand.chip.settings == [FINE, MIDDLE, COARSE]
    stand.chip.settings.clear()
    stand.truth = 1.0
    near(measure(driver), 1.0, 0.01)
    assert stand.chip.settings == [COARSE, MIDDLE, FINE]


def test_nothing_saturates_in_silence():
    stand = Stand()
    driver = VEML7700(stand.i2c)
    for stand.truth in (140930.0, 200000.0):
        assert failure(measure, driver) == "too bright"
    stand.truth = 50.0
    near(measure(driver), 50.0, 0.01)


def test_light_that_flickers_is_not_measured_for_ever():
    # Dazzled by the first range and too dim in the next, and so on.
    stand = Stand()
    driver = VEML7700(stand.i2c)
    stand.chip.raw = [10, 65535, 10, 65535, 10, 65535]
    near(measure(driver), 2.688)
    assert stand.chip.settings == [MIDDLE, FINE, MIDDLE]
    stand.chip.raw = [10, 65535, 65535, 10]
    near(measure(driver), 21.504)


def test_no_range_is_read_before_its_time():
    for lux, ms in ((1000.0, 103), (20000.0, 28), (100.0, 203)):
        stand = Stand(lux)
        driver = VEML7700(stand.i2c)
        measure(driver)
        stand.truth *= 0.9
        driver.start()
        assert driver.conversion_ms >= ms * 1.1
        sim.advance(driver.conversion_ms - 1)
        assert driver.ready() == 1
        assert failure(driver.read) == NOT_MEASURED
        sim.advance(1)
        assert driver.ready() == driver.ready() == 0
        near(driver.read(), stand.truth, 1.1)


def test_it_sleeps_between_readings():
    stand = Stand()
    driver = VEML7700(stand.i2c)
    measure(driver)
    assert stand.chip.registers[chips.CONF] & 1


def test_what_another_program_set_is_forgotten():
    stand = Stand()
    stand.chip.write(b"\x03\x07\x00")  # power saving: 4 s a measurement
    stand.chip.write(b"\x00\xc0\x08")  # and it is at work
    sim.advance(10000)
    near(measure(VEML7700(stand.i2c)), 1000.0, 0.2)
    assert stand.chip.registers[chips.POWER_SAVING] == 0


def test_the_wrong_chip():
    stand = Stand()
    for id in (0x26, 0x00, 0xFF):
        stand.chip.registers[chips.ID] = id
        assert failure(VEML7700, stand.i2c) == "chip id 0x%02x; expected a VEML7700 (0x81)" % id


def test_power_that_goes_in_the_middle_of_the_answer():
    stand = Stand()
    driver = VEML7700(stand.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    stand.chip.reset()
    stand.chip.registers[chips.LIGHT] = 3721
    assert failure(driver.ready) == NOT_MEASURED


def test_lines_that_say_nothing():
    stand = Stand()
    driver = VEML7700(stand.i2c)
    for line in (b"\xff\xff", b"\0\0"):
        stand.chip.read = lambda n, line=line: line
        driver.start()
        sim.advance(driver.conversion_ms)
        assert failure(driver.ready) == NOT_MEASURED
