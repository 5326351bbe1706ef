"""TMP117 over the simulated I2C bus."""

import chipstand
from chips import tmp117 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.tmp117 import TMP117

BOARDS = ("esp32", "pico_w")

near = nearly(1e-9)


class Stand(chipstand.I2C):
    """A chip at 0x48."""

    def __init__(self):
        super().__init__(chips.Chip, 0x48, 21.5)


def test_vectors():
    stand = Stand()
    driver = TMP117(stand.i2c)
    for raw, celsius in (
        (0x0C80, 25.0),
        (0xFFFF, -0.0078125),
        (0x4B00, 150.0),
        (0x0000, 0.0),
        (0x0001, 0.0078125),
        (0xF380, -25.0),
        (0xE480, -55.0),
    ):
        stand.chip.raw = raw
        near(measure(driver), celsius)


def test_shows_the_temperature():
    stand = Stand()
    driver = TMP117(stand.i2c)
    for celsius in (21.5, -0.003, 0.0, -55.0, 149.99, -17.33):
        stand.truth = celsius
        near(measure(driver), celsius, 0.0079)


def test_out_of_range():
    stand = Stand()
    driver = TMP117(stand.i2c)
    for raw in (0x4B01, 0xE47F, 0x7FFF, 0x8001):
        stand.chip.raw = raw
        assert failure(measure, driver) == RANGE, raw


def test_256_degrees_below_is_not_measured():
    stand = Stand()
    driver = TMP117(stand.i2c)
    stand.chip.raw = 0x8000
    assert failure(measure, driver) == NOT_MEASURED


def test_another_chip():
    stand = Stand()
    for id in (0x7FFF, 0x0000, 0xFFFF, 0x1116, 0x0217, 0x0075):
        stand.chip.id = id
        text = failure(TMP117, stand.i2c)
        assert text == "chip id 0x%04x; expected a TMP117 (0x0117)" % id, text
    stand.chip.id = 0x1117  # a later revision
    near(measure(TMP117(stand.i2c)), 21.5)


def test_another_chip_is_not_written_to():
    stand = Stand()
    stand.chip.id = 0x0075
    write = stand.chip.write

    def read_only(data):
        assert len(data) < 2, data
        return write(data)

    stand.chip.write = read_only
    failure(TMP117, stand.i2c)


def test_it_sleeps_between_readings():
    stand = Stand()
    driver = TMP117(stand.i2c)
    near(measure(driver), 21.5)
    stand.truth = 30.0
    before = stand.shows(chips.TEMPERATURE)
    sim.advance(5000)
    assert stand.shows(chips.TEMPERATURE) == before
    near(measure(driver), 30.0)


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.i2c.writeto_mem(0x48, 1, b"\x07\xf4")  # another program's: asleep, the mean of 64
    near(measure(TMP117(stand.i2c)), 21.5)


def test_the_conversion_is_done_in_time():
    stand = Stand()
    driver = TMP117(stand.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    assert driver.ready() == 0  # though the chip says it once only
    near(driver.read(), 21.5)


def test_too_early_there_is_nothing():
    stand = Stand()
    driver = TMP117(stand.i2c)
    near(measure(driver), 21.5)
    stand.truth = -10.0
    driver.start()
    sim.advance(138)
    assert failure(driver.read) == NOT_MEASURED
    assert driver.ready() > 0
    near(measure(driver), -10.0)


def test_data_lines_held_later_are_no_value():
    stand = Stand()
    driver = TMP117(stand.i2c)
    for byte in (b"\0", b"\xff"):
        driver.start()
        sim.advance(driver.conversion_ms)
        driver._done = True
        stand.chip.read = lambda n: byte * n
        assert failure(driver.ready) == NOT_MEASURED
        assert failure(driver.read) == NOT_MEASURED
