"""INA219 over the simulated I2C bus."""

import sim
import stand
from chips import ina219 as chips
from stand import NOT_MEASURED, RANGE, failure, finish, measure, nearly

from drivers.ina219 import INA219

BOARDS = ("esp32", "pico_w")

near = nearly(0.0021, 0.06, 0.002)

SUPPLY = (12.0, 0.035)  # volts at the load, volts over the shunt


class Bench(stand.I2C):
    """A chip at 0x40."""

    def __init__(self, type="ina219"):
        super().__init__(chips.Chip, 0x40, SUPPLY, type)

    def register(self, number, value):
        self.i2c.writeto_mem(0x40, number, bytes((value >> 8, value & 0xFF)))


def test_vector_of_the_data_sheet():
    # 2 milliohms, 20 mV over them, 11.98 V: 10 A, 119.8 W. (There the bus register is shown without its ready bit.)
    bench = Bench()
    bench.chip.raw = (0x07D0, 0x5D98)
    driver = INA219(bench.i2c, shunt_ohm=0.002)
    near(measure(driver), (11.98, 10000.0, 119.8), (1e-6, 1e-3, 1e-4))


def test_the_simulated_chip_agrees_with_the_data_sheet():
    bench = Bench()
    bench.chip.raw = (0x07D0, 0x5D98)
    bench.register(5, 0x5001)
    assert bench.shows(5) == "5000"  # bit 0 cannot be written
    bench.register(0, 0x399F)
    sim.advance(2)
    assert [bench.shows(n) for n in (1, 2, 3, 4)] == ["07d0", "5d9a", "1766", "2710"]
    assert bench.shows(2) == "5d98"  # to read the power cleared it


def test_shows_the_supply():
    bench = Bench()
    driver = INA219(bench.i2c)
    for volts, shunt in (SUPPLY, (0.0, 0.0), (26.0, 0.3199), (3.3, -0.3199), (5.0, -0.00001)):
        bench.truth = (volts, shunt)
        near(measure(driver), (volts, shunt * 10000, volts * shunt * 10))


def test_the_sign_of_the_current():
    bench = Bench()
    driver = INA219(bench.i2c)
    for raw, milliamperes in (
        (0xFFFF, -0.1),
        (0x8301, -3199.9),
        (0x7CFF, 3199.9),
        (1, 0.1),
        (0, 0),
    ):
        bench.chip.raw = (raw, 0x5D98)
        near(
            measure(driver), (11.98, milliamperes, 11.98 * milliamperes / 1000), (1e-6, 1e-3, 1e-5)
        )


def test_a_lost_calibration_is_no_current_of_zero():
    # The chip's own current register shows 0, as after a brown-out.
    bench = Bench()
    driver = INA219(bench.i2c)
    near(measure(driver), (12.0, 350.0, 4.2))
    assert bench.shows(4) == "0000"


def test_more_than_the_shunt_can_tell():
    bench = Bench()
    driver = INA219(bench.i2c)
    for shunt in (0.32, 0.5, -0.32, -1.0):
        bench.truth = (12.0, shunt)
        assert failure(measure, driver) == "current too large for the shunt", shunt
    for raw in (
        (0x7FFF, 0x5D98),
        (0x8000, 0x5D98),
        (0x07D0, 0x5D99),
    ):  # the last: its overflow bit
        bench.chip.raw = raw
        assert failure(measure, driver) == "current too large for the shunt", raw


def test_more_than_26_volts():
    bench = Bench()
    driver = INA219(bench.i2c)
    for volts in (26.004, 32.0, 40.0):
        bench.truth = (volts, 0.0)
        assert failure(measure, driver) == RANGE, volts


def test_another_chip_is_named():
    bench = Bench("ina226")
    text = failure(INA219, bench.i2c)
    assert text == "chip id 0x2260 is an INA226; expected an INA219 (0x399f)", text
    bench.chip.ids[0xFF] = 0x1050
    text = failure(INA219, bench.i2c)
    assert text == "chip id 0x1050 is an HDC1080; expected an INA219 (0x399f)", text
    bench.chip.ids[0xFF] = 0x1234
    assert failure(INA219, bench.i2c) == "chip id 0x1234; expected an INA219 (0x399f)"
    bench.chip.ids.clear()
    assert failure(INA219, bench.i2c) == "chip id 0x4127; expected an INA219 (0x399f)"


def test_data_lines_held_are_no_chip():
    bench = Bench()
    for byte in (b"\0", b"\xff"):
        bench.chip.read = lambda n: byte * n
        text = failure(INA219, bench.i2c)
        assert text == "chip id 0x%s; expected an INA219 (0x399f)" % (byte * 2).hex(), text


def test_data_lines_held_later_are_no_value():
    bench = Bench()
    driver = INA219(bench.i2c)
    for byte in (b"\0", b"\xff"):
        driver.start()
        sim.advance(driver.conversion_ms)
        bench.chip.read = lambda n: byte * n
        assert failure(driver.read) == NOT_MEASURED
        assert failure(finish, driver) == NOT_MEASURED


def test_what_was_set_before_is_forgotten():
    bench = Bench()
    bench.register(0, 0x0000)  # another program's: 16 V, 40 mV, asleep
    bench.register(5, 0x1000)
    driver = INA219(bench.i2c)
    assert bench.shows(0) == "399f" and bench.shows(5) == "0000"
    near(measure(driver), (12.0, 350.0, 4.2))


def test_the_conversion_is_done_in_time():
    bench = Bench()
    driver = INA219(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0


def test_too_early_there_is_nothing():
    bench = Bench()
    driver = INA219(bench.i2c)
    measure(driver)
    bench.truth = (5.0, 0.01)
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert failure(driver.read) == NOT_MEASURED
    assert driver.ready() > 0
    near(finish(driver), (5.0, 100.0, 0.5))


def test_a_supply_that_gives_way_whenever_it_measures():
    bench = Bench()
    driver = INA219(bench.i2c)
    bench.chip.weak = 2
    for _ in range(2):
        began = sim.now()
        assert failure(measure, driver) == NOT_MEASURED
        assert sim.now() - began <= driver.conversion_ms
    near(measure(driver), (12.0, 350.0, 4.2))
