"""DS3231 over the simulated I2C bus: its temperature."""

import time

import machine
import sim
from chips import ds3231 as chips

from drivers.ds3231 import DS3231
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")


class Bench:
    """A chip at 0x68; its temperature can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.celsius = 21.5
        self.chip = chips.Chip(sim, lambda: self.celsius)
        sim.i2c_attach(4, 5, 0x68, self.chip, "clock")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))


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
    driver = DS3231(bench.i2c)
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
        bench.chip.raw = bytes.fromhex(raw)
        near(measure(driver), celsius)


def test_shows_the_temperature():
    bench = Bench()
    driver = DS3231(bench.i2c)
    for celsius in (21.5, -0.1, 0.0, -40.0, 84.9, -17.33):
        bench.celsius = celsius
        near(measure(driver), celsius, 0.25)


def test_out_of_range():
    bench = Bench()
    driver = DS3231(bench.i2c)
    for raw in ("5540", "d7c0", "7fc0", "8000", "ffff", "1901"):
        bench.chip.raw = bytes.fromhex(raw)
        assert failure(measure, driver) == "reading out of the chip's range", raw


def test_it_measures_when_it_is_asked():
    bench = Bench()
    driver = DS3231(bench.i2c)
    near(measure(driver), 21.5)
    bench.celsius = 30.0
    near(measure(driver), 30.0)


def test_clock_alarms_and_outputs_are_left_alone():
    bench = Bench()
    clock = bytes.fromhex("57422306311026" + "01020304050607")
    bench.i2c.writeto_mem(0x68, 0, clock)
    for control, status in ((0x1C, 0x08), (0xDF, 0x8B), (0x00, 0x00)):
        bench.chip.memory[chips.CONTROL] = control
        bench.chip.memory[chips.STATUS] = status
        near(measure(DS3231(bench.i2c)), 21.5)
        assert bench.i2c.readfrom_mem(0x68, 0, 14) == clock
        assert bench.i2c.readfrom_mem(0x68, 14, 2) == bytes((control, status))


def test_one_that_measures_by_itself_is_not_disturbed():
    bench = Bench()
    driver = DS3231(bench.i2c)
    sim.advance(bench.chip.own_at - sim.now() + 50)
    bench.celsius = 10.0
    driver.start()
    assert bench.chip.memory[chips.CONTROL] == 0x1C
    sim.advance(100)
    assert driver.ready() > 0
    sim.advance(50)
    assert driver.ready() == 0
    near(driver.read(), 10.0)


def test_the_conversion_is_done_in_time():
    bench = Bench()
    driver = DS3231(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0


def test_too_early_there_is_nothing():
    bench = Bench()
    driver = DS3231(bench.i2c)
    bench.celsius = -10.0
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert failure(driver.read) == "chip has not measured"
    assert driver.ready() > 0
    sim.advance(1)
    near(driver.read(), -10.0)


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = DS3231(bench.i2c)
    bench.chip.stuck = True
    began = sim.now()
    assert failure(measure, driver) == "chip stays busy"
    assert sim.now() - began < 400


def test_a_chip_that_lost_its_supply_is_no_value():
    bench = Bench()
    driver = DS3231(bench.i2c)
    near(measure(driver), 21.5)
    driver.start()
    sim.advance(100)
    bench.chip.reset()
    sim.advance(100)
    assert driver.ready() > 0
    sim.advance(200)
    assert failure(driver.ready) == "chip has not measured"
    assert failure(driver.read) == "chip has not measured"
    near(measure(driver), 21.5)


def test_a_clock_that_was_never_set_has_a_temperature():
    bench = Bench()
    bench.chip.reset()
    near(measure(DS3231(bench.i2c)), 21.5)


def test_another_chip():
    # One with memory there, as a DS1307, and one that takes nothing.
    bench = Bench()
    driver = DS3231(bench.i2c)
    bench.chip._begin = lambda: None
    assert failure(measure, driver) == "chip stays busy"
    bench.chip.reset()
    bench.chip._set = lambda register, value: None
    sim.advance(300)
    assert failure(driver.start) == "chip does not keep its settings"


def test_data_lines_held_are_no_value():
    bench = Bench()
    driver = DS3231(bench.i2c)
    for byte, text in ((b"\0", "chip does not keep its settings"), (b"\xff", "chip stays busy")):
        bench.chip.read = lambda n: byte * n
        assert failure(measure, driver) == text, byte


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    sim.unplugged.add("clock")
    assert failure(DS3231, bench.i2c) == code
    sim.unplugged.clear()
    driver = DS3231(bench.i2c)
    sim.unplugged.add("clock")
    for method in (driver.start, driver.ready, driver.read):
        assert failure(method) == code


def test_bus_held_low():
    bench = Bench()
    driver = DS3231(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("clock", lambda stuck: DS3231(bench.i2c), (), 5000)
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
    sim.unplugged.add("clock")
    run(10000)
    assert set(results) == {"no answer on the bus"}, results
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    for result in results:
        near(result, 21.5)
    assert results and channel.error is None
