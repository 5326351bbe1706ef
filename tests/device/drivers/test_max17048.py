"""MAX17048 over the simulated I2C bus."""

import chipstand
from chips import max17048 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure

import sim
from drivers.max17048 import MAX17048

BOARDS = ("esp32", "pico_w")


class Stand(chipstand.I2C):
    """A chip at 0x36."""

    def __init__(self):
        super().__init__(chips.Chip, 0x36, 3.9)


def near(values, volts, percent):
    assert type(values[0]) is float and type(values[1]) is int and len(values) == 2, values
    assert abs(values[0] - volts) < 0.0001 and values[1] == percent, (values, volts, percent)


def test_vectors():
    stand = Stand()
    driver = MAX17048(stand.i2c)
    for vcell, soc, volts, percent in (
        (0xC800, 0x5A80, 4.000, 91),  # 90.5 %
        (0xC800, 0x5A7F, 4.000, 90),
        (0x7D00, 0x0000, 2.500, 0),
        (0x7D01, 0x0080, 2.500078, 1),
        (0xFA00, 0x6400, 5.000, 100),
    ):
        stand.chip.raw = (vcell, soc)
        near(measure(driver), volts, percent)


def test_shows_the_cell():
    stand = Stand()
    driver = MAX17048(stand.i2c)
    for volts, percent in ((3.9, 68), (3.0, 0), (4.2, 100), (3.65, 10), (3.75, 30)):
        stand.truth = volts
        near(measure(driver), volts, percent)


def test_no_more_than_100_percent():
    stand = Stand()
    driver = MAX17048(stand.i2c)
    for soc in (0x6480, 0x6500, 0x6E00):
        stand.chip.raw = (0xD200, soc)
        near(measure(driver), 4.2, 100)


def test_what_is_no_cell():
    stand = Stand()
    driver = MAX17048(stand.i2c)
    for vcell, soc in (
        (0, 0),
        (0xFFFF, 0xFFFF),
        (0x7CFF, 0x1000),
        (0xFA01, 0x6400),
        (0x0320, 0),
        (0xC800, 0xFFFF),
        (0xC800, 0x8000),
    ):
        stand.chip.raw = (vcell, soc)
        assert failure(measure, driver) == RANGE, vcell


def test_another_chip():
    stand = Stand()
    for version in (0x0003, 0xFFFF, 0x0000, 0x0020, 0x1012):
        stand.chip.version = version
        text = failure(MAX17048, stand.i2c)
        assert text == "chip id 0x%04x; expected a MAX17048 (0x0010)" % version, text
    for version in (0x0010, 0x0011, 0x0012):
        stand.chip.version = version
        near(measure(MAX17048(stand.i2c)), 3.9, 68)


def test_nothing_is_waited_for_and_nothing_written():
    stand = Stand()
    write = stand.chip.write

    def read_only(data):
        assert len(data) < 2, data
        return write(data)

    stand.chip.write = read_only
    began = sim.now()
    driver = MAX17048(stand.i2c)
    assert driver.conversion_ms == 0
    near(measure(driver), 3.9, 68)
    assert sim.now() == began


def test_one_that_another_program_put_to_sleep_is_woken():
    stand = Stand()
    stand.i2c.writeto_mem(0x36, chips.CONFIG, b"\x97\x9c")
    stand.truth = 3.65  # it still shows 3.9 V
    driver = MAX17048(stand.i2c)
    near(measure(driver), 3.65, 10)
    assert stand.shows(chips.CONFIG) == "971c"
    began = sim.now()
    near(measure(MAX17048(stand.i2c)), 3.65, 10)
    assert sim.now() == began


def test_a_cell_just_connected_is_waited_for():
    stand = Stand()
    stand.chip.reset()
    stand.chip.registers[chips.STATUS] |= 0x4200
    driver = MAX17048(stand.i2c)
    assert failure(driver.read) == NOT_MEASURED
    driver.start()
    assert driver.ready() == 1000
    sim.advance(999)
    assert driver.ready() == 1
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(1)
    assert driver.ready() == 0
    near(driver.read(), 3.9, 68)
    assert stand.shows(chips.STATUS) == "4200"  # the other flags are another's


def test_a_chip_that_restarts_is_no_empty_cell():
    # The voltage is there before the charge: 3.9 V, 0 %.
    stand = Stand()
    driver = MAX17048(stand.i2c)
    near(measure(driver), 3.9, 68)
    stand.chip.reset()
    sim.advance(500)
    assert stand.shows(chips.SOC) == "0000" and stand.shows(chips.VCELL) != "0000"
    assert failure(measure, driver) == NOT_MEASURED
    driver = MAX17048(stand.i2c)
    near(measure(driver), 3.9, 68)
    assert sim.now() >= 1500


def test_data_lines_held_later_are_no_value():
    stand = Stand()
    driver = MAX17048(stand.i2c)
    for byte, text in (
        (b"\0", RANGE),
        (b"\xff", NOT_MEASURED),
    ):
        stand.chip.read = lambda n: byte * n
        assert failure(measure, driver) == text
