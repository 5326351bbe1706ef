"""TMP117 over the simulated I2C bus."""

import time

import machine
import sim
from chips import tmp117 as chips

from drivers.tmp117 import TMP117
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")


class Bench:
    """A chip at 0x48; its temperature can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.celsius = 21.5
        self.chip = chips.Chip(sim, lambda: self.celsius)
        sim.i2c_attach(4, 5, 0x48, self.chip, "room")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def shows(self, register):
        return self.i2c.readfrom_mem(0x48, register, 2).hex()


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    wait = driver.ready()
    while wait:
        sim.advance(wait)
        wait = driver.ready()
    return driver.read()


def failure(function, *args):
    try:
        function(*args)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def near(values, wanted, tolerance=1e-9):
    (value,) = values
    assert type(value) is float, value
    assert abs(value - wanted) <= tolerance, (value, wanted)


def test_vectors():
    bench = Bench()
    driver = TMP117(bench.i2c)
    for raw, celsius in (
        (0x0C80, 25.0),
        (0xFFFF, -0.0078125),
        (0x4B00, 150.0),
        (0x0000, 0.0),
        (0x0001, 0.0078125),
        (0xF380, -25.0),
        (0xE480, -55.0),
    ):
        bench.chip.raw = raw
        near(measure(driver), celsius)


def test_shows_the_temperature():
    bench = Bench()
    driver = TMP117(bench.i2c)
    for celsius in (21.5, -0.003, 0.0, -55.0, 149.99, -17.33):
        bench.celsius = celsius
        near(measure(driver), celsius, 0.0079)


def test_out_of_range():
    bench = Bench()
    driver = TMP117(bench.i2c)
    for raw in (0x4B01, 0xE47F, 0x7FFF, 0x8001):
        bench.chip.raw = raw
        assert failure(measure, driver) == "reading out of the chip's range", raw


def test_256_degrees_below_is_not_measured():
    bench = Bench()
    driver = TMP117(bench.i2c)
    bench.chip.raw = 0x8000
    assert failure(measure, driver) == "chip has not measured"


def test_another_chip():
    bench = Bench()
    for id in (0x7FFF, 0x0000, 0xFFFF, 0x1116, 0x0217, 0x0075):
        bench.chip.id = id
        text = failure(TMP117, bench.i2c)
        assert text == "chip id 0x%04x; expected a TMP117 (0x0117)" % id, text
    bench.chip.id = 0x1117  # a later revision
    near(measure(TMP117(bench.i2c)), 21.5)


def test_another_chip_is_not_written_to():
    bench = Bench()
    bench.chip.id = 0x0075
    write = bench.chip.write

    def read_only(data):
        assert len(data) < 2, data
        return write(data)

    bench.chip.write = read_only
    failure(TMP117, bench.i2c)


def test_it_sleeps_between_readings():
    bench = Bench()
    driver = TMP117(bench.i2c)
    near(measure(driver), 21.5)
    bench.celsius = 30.0
    before = bench.shows(chips.TEMPERATURE)
    sim.advance(5000)
    assert bench.shows(chips.TEMPERATURE) == before
    near(measure(driver), 30.0)


def test_what_was_set_before_is_forgotten():
    bench = Bench()
    bench.i2c.writeto_mem(0x48, 1, b"\x07\xf4")  # another program's: asleep, the mean of 64
    near(measure(TMP117(bench.i2c)), 21.5)


def test_the_conversion_is_done_in_time():
    bench = Bench()
    driver = TMP117(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    assert driver.ready() == 0  # though the chip says it once only
    near(driver.read(), 21.5)


def test_too_early_there_is_nothing():
    bench = Bench()
    driver = TMP117(bench.i2c)
    near(measure(driver), 21.5)
    bench.celsius = -10.0
    driver.start()
    sim.advance(138)
    assert failure(driver.read) == "chip has not measured"
    assert driver.ready() > 0
    near(measure(driver), -10.0)


def test_a_chip_that_was_not_told_has_not_measured():
    bench = Bench()
    assert failure(TMP117(bench.i2c).read) == "chip has not measured"


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = TMP117(bench.i2c)
    bench.chip.stuck = True
    began = sim.now()
    assert failure(measure, driver) == "chip stays busy"
    assert sim.now() - began < 250


def test_a_chip_that_restarts_is_no_value():
    bench = Bench()
    driver = TMP117(bench.i2c)
    near(measure(driver), 21.5)
    for ms in (130, 20):
        driver.start()
        sim.advance(150 - ms)
        bench.chip.reset()
        sim.advance(ms)
        assert failure(driver.ready) == "chip has not measured"
        assert failure(driver.read) == "chip has not measured"
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    bench.chip.reset()
    sim.advance(200)  # it has measured by then, but not as it was told
    assert failure(driver.read) == "chip has not measured"
    near(measure(driver), 21.5)


def test_data_lines_held_later_are_no_value():
    bench = Bench()
    driver = TMP117(bench.i2c)
    for byte in (b"\0", b"\xff"):
        driver.start()
        sim.advance(driver.conversion_ms)
        driver._done = True
        bench.chip.read = lambda n: byte * n
        assert failure(driver.ready) == "chip has not measured"
        assert failure(driver.read) == "chip has not measured"


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    assert failure(TMP117, bench.i2c, 0x49) == code
    driver = TMP117(bench.i2c)
    sim.unplugged.add("room")
    for method in (driver.start, driver.ready, driver.read):
        assert failure(method) == code


def test_bus_held_low():
    bench = Bench()
    driver = TMP117(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("room", lambda stuck: TMP117(bench.i2c), (), 5000)
    results = []

    def run(ms):
        results.clear()
        end = sim.now() + ms
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))

    run(4000)
    near(results[0], 21.5)
    sim.unplugged.add("room")
    run(10000)
    assert set(results) == {"no answer on the bus"}, results
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    for result in results:
        near(result, 21.5)
    assert results and channel.error is None
