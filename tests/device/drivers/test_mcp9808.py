"""MCP9808 over the simulated I2C bus."""

import chipstand
from chips import mcp9808 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.mcp9808 import MCP9808

BOARDS = ("esp32", "pico_w")

near = nearly(1e-9)


class Stand(chipstand.I2C):
    """A chip at 0x18."""

    def __init__(self):
        super().__init__(chips.Chip, 0x18, 21.5)


def test_vectors():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    for raw, celsius in (
        (0xC190, 25.0),
        (0xE190, 25.0),  # all the flags, whoever set the limits
        (0x6190, 25.0),
        (0x1FF0, -1.0),
        (0x3FF0, -1.0),
        (0xC194, 25.25),
        (0x0000, 0.0),
        (0x8000, 0.0),
        (0x3FFF, -0.0625),
        (0xC7D0, 125.0),
        (0x3D80, -40.0),
    ):
        stand.chip.raw = raw
        near(measure(driver), celsius)


def test_shows_the_temperature():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    for celsius in (21.5, -0.05, 0.0, -40.0, 124.99, -17.33):
        stand.truth = celsius
        near(measure(driver), celsius, 0.0625)


def test_out_of_range():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    for raw in (0xC7D1, 0x3D7F, 0xCFFF, 0x3000, 0x7190):
        stand.chip.raw = raw
        assert failure(measure, driver) == RANGE, raw


def test_ones_are_no_value():
    # -1/16 °C with all the flags
    stand = Stand()
    driver = MCP9808(stand.i2c)
    stand.chip.raw = 0xFFFF
    assert failure(measure, driver) == "data line held high"


def test_another_chip():
    stand = Stand()
    for maker, id in (
        (0x0054, 0x0500),
        (0x0054, 0x2004),
        (0, 0),
        (0xFFFF, 0xFFFF),
        (0x1234, 0x0400),
    ):
        stand.chip.maker, stand.chip.id = maker, id
        text = failure(MCP9808, stand.i2c)
        assert text == "chip id 0x%02x; expected a MCP9808 (0x04)" % (id >> 8), text
    stand.chip.maker, stand.chip.id = 0x0054, 0x0401  # a later revision
    near(measure(MCP9808(stand.i2c)), 21.5)


def test_it_sleeps_between_readings():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    near(measure(driver), 21.5)
    stand.truth = 30.0
    before = stand.shows(chips.AMBIENT)
    sim.advance(5000)
    assert stand.shows(chips.AMBIENT) == before
    near(measure(driver), 30.0)


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.i2c.writeto_mem(0x18, 8, b"\x00")  # half a degree
    stand.truth = 21.4375
    near(measure(MCP9808(stand.i2c)), 21.4375)


def test_one_that_another_program_locked_is_told_of():
    stand = Stand()
    for lock in (b"\x00\x80", b"\x00\x40"):
        stand.i2c.writeto_mem(0x18, 1, lock)
        assert failure(MCP9808, stand.i2c) == "chip is locked by another program"
        stand.chip.reset()
        near(measure(MCP9808(stand.i2c)), 21.5)


def test_a_moment_earlier_there_is_the_old_temperature():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    near(measure(driver), 21.5)
    stand.truth = -10.0
    driver.start()
    sim.advance(249)
    near(driver.read(), 21.5)
    driver.start()
    sim.advance(250)
    near(driver.read(), -10.0)
    assert driver.conversion_ms > 250


def test_data_lines_held_later_are_no_value():
    stand = Stand()
    driver = MCP9808(stand.i2c)
    for byte in (b"\0", b"\xff"):
        stand.chip.read = lambda n: byte * n
        assert failure(measure, driver) == NOT_MEASURED
