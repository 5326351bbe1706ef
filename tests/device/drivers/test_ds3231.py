"""DS3231 over the simulated I2C bus: its temperature."""

import chipstand
from chips import ds3231 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.ds3231 import DS3231

BOARDS = ("esp32", "pico_w")

near = nearly(1e-9)


class Stand(chipstand.I2C):
    """A chip at 0x68."""

    def __init__(self):
        super().__init__(chips.Chip, 0x68, 21.5)


def test_vectors():
    stand = Stand()
    driver = DS3231(stand.i2c)
    for raw, celsius in (
        ("1940", 25.25),
        ("0000", 0.0),
        ("0040", 0.25),
        ("ffc0", -0.25),
        ("ff00", -1.0),
        ("e6c0", -25.25),
        ("d800", -40.0),
        ("5500", 85.0),
    ):
        stand.chip.raw = bytes.fromhex(raw)
        near(measure(driver), celsius)


def test_shows_the_temperature():
    stand = Stand()
    driver = DS3231(stand.i2c)
    for celsius in (21.5, -0.1, 0.0, -40.0, 84.9, -17.33):
        stand.truth = celsius
        near(measure(driver), celsius, 0.25)


def test_out_of_range():
    stand = Stand()
    driver = DS3231(stand.i2c)
    for raw in ("5540", "d7c0", "7fc0", "8000", "ffff", "1901"):
        stand.chip.raw = bytes.fromhex(raw)
        assert failure(measure, driver) == RANGE, raw


def test_it_measures_when_it_is_asked():
    stand = Stand()
    driver = DS3231(stand.i2c)
    near(measure(driver), 21.5)
    stand.truth = 30.0
    near(measure(driver), 30.0)


def test_clock_alarms_and_outputs_are_left_alone():
    stand = Stand()
    clock = bytes.fromhex("57422306311026" + "01020304050607")
    stand.i2c.writeto_mem(0x68, 0, clock)
    for control, status in ((0x1C, 0x08), (0xDF, 0x8B), (0x00, 0x00)):
        stand.chip.memory[chips.CONTROL] = control
        stand.chip.memory[chips.STATUS] = status
        near(measure(DS3231(stand.i2c)), 21.5)
        assert stand.i2c.readfrom_mem(0x68, 0, 14) == clock
        after = stand.i2c.readfrom_mem(0x68, 14, 2)
        unused = 0x18 if control & 0x04 else 0  # the frequency of a square wave that there is not
        assert (after[0] ^ control) & ~unused == 0 and after[1] == status, (control, after)


def test_one_that_measures_by_itself_is_not_disturbed():
    stand = Stand()
    driver = DS3231(stand.i2c)
    sim.advance(stand.chip.own_at - sim.now() + 50)
    stand.truth = 10.0
    driver.start()
    assert stand.chip.memory[chips.CONTROL] == 0x04  # it is not asked again
    sim.advance(100)
    assert driver.ready() > 0
    sim.advance(50)
    assert driver.ready() == 0
    near(driver.read(), 10.0)


def test_the_conversion_is_done_in_time():
    stand = Stand()
    driver = DS3231(stand.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0


def test_too_early_there_is_nothing():
    stand = Stand()
    driver = DS3231(stand.i2c)
    stand.truth = -10.0
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert failure(driver.read) == NOT_MEASURED
    assert driver.ready() > 0
    sim.advance(1)
    near(driver.read(), -10.0)


def test_a_clock_that_was_never_set_has_a_temperature():
    stand = Stand()
    stand.chip.reset()
    near(measure(DS3231(stand.i2c)), 21.5)


def test_another_chip():
    # One with memory there, as a DS1307, and one that takes nothing.
    stand = Stand()
    driver = DS3231(stand.i2c)
    stand.chip._begin = lambda: None
    assert failure(measure, driver) == "chip stays busy"
    stand.chip.reset()
    stand.chip._set = lambda register, value: None
    sim.advance(300)
    assert failure(driver.start) == "chip does not keep its settings"


def test_data_lines_held_are_no_value():
    stand = Stand()
    driver = DS3231(stand.i2c)
    for byte in (b"\0", b"\xff"):
        stand.chip.read = lambda n: byte * n
        assert failure(measure, driver) == "chip does not keep its settings", byte


def test_one_that_never_was_set_and_restarts():
    # Its clock says the same before and after.
    stand = Stand()
    stand.chip.reset()
    sim.advance(300)
    driver = DS3231(stand.i2c)
    for _ in range(2):
        driver.start()
        sim.advance(100)
        stand.truth = 30.0
        stand.chip.reset()
        sim.advance(300)
        assert failure(driver.ready) == NOT_MEASURED
        assert failure(driver.read) == NOT_MEASURED
    near(measure(driver), 30.0)
