"""MCP9808 over the simulated I2C bus."""

import time

import machine
import sim
from chips import mcp9808 as chips

from drivers.mcp9808 import MCP9808
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")


class Bench:
    """A chip at 0x18; its temperature can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.celsius = 21.5
        self.chip = chips.Chip(sim, lambda: self.celsius)
        sim.i2c_attach(4, 5, 0x18, self.chip, "room")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def shows(self, register):
        return self.i2c.readfrom_mem(0x18, register, 2).hex()


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


def near(values, wanted, tolerance=1e-9):
    (value,) = values
    assert type(value) is float, value
    assert abs(value - wanted) <= tolerance, (value, wanted)


def test_vectors():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    for raw, celsius in (
        (0xC190, 25.0),
        (0x1FF0, -1.0),
        (0x3FF0, -1.0),
        (0xC194, 25.25),
        (0x0000, 0.0),
        (0x8000, 0.0),
        (0x3FFF, -0.0625),
        (0xC7D0, 125.0),
        (0x3D80, -40.0),
    ):
        bench.chip.raw = raw
        near(measure(driver), celsius)


def test_shows_the_temperature():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    for celsius in (21.5, -0.05, 0.0, -40.0, 124.99, -17.33):
        bench.celsius = celsius
        near(measure(driver), celsius, 0.0625)


def test_out_of_range():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    for raw in (0xC7D1, 0x3D7F, 0xCFFF, 0x3000, 0xFFFF, 0x7190):
        bench.chip.raw = raw
        assert failure(measure, driver) == "reading out of the chip's range", raw


def test_another_chip():
    bench = Bench()
    for maker, id in (
        (0x0054, 0x0500),
        (0x0054, 0x2004),
        (0, 0),
        (0xFFFF, 0xFFFF),
        (0x1234, 0x0400),
    ):
        bench.chip.maker, bench.chip.id = maker, id
        text = failure(MCP9808, bench.i2c)
        assert text == "chip id 0x%02x; expected a MCP9808 (0x04)" % (id >> 8), text
    bench.chip.maker, bench.chip.id = 0x0054, 0x0401  # a later revision
    near(measure(MCP9808(bench.i2c)), 21.5)


def test_it_sleeps_between_readings():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    near(measure(driver), 21.5)
    bench.celsius = 30.0
    before = bench.shows(chips.AMBIENT)
    sim.advance(5000)
    assert bench.shows(chips.AMBIENT) == before
    near(measure(driver), 30.0)


def test_what_was_set_before_is_forgotten():
    bench = Bench()
    bench.i2c.writeto_mem(0x18, 8, b"\x00")  # half a degree
    bench.celsius = 21.4375
    near(measure(MCP9808(bench.i2c)), 21.4375)


def test_a_moment_earlier_there_is_the_old_temperature():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    near(measure(driver), 21.5)
    bench.celsius = -10.0
    driver.start()
    sim.advance(249)
    near(driver.read(), 21.5)
    driver.start()
    sim.advance(250)
    near(driver.read(), -10.0)
    assert driver.conversion_ms > 250


def test_a_chip_that_restarts_is_not_at_0_degrees():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    near(measure(driver), 21.5)
    driver.start()
    sim.advance(250)
    bench.chip.reset()
    sim.advance(50)
    assert bench.shows(chips.AMBIENT) == "0000"
    assert failure(driver.read) == "chip has not measured"
    near(measure(MCP9808(bench.i2c)), 21.5)


def test_a_chip_that_was_not_told_has_not_measured():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    assert failure(driver.read) == "chip has not measured"


def test_data_lines_held_later_are_no_value():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    for byte in (b"\0", b"\xff"):
        bench.chip.read = lambda n: byte * n
        assert failure(measure, driver) == "chip has not measured"


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    assert failure(MCP9808, bench.i2c, 0x19) == code
    driver = MCP9808(bench.i2c)
    sim.unplugged.add("room")
    assert failure(driver.start) == code
    assert failure(driver.read) == code


def test_bus_held_low():
    bench = Bench()
    driver = MCP9808(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("room", lambda stuck: MCP9808(bench.i2c), (), 5000)
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
