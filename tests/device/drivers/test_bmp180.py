"""BMP180 over the simulated I2C bus."""

import chipstand
from chips import bmp180 as chips
from chipstand import NOT_MEASURED, RANGE, convert, failure, finish, measure, nearly

import sim
from drivers.bmp180 import BMP180

BOARDS = ("esp32", "pico_w")

near = nearly(0.011, 0.03)

WEATHER = (21.5, 1013.25)


class Stand(chipstand.I2C):
    """A chip at 0x77."""

    def __init__(self):
        super().__init__(chips.Chip, 0x77, WEATHER)


def test_vector_of_the_data_sheet():
    driver = BMP180(Stand().i2c)  # the simulated chip has its calibration
    driver.oversampling = 0
    b5 = driver.b5(27898)
    assert b5 == 2400, b5
    assert driver.temperature(b5) == 1500
    assert driver.pressure(23843, b5) == 69964


def test_vector_as_bytes():
    stand = Stand()
    stand.chip.raw_t = b"\x6c\xfa"
    stand.chip.raw_p = b"\x5d\x23\x00"
    driver = BMP180(stand.i2c)
    near(measure(driver), (15.0, 699.63), (1e-9, 1e-9))  # 0.01 hPa for the finer arithmetic
    assert stand.chip.conversions == [0x2E, 0xF4]
    driver.oversampling = 0
    near(measure(driver), (15.0, 699.64), (1e-9, 1e-9))
    assert stand.chip.conversions[2:] == [0x2E, 0x34]


def test_shows_the_weather():
    stand = Stand()
    driver = BMP180(stand.i2c)
    for weather in (WEATHER, (-39.9, 1099.0), (-0.01, 700.0), (84.9, 301.0), (-20.0, 850.0)):
        stand.truth = weather
        near(measure(driver), weather)


def test_every_oversampling():
    stand = Stand()
    driver = BMP180(stand.i2c)
    for driver.oversampling in range(4):
        near(measure(driver), WEATHER, (0.011, 0.06))


def test_both_conversions_are_done_in_time():
    stand = Stand()
    driver = BMP180(stand.i2c)
    began = sim.now()
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 26
    sim.advance(26)
    assert driver.ready() == 0
    driver.read()
    assert sim.now() == began + 31  # nothing waited inside


def test_asked_too_early_it_says_so():
    stand = Stand()
    driver = BMP180(stand.i2c)
    measure(driver)
    stand.truth = (-10.0, 950.0)
    driver.start()
    sim.advance(4)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == 26
    sim.advance(25)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == 0
    near(driver.read(), stand.truth)


def test_a_chip_that_never_converts_is_no_value():
    stand = Stand()
    driver = BMP180(stand.i2c)
    stand.chip._convert = lambda control: None
    assert failure(convert, driver) == NOT_MEASURED
    assert failure(driver.read) == NOT_MEASURED


def test_a_code_of_a_reset_is_no_value():
    # One alone, too: 0x8000 would be 51.14 °C, 0x800000 980.54 hPa.
    for raw_t, raw_p in ((b"\x80\x00", None), (None, b"\x80\x00\x00")):
        stand = Stand()
        driver = BMP180(stand.i2c)
        measure(driver)  # so that something stands in the byte which a temperature leaves alone
        stand.chip.raw_t, stand.chip.raw_p = raw_t, raw_p
        assert failure(convert, driver) == NOT_MEASURED
        assert failure(driver.read) == NOT_MEASURED
        told = stand.chip.conversions[2:]
        assert told == ([0x2E] * 3 if raw_t else [0x2E] + [0xF4] * 3), told


def test_a_real_value_with_that_code_is_measured_once_more():
    stand = Stand()
    driver = BMP180(stand.i2c)
    stand.chip.raw_t = b"\x80\x00"
    driver.start()
    sim.advance(5)
    assert driver.ready() == 5
    stand.chip.raw_t = None
    sim.advance(5)
    near(finish(driver), WEATHER)


def test_data_lines_held_are_no_value():
    for raw_t, raw_p in ((b"\0\0", b"\0\0\0"), (b"\xff\xff", b"\xff\xff\xff")):
        stand = Stand()
        driver = BMP180(stand.i2c)
        stand.chip.raw_p = raw_p
        convert(driver)
        assert failure(driver.read) == RANGE, raw_p
        stand.chip.raw_t = raw_t
        assert failure(measure, driver) == RANGE, raw_t


def test_out_of_range():
    stand = Stand()
    driver = BMP180(stand.i2c)
    for weather in ((-40.1, 1013.25), (85.1, 1013.25), (21.5, 299.8), (21.5, 1100.2)):
        stand.truth = weather
        convert(driver)
        assert failure(driver.read) == RANGE, weather


def test_beyond_the_pole_of_the_temperature():
    # Far below any temperature there are raw values that would come out as 0.5 °C.
    driver = BMP180(Stand().i2c)
    for raw in (17285, 20284):
        assert failure(driver.b5, raw) == RANGE, raw


def test_a_divisor_of_zero_is_no_crash():
    driver = BMP180(Stand().i2c)
    driver._c = (408, -72, -32768, 1, 32757, 23153, 6190, 4, -32768, -8711, 2868)
    assert failure(driver.pressure, 23843, 60000) == "calibration is blank"


def test_blank_calibration_is_refused():
    for word in range(11):
        for blank in (b"\0\0", b"\xff\xff"):
            stand = Stand()
            stand.chip.memory[0xAA + word * 2 : 0xAC + word * 2] = blank
            assert failure(BMP180, stand.i2c) == "calibration is blank", word


def test_the_wrong_chip_is_named():
    stand = Stand()
    for found, text in (
        (0x58, "chip id 0x58 is a BMP280; expected a BMP180 (0x55)"),
        (0x60, "chip id 0x60 is a BME280; expected a BMP180 (0x55)"),
        (0x61, "chip id 0x61 is a BME680; expected a BMP180 (0x55)"),
        (0xFF, "chip id 0xff; expected a BMP180 (0x55)"),
        (0x00, "chip id 0x00; expected a BMP180 (0x55)"),
    ):
        stand.chip.memory[0xD0] = found
        assert failure(BMP180, stand.i2c) == text, text


def test_what_ran_before_is_forgotten():
    stand = Stand()
    stand.chip.write(b"\xf4\xf4")  # another program's conversion
    driver = BMP180(stand.i2c)
    near(measure(driver), WEATHER)
