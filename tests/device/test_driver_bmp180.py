"""BMP180 over the simulated I2C bus."""

import time

import machine
import sim
from chips import bmp180 as chips

from drivers.bmp180 import BMP180

BOARDS = ("esp32", "pico_w")

WEATHER = (21.5, 1013.25)
RANGE = "reading out of the chip's range"


class Bench:
    """A chip at 0x77; its weather can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.weather = WEATHER
        self.chip = chips.Chip(sim, lambda: self.weather)
        sim.i2c_attach(4, 5, 0x77, self.chip, "climate")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))


def convert(driver):
    """Start, and wait until it is ready to be read."""
    driver.start()
    sim.advance(driver.conversion_ms)
    wait = driver.ready()
    while wait:
        sim.advance(wait)
        wait = driver.ready()


def measure(driver):
    convert(driver)
    return driver.read()


def failure(function, *args):
    try:
        function(*args)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def near(values, expected, tolerances=(0.011, 0.03)):
    for value, wanted, tolerance in zip(values, expected, tolerances):
        assert isinstance(value, float), value
        assert abs(value - wanted) <= tolerance, (values, expected)
    assert len(values) == len(expected)


def test_vector_of_the_data_sheet():
    driver = BMP180(Bench().i2c)  # the simulated chip has its calibration
    driver.oversampling = 0
    b5 = driver.b5(27898)
    assert b5 == 2400, b5
    assert driver.temperature(b5) == 1500
    assert driver.pressure(23843, b5) == 69964


def test_vector_as_bytes():
    bench = Bench()
    bench.chip.raw_t = b"\x6c\xfa"
    bench.chip.raw_p = b"\x5d\x23\x00"
    driver = BMP180(bench.i2c)
    near(measure(driver), (15.0, 699.63), (1e-9, 1e-9))  # 0.01 hPa for the finer arithmetic
    assert bench.chip.conversions == [0x2E, 0xF4]
    driver.oversampling = 0
    near(measure(driver), (15.0, 699.64), (1e-9, 1e-9))
    assert bench.chip.conversions[2:] == [0x2E, 0x34]


def test_shows_the_weather():
    bench = Bench()
    driver = BMP180(bench.i2c)
    for weather in (WEATHER, (-39.9, 1099.0), (-0.01, 700.0), (84.9, 301.0), (-20.0, 850.0)):
        bench.weather = weather
        near(measure(driver), weather)


def test_every_oversampling():
    bench = Bench()
    driver = BMP180(bench.i2c)
    for driver.oversampling in range(4):
        near(measure(driver), WEATHER, (0.011, 0.06))


def test_both_conversions_are_done_in_time():
    bench = Bench()
    driver = BMP180(bench.i2c)
    began = sim.now()
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 26
    sim.advance(26)
    assert driver.ready() == 0
    driver.read()
    assert sim.now() == began + 31  # nothing waited inside


def test_asked_too_early_it_says_so():
    bench = Bench()
    driver = BMP180(bench.i2c)
    measure(driver)
    bench.weather = (-10.0, 950.0)
    driver.start()
    sim.advance(4)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == 26
    sim.advance(25)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == 0
    near(driver.read(), bench.weather)


def test_read_without_a_measurement_is_no_value():
    driver = BMP180(Bench().i2c)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    assert failure(driver.read) == "chip has not measured"
    measure(driver)
    assert failure(driver.read) == "chip has not measured"  # each is read once


def test_a_new_start_begins_with_the_temperature():
    bench = Bench()
    driver = BMP180(bench.i2c)
    convert(driver)  # and nobody read it
    bench.weather = (-10.0, 950.0)
    near(measure(driver), bench.weather)


def test_a_chip_that_lost_its_power_is_no_value():
    # What it then shows would be 51.14 °C. It is told to convert once more.
    bench = Bench()
    driver = BMP180(bench.i2c)
    driver.start()
    bench.chip.reset()
    sim.advance(11)
    assert driver.ready() == 5
    sim.advance(5)
    assert driver.ready() == 26
    bench.chip.reset()
    sim.advance(26)
    assert driver.ready() == 26
    sim.advance(26)
    assert driver.ready() == 0
    near(driver.read(), WEATHER)
    assert bench.chip.conversions == [0x2E, 0x2E, 0xF4, 0xF4]


def test_a_chip_that_never_converts_is_no_value():
    bench = Bench()
    driver = BMP180(bench.i2c)
    bench.chip._convert = lambda control: None
    convert(driver)
    assert failure(driver.read) == "chip has not measured"


def test_the_code_of_a_reset_alone_is_a_reading():
    # 0x8000: 51.14 °C; 0x800000: 980.54 hPa. One code is 0.005 °C, or 0.004 hPa: the weather has it now and then.
    bench = Bench()
    driver = BMP180(bench.i2c)
    bench.chip.raw_t = b"\x80\x00"
    bench.weather = (51.14, 1013.25)
    near(measure(driver), bench.weather)
    bench = Bench()
    driver = BMP180(bench.i2c)
    bench.chip.raw_p = b"\x80\x00\x00"
    near(measure(driver), (WEATHER[0], 980.54), (0.011, 0.01))


def test_data_lines_held_are_no_value():
    for raw_t, raw_p in ((b"\0\0", b"\0\0\0"), (b"\xff\xff", b"\xff\xff\xff")):
        bench = Bench()
        driver = BMP180(bench.i2c)
        bench.chip.raw_p = raw_p
        convert(driver)
        assert failure(driver.read) == RANGE, raw_p
        bench.chip.raw_t = raw_t
        assert failure(measure, driver) == RANGE, raw_t


def test_out_of_range():
    bench = Bench()
    driver = BMP180(bench.i2c)
    for weather in ((-40.1, 1013.25), (85.1, 1013.25), (21.5, 299.8), (21.5, 1100.2)):
        bench.weather = weather
        convert(driver)
        assert failure(driver.read) == RANGE, weather


def test_beyond_the_pole_of_the_temperature():
    # Far below any temperature there are raw values that would come out as 0.5 °C.
    driver = BMP180(Bench().i2c)
    for raw in (17285, 20284):
        assert failure(driver.b5, raw) == RANGE, raw


def test_a_divisor_of_zero_is_no_crash():
    driver = BMP180(Bench().i2c)
    driver._c = (408, -72, -32768, 1, 32757, 23153, 6190, 4, -32768, -8711, 2868)
    assert failure(driver.pressure, 23843, 60000) == "calibration is blank"


def test_blank_calibration_is_refused():
    for word in range(11):
        for blank in (b"\0\0", b"\xff\xff"):
            bench = Bench()
            bench.chip.memory[0xAA + word * 2 : 0xAC + word * 2] = blank
            assert failure(BMP180, bench.i2c) == "calibration is blank", word


def test_the_wrong_chip_is_named():
    bench = Bench()
    for found, text in (
        (0x58, "chip id 0x58 is a BMP280; expected a BMP180 (0x55)"),
        (0x60, "chip id 0x60 is a BME280; expected a BMP180 (0x55)"),
        (0x61, "chip id 0x61 is a BME680; expected a BMP180 (0x55)"),
        (0xFF, "chip id 0xff; expected a BMP180 (0x55)"),
        (0x00, "chip id 0x00; expected a BMP180 (0x55)"),
    ):
        bench.chip.memory[0xD0] = found
        assert failure(BMP180, bench.i2c) == text, text


def test_what_ran_before_is_forgotten():
    bench = Bench()
    bench.chip.write(b"\xf4\xf4")  # another program's conversion
    driver = BMP180(bench.i2c)
    near(measure(driver), WEATHER)


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = BMP180(bench.i2c)
    for after in (0, 1):
        bench.chip.stuck = not after
        driver.start()
        sim.advance(driver.conversion_ms)
        if after:
            driver.ready()
            bench.chip.stuck = True
        began = sim.now()
        text = None
        while text is None and sim.now() - began < 200:
            try:
                sim.advance(driver.ready())
            except OSError as e:
                text = e.args[-1]
        assert text == "chip stays busy", text
        assert sim.now() - began < 110
        bench.chip.reset()
        sim.advance(10)


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    driver = BMP180(bench.i2c)
    sim.unplugged.add("climate")
    assert failure(BMP180, bench.i2c) == code
    for function in (driver.start, driver.ready):
        assert failure(function) == code
    sim.unplugged.clear()
    near(measure(driver), WEATHER)


def test_bus_held_low():
    bench = Bench()
    driver = BMP180(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back_in_a_channel():
    from firmware.sensors.channel import Channel

    bench = Bench()
    channel = Channel("climate", lambda stuck: BMP180(bench.i2c), (), 5000)
    results = []

    def run(ms):
        end = sim.now() + ms
        del results[:]
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(channel.due(time.ticks_ms()), 1))

    run(12000)
    assert len(results) == 3
    sim.unplugged.add("climate")
    run(10000)
    assert results and set(results) == {"no answer on the bus"}, results
    sim.unplugged.clear()
    run(10000)
    near(results[-1], WEATHER)
