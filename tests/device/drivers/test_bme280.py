"""BME280 and BMP280 over the simulated I2C bus."""

import chipstand
from chips import bme280 as chips
from chipstand import NOT_MEASURED, RANGE, convert, failure, finish, measure, nearly, wait

import sim
from drivers.bme280 import BME280, BMP280

BOARDS = ("esp32", "pico_w")

near = nearly(0.011, 0.03, 0.011)

WEATHER = (21.5, 45.0, 1013.25)


class Stand(chipstand.I2C):
    """A chip at 0x76."""

    def __init__(self, id=chips.BME280):
        super().__init__(chips.Chip, 0x76, WEATHER, id)


def test_vector_of_a_real_bme280():
    # Calibration of a real part (the one the simulated chip has) and what it measured.
    stand = Stand()
    driver = BME280(stand.i2c)
    t_fine = driver.t_fine(530427)
    assert t_fine == 125113, t_fine
    assert driver.temperature(t_fine) == 2444
    assert driver.pressure(348984, t_fine) == 25502995
    assert driver.humidity(30995, t_fine) == 55478


def test_vector_as_bytes():
    stand = Stand()
    stand.chip.raw = bytes.fromhex("553380817fb07913")
    near(measure(BME280(stand.i2c)), (24.44, 54.178, 996.2107), (1e-9, 0.001, 0.0001))


def test_vector_of_the_bmp280_data_sheet():
    # 3.11.3: 25.08 °C, 100653.27 Pa in floating point; 25767233 / 256 = 100653.25 in integers
    stand = Stand(chips.BMP280)
    stand.chip.memory[0x88:0xA0] = bytes.fromhex(
        "706b436718fc7d8e43d6d00b270b8c00f9ff8c3cf8c67017"
    )
    stand.chip.raw = bytes.fromhex("655ac07eed000000")
    driver = BMP280(stand.i2c)
    t_fine = driver.t_fine(519888)
    assert t_fine == 128422, t_fine
    assert driver.pressure(415148, t_fine) == 25767233
    near(measure(driver), (25.08, 1006.5325), (1e-9, 0.0001))


def test_shows_the_weather():
    # The chip finds its raw values by the floating-point formulas: T ±0.01 °C, H ±0.02 %, P ±1 Pa apart at most.
    stand = Stand()
    driver = BME280(stand.i2c)
    for weather in (WEATHER, (-39.0, 5.0, 1099.0), (-0.01, 99.0, 700.0), (84.0, 30.0, 301.0)):
        stand.truth = weather
        near(measure(driver), weather, (0.011, 0.03, 0.011))


def test_humidity_stays_within_0_and_100():
    stand = Stand()
    driver = BME280(stand.i2c)
    t_fine = driver.t_fine(530427)
    assert driver.humidity(65535, t_fine) == 100 * 1024
    assert driver.humidity(0, t_fine) == 0


def test_signs_of_the_12_bit_calibration():
    stand = Stand()
    stand.chip.memory[0xE4:0xE7] = b"\xff\x2f\x80"  # h4 = 0xFFF, h5 = 0x802
    driver = BME280(stand.i2c)
    assert driver._h[3:5] == (-1, -2046), driver._h


def test_bmp280_has_no_humidity():
    stand = Stand(chips.BMP280)
    near(measure(BMP280(stand.i2c)), (21.5, 1013.25), (0.011, 0.011))


def test_a_bme280_will_do_for_a_bmp280():
    stand = Stand()
    near(measure(BMP280(stand.i2c)), (21.5, 1013.25), (0.011, 0.011))


def test_the_wrong_chip_is_named():
    stand = Stand(chips.BMP280)
    text = failure(BME280, stand.i2c)
    assert text == "chip id 0x58 is a BMP280; expected a BME280 (0x60)", text
    stand.chip.memory[0xD0] = 0x61
    assert failure(BMP280, stand.i2c) == "chip id 0x61 is a BME680; expected a BMP280 (0x58)"
    stand.chip.memory[0xD0] = 0xFF
    assert failure(BME280, stand.i2c) == "chip id 0xff; expected a BME280 (0x60)"


def test_blank_calibration_is_refused():
    for blank in (b"\x00", b"\xff"):
        stand = Stand()
        stand.chip.memory[0x88:0xA2] = blank * 26
        assert failure(BME280, stand.i2c) == "calibration is blank"


def test_blank_humidity_calibration_is_refused():
    for blank in (b"\x00", b"\xff"):
        stand = Stand()
        stand.chip.memory[0xE1:0xE8] = blank * 7
        assert failure(BME280, stand.i2c) == "calibration is blank"


def test_a_code_of_a_reset_is_no_value():
    # One alone, too: 0x80000 would be 22.52 °C or 704.15 hPa of this chip, 0x8000 63.87 %.
    for id, driver in ((chips.BME280, BME280), (chips.BMP280, BMP280)):
        for raw in (
            "800000817fb07913",
            "5533808000007913",
            "553380817fb08000",
            "8000008000007913",
        ):
            stand = Stand(id)
            made = driver(stand.i2c)
            stand.chip.raw = bytes.fromhex(raw)
            began = sim.now()
            if driver is BMP280 and raw.endswith("b08000"):
                convert(made)  # it has no humidity
                continue
            assert failure(convert, made) == NOT_MEASURED, raw
            assert failure(made.read) == NOT_MEASURED, raw
            assert sim.now() - began <= 30  # three times it measured


def test_a_real_value_with_that_code_is_measured_once_more():
    stand = Stand()
    driver = BME280(stand.i2c)
    began = sim.now()
    stand.chip.raw = bytes.fromhex("5533808000007913")
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == driver.conversion_ms
    stand.chip.raw = None
    sim.advance(driver.conversion_ms)
    near(finish(driver), WEATHER)
    assert sim.now() - began == 20


def test_a_quantity_that_the_chip_was_told_to_skip_is_no_value():
    # Another program's setting, or a restart, between start() and the end of the conversion.
    for register, value in ((0xF4, 0x20), (0xF4, 0x04), (0xF2, 0x00), (0xF4, 0x27)):
        stand = Stand()
        driver = BME280(stand.i2c)
        driver.start()
        sim.advance(driver.conversion_ms)
        stand.chip.write(bytes((register, value)))
        assert failure(driver.ready) == NOT_MEASURED, (register, value)


def test_data_lines_held_are_no_value():
    for line in (b"\0", b"\xff"):
        stand = Stand()
        driver = BME280(stand.i2c)
        stand.chip.raw = line * 8
        assert failure(measure, driver) == RANGE
        driver.start()
        sim.advance(10)
        stand.chip.read = lambda n, line=line: line * n
        text = NOT_MEASURED if line == b"\0" else "chip stays busy"
        assert failure(driver.ready) == text


def test_out_of_range():
    stand = Stand()
    driver = BME280(stand.i2c)
    for stand.truth in (
        (-40.1, 45.0, 1013.25),
        (85.1, 45.0, 1013.25),
        (21.5, 45.0, 299.9),
        (21.5, 45.0, 1100.1),
    ):
        convert(driver)
        assert failure(driver.read) == RANGE, stand.truth


def test_a_divisor_of_zero_is_no_crash():
    stand = Stand()
    driver = BME280(stand.i2c)
    driver._p = (37544, -32768, 0, 0, 0, 0, 0, 0, 0)
    assert failure(driver.pressure, 348984, (1 << 20) + 128000) == "calibration is blank"


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.chip.write(b"\xf5\xff\xf4\xff")  # another program's filter, in normal mode
    BME280(stand.i2c)
    assert stand.chip.memory[0xF4:0xF6] == b"\0\0"


def test_a_chip_that_never_starts_is_not_waited_for_for_ever():
    stand = Stand()
    stand.chip.copy_ms = 1000
    began = sim.now()
    assert failure(BME280, stand.i2c) == "chip stays busy"
    assert sim.now() - began < 50


def test_asked_too_early_it_waits_for_the_conversion():
    stand = Stand()
    driver = BME280(stand.i2c)
    measure(driver)
    stand.truth = (-10.0, 45.0, 1013.25)
    driver.start()
    assert failure(driver.read) == NOT_MEASURED
    near(finish(driver), stand.truth)


def test_the_conversion_is_done_in_time():
    stand = Stand()
    driver = BME280(stand.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    wait(driver, 0)
    driver.read()
