"""INA219 and INA226: what their chips have in common. The rest is in a test for each."""

import chipstand
from chips import ina219 as chips
from chipstand import NOT_MEASURED, RANGE, failure, finish, measure, nearly

import sim
from drivers.ina219 import INA219
from drivers.ina226 import INA226

BOARDS = ("esp32", "pico_w")
HEAP = "320k"  # two drivers, as sources

SUPPLY = (12.0, 0.035)  # volts at the load, volts over the shunt
TOO_MUCH = "current too large for the shunt"

near = nearly(0.0021, 0.06, 0.002)

# The driver; registers of 20 mV and 11.98 V (INA219: there without its ready bit); volts, and volts over the shunt, that it
# can tell and that it cannot; what a driver says of an unknown chip.
KINDS = (
    (
        INA219,
        (0x07D0, 0x5D98),
        ((0.0, 0.0), (26.0, 0.3199), (3.3, -0.3199), (5.0, -0.00001)),
        ((26.004, 32.0, 40.0), (0.32, 0.5, -0.32, -1.0)),
        "; expected an INA219 (0x399f)",
    ),
    (
        INA226,
        (0x1F40, 0x2570),
        ((0.0, 0.0), (36.0, 0.0819), (3.3, -0.0819), (5.0, -0.0000025)),
        ((36.00125, 40.9, 50.0), (0.082, 0.5, -0.082, -1.0)),
        "; expected an INA226 (0x2260)",
    ),
)


def each():
    """Yield a stand, the class of the driver, and what KINDS says of it."""
    for row in KINDS:
        yield (chipstand.I2C(chips.Chip, 0x40, SUPPLY, row[0].__name__.lower()),) + row


def test_vector_of_the_data_sheets():
    # 2 milliohms, 20 mV over them, 11.98 V: 10 A, 119.8 W
    for stand, kind, raw, _, _, _ in each():
        stand.chip.raw = raw
        driver = kind(stand.i2c, shunt_ohm=0.002)
        near(measure(driver), (11.98, 10000.0, 119.8), (1e-6, 1e-3, 1e-4))


def test_shows_the_supply():
    for stand, kind, _, can, _, _ in each():
        tolerances = (0.0021, 0.06, 0.002) if kind is INA219 else (0.0007, 0.013, 0.0006)
        driver = kind(stand.i2c)
        for stand.truth in (SUPPLY,) + can:
            volts, shunt = stand.truth
            near(measure(driver), (volts, shunt * 10000, volts * shunt * 10), tolerances)


def test_more_than_it_can_tell():
    for stand, kind, _, _, (too_high, too_much), _ in each():
        driver = kind(stand.i2c)
        for volts in too_high:
            stand.truth = (volts, 0.0)
            assert failure(measure, driver) == RANGE, volts
        for shunt in too_much:
            stand.truth = (12.0, shunt)
            assert failure(measure, driver) == TOO_MUCH, shunt


def test_a_lost_calibration_is_no_current_of_zero():
    # The chip's own current register shows 0, as after a brown-out.
    for stand, kind, *_ in each():
        near(measure(kind(stand.i2c)), (12.0, 350.0, 4.2))
        assert stand.shows(4) == "0000"


def test_data_lines_held_are_no_chip():
    for stand, kind, _, _, _, expected in each():
        for byte in (b"\0", b"\xff"):
            stand.chip.read = lambda n, byte=byte: byte * n
            text = failure(kind, stand.i2c)
            assert text == "chip id 0x%s%s" % ((byte * 2).hex(), expected), text


def test_data_lines_held_later_are_no_value():
    for stand, kind, *_ in each():
        driver = kind(stand.i2c)
        for byte in (b"\0", b"\xff"):
            driver.start()
            sim.advance(driver.conversion_ms)
            stand.chip.read = lambda n, byte=byte: byte * n
            assert failure(driver.read) == NOT_MEASURED
            assert failure(finish, driver) == NOT_MEASURED


def test_the_conversion_is_done_in_time():
    for stand, kind, *_ in each():
        driver = kind(stand.i2c)
        driver.start()
        sim.advance(driver.conversion_ms)
        assert driver.ready() == 0
        assert driver.ready() == 0  # though an INA226 says it once only
        driver.read()


def test_too_early_there_is_nothing():
    for stand, kind, *_ in each():
        driver = kind(stand.i2c)
        measure(driver)
        stand.truth = (5.0, 0.01)
        driver.start()
        sim.advance(driver.conversion_ms - 1)
        assert failure(driver.read) == NOT_MEASURED
        assert driver.ready() > 0
        near(finish(driver), (5.0, 100.0, 0.5))


def test_a_supply_that_gives_way_whenever_it_measures():
    for stand, kind, *_ in each():
        driver = kind(stand.i2c)
        stand.chip.weak = 2
        for _ in range(2):
            began = sim.now()
            assert failure(measure, driver) == NOT_MEASURED
            assert sim.now() - began <= driver.conversion_ms
        near(measure(driver), (12.0, 350.0, 4.2))
