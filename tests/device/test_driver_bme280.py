"""BME280 and BMP280 over the simulated I2C bus."""

import machine
import sim
from chips import bme280 as chips

from drivers.bme280 import BME280, BMP280

BOARDS = ("esp32", "pico_w")

WEATHER = (21.5, 45.0, 1013.25)


class Bench:
    """A chip at 0x76; its weather can be moved."""

    def __init__(self, id=chips.BME280):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.weather = WEATHER
        self.chip = chips.Chip(sim, lambda: self.weather, id)
        sim.i2c_attach(4, 5, 0x76, self.chip, "climate")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    return driver.read()


def failure(function, *args):
    try:
        function(*args)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def near(values, expected, tolerances):
    for value, wanted, tolerance in zip(values, expected, tolerances):
        assert isinstance(value, float), value
        assert abs(value - wanted) <= tolerance, (values, expected)
    assert len(values) == len(expected)


def test_vector_of_a_real_bme280():
    # Calibration of a real part (the one the simulated chip has) and what it measured.
    bench = Bench()
    driver = BME280(bench.i2c)
    t_fine = driver.t_fine(530427)
    assert t_fine == 125113, t_fine
    assert driver.temperature(t_fine) == 2444
    assert driver.pressure(348984, t_fine) == 25502995
    assert driver.humidity(30995, t_fine) == 55478


def test_vector_as_bytes():
    bench = Bench()
    bench.chip.raw = bytes.fromhex("553380817fb07913")
    near(measure(BME280(bench.i2c)), (24.44, 54.178, 996.2107), (1e-9, 0.001, 0.0001))


def test_vector_of_the_bmp280_data_sheet():
    # 3.11.3: 25.08 °C, 100653.27 Pa in floating point; 25767233 / 256 = 100653.25 in integers
    bench = Bench(chips.BMP280)
    bench.chip.memory[0x88:0xA0] = bytes.fromhex(
        "706b436718fc7d8e43d6d00b270b8c00f9ff8c3cf8c67017"
    )
    bench.chip.raw = bytes.fromhex("655ac07eed000000")
    driver = BMP280(bench.i2c)
    t_fine = driver.t_fine(519888)
    assert t_fine == 128422, t_fine
    assert driver.pressure(415148, t_fine) == 25767233
    near(measure(driver), (25.08, 1006.5325), (1e-9, 0.0001))


def test_shows_the_weather():
    # The chip finds its raw values by the floating-point formulas: T ±0.01 °C, H ±0.02 %, P ±1 Pa apart at most.
    bench = Bench()
    driver = BME280(bench.i2c)
    for weather in (WEATHER, (-39.0, 5.0, 1099.0), (-0.01, 99.0, 700.0), (84.0, 30.0, 301.0)):
        bench.weather = weather
        near(measure(driver), weather, (0.011, 0.03, 0.011))


def test_humidity_stays_within_0_and_100():
    bench = Bench()
    driver = BME280(bench.i2c)
    t_fine = driver.t_fine(530427)
    assert driver.humidity(65535, t_fine) == 100 * 1024
    assert driver.humidity(0, t_fine) == 0


def test_signs_of_the_12_bit_calibration():
    bench = Bench()
    bench.chip.memory[0xE4:0xE7] = b"\xff\x2f\x80"  # h4 = 0xFFF, h5 = 0x802
    driver = BME280(bench.i2c)
    assert driver._h[3:5] == (-1, -2046), driver._h


def test_bmp280_has_no_humidity():
    bench = Bench(chips.BMP280)
    near(measure(BMP280(bench.i2c)), (21.5, 1013.25), (0.011, 0.011))


def test_a_bme280_will_do_for_a_bmp280():
    bench = Bench()
    near(measure(BMP280(bench.i2c)), (21.5, 1013.25), (0.011, 0.011))


def test_the_wrong_chip_is_named():
    bench = Bench(chips.BMP280)
    text = failure(BME280, bench.i2c)
    assert text == "chip id 0x58 is a BMP280; expected a BME280 (0x60)", text
    bench.chip.memory[0xD0] = 0x61
    assert failure(BMP280, bench.i2c) == "chip id 0x61 is a BME680; expected a BMP280 (0x58)"
    bench.chip.memory[0xD0] = 0xFF
    assert failure(BME280, bench.i2c) == "chip id 0xff; expected a BME280 (0x60)"


def test_blank_calibration_is_refused():
    for blank in (b"\x00", b"\xff"):
        bench = Bench()
        bench.chip.memory[0x88:0xA2] = blank * 26
        assert failure(BME280, bench.i2c) == "calibration is blank"


def test_blank_humidity_calibration_is_refused():
    for blank in (b"\x00", b"\xff"):
        bench = Bench()
        bench.chip.memory[0xE1:0xE8] = blank * 7
        assert failure(BME280, bench.i2c) == "calibration is blank"


def test_what_was_never_measured_is_no_value():
    # After a reset the data registers convert to 22.52 °C, 63.6 % and 701.9 hPa.
    bench = Bench()
    driver = BME280(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    bench.chip.raw = bytes.fromhex("8000008000007913")
    driver.start()
    sim.advance(10)
    assert failure(driver.read) == "chip has not measured"


def test_one_code_of_a_reset_alone_is_a_reading():
    # 0x80000 is 22.52 °C of this chip: one code is 0.005 °C, and a room has it now and then.
    bench = Bench()
    driver = BME280(bench.i2c)
    for raw, at, value in (
        ("800000817fb07913", 2, 704.147),
        ("5533808000007913", 0, 22.52),
        ("553380817fb08000", 1, 63.871),
    ):
        bench.chip.raw = bytes.fromhex(raw)
        values = measure(driver)
        assert abs(values[at] - value) < 0.01, (raw, values)
    bench = Bench(chips.BMP280)
    bench.chip.raw = bytes.fromhex("5533808000000000")
    assert measure(BMP280(bench.i2c))[0] == 22.52


def test_a_chip_that_lost_its_power_is_no_value():
    bench = Bench()
    driver = BME280(bench.i2c)
    driver.start()
    sim.advance(5)
    bench.chip.reset()
    sim.advance(5)
    assert failure(driver.read) == "chip has not measured"


def test_data_lines_held_are_no_value():
    bench = Bench()
    driver = BME280(bench.i2c)
    for raw in (bytes(8), b"\xff" * 8):
        bench.chip.raw = raw
        driver.start()
        sim.advance(10)
        assert failure(driver.read) == "reading out of the chip's range"


def test_out_of_range():
    bench = Bench()
    driver = BME280(bench.i2c)
    for weather in (
        (-40.1, 45.0, 1013.25),
        (85.1, 45.0, 1013.25),
        (21.5, 45.0, 299.9),
        (21.5, 45.0, 1100.1),
    ):
        bench.weather = weather
        driver.start()
        sim.advance(10)
        assert failure(driver.read) == "reading out of the chip's range", weather


def test_a_divisor_of_zero_is_no_crash():
    bench = Bench()
    driver = BME280(bench.i2c)
    driver._p = (37544, -32768, 0, 0, 0, 0, 0, 0, 0)
    assert failure(driver.pressure, 348984, (1 << 20) + 128000) == "calibration is blank"


def test_what_was_set_before_is_forgotten():
    bench = Bench()
    bench.chip.write(b"\xf5\xff\xf4\xff")  # another program's filter, in normal mode
    BME280(bench.i2c)
    assert bench.chip.memory[0xF4:0xF6] == b"\0\0"


def test_a_chip_that_never_starts_is_not_waited_for_for_ever():
    bench = Bench()
    bench.chip.copy_ms = 1000
    began = sim.now()
    assert failure(BME280, bench.i2c) == "chip stays busy"
    assert sim.now() - began < 50


def test_read_too_early_waits_for_the_conversion():
    bench = Bench()
    driver = BME280(bench.i2c)
    measure(driver)
    bench.weather = (-10.0, 45.0, 1013.25)
    driver.start()
    near(driver.read(), bench.weather, (0.011, 0.03, 0.011))


def test_the_conversion_is_done_in_time():
    bench = Bench()
    driver = BME280(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    began = sim.now()
    driver.read()
    assert sim.now() == began


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = BME280(bench.i2c)
    driver.start()
    bench.chip.stuck = True
    began = sim.now()
    assert failure(driver.read) == "chip stays busy"
    assert sim.now() - began < 50


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    assert failure(BME280, bench.i2c, 0x77) == code
    driver = BME280(bench.i2c)
    sim.unplugged.add("climate")
    assert failure(driver.start) == code
    assert failure(driver.read) == code


def test_bus_held_low():
    bench = Bench()
    driver = BME280(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)
