"""BH1750 over the simulated I2C bus."""

import time

import machine
import sim
from chips import bh1750 as chips

from drivers.bh1750 import BH1750
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

NACK = 19 if sim.ESP32 else 5


class Bench:
    """A chip at 0x23; its light can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.lux = 320.0
        self.chip = chips.Chip(sim, lambda: self.lux)
        sim.i2c_attach(4, 5, 0x23, self.chip, "light")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))


def wait(driver):
    """Wait until it is ready to be read. No call of it may block."""
    while True:
        began = sim.now()
        ms = driver.ready()
        assert sim.now() - began <= 20, sim.now() - began
        if not ms:
            return
        sim.advance(ms)


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    wait(driver)
    return driver.read()


def failure(function, *args):
    try:
        function(*args)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def near(values, lux, tolerance=0.05):
    assert len(values) == 1 and type(values[0]) is float, values
    assert abs(values[0] - lux) <= tolerance, (values, lux)


def test_vectors_of_the_data_sheet():
    bench = Bench()
    driver = BH1750(bench.i2c)
    for frame, lux in (("8390", 28066.7), ("0110", 226.7), ("0001", 0.833), ("fffe", 54611.7)):
        bench.chip.frames = [bytes.fromhex(frame)]
        near(measure(driver), lux)


def test_vectors_at_other_sensitivities():
    for sensitivity, lux in ((31, 121555.0), (138, 27305.8), (254, 14835.4)):
        bench = Bench()
        driver = BH1750(bench.i2c, sensitivity=sensitivity)
        bench.chip.frames = [b"\xff\xfe"]
        near(measure(driver), lux, 0.1)


def test_shows_the_light():
    for sensitivity, lights in (
        (31, (0.0, 5.0, 120000.0)),
        (69, (0.9, 320.0, 54000.0)),
        (254, (0.2, 14000.0)),
    ):
        bench = Bench()
        driver = BH1750(bench.i2c, 0x23, sensitivity)
        for bench.lux in lights:
            near(measure(driver), bench.lux, 69 / 1.2 / sensitivity / 2 + 0.001)
        assert bench.chip.time == sensitivity
        assert not bench.chip.on


def test_how_long_it_takes():
    for sensitivity, ms in ((31, 81), (69, 180), (254, 663)):
        bench = Bench()
        driver = BH1750(bench.i2c, sensitivity=sensitivity)
        assert driver.conversion_ms == ms
        driver.start()
        sim.advance(ms)
        assert driver.ready() == 0
        near(driver.read(), 320.0, 1)


def test_a_millisecond_less_would_be_too_early():
    # The chip would show what it measured before.
    for sensitivity in range(31, 255):
        bench = Bench()
        driver = BH1750(bench.i2c, sensitivity=sensitivity)
        driver.start()
        sim.advance(driver.conversion_ms - 1)
        assert bench.chip.read(2) == b"\0\0"
        assert driver.ready() == 1
        sim.advance(1)
        assert bench.chip.read(2) != b"\0\0"


def test_too_bright():
    bench = Bench()
    driver = BH1750(bench.i2c)
    for bench.lux in (54613.0, 100000.0):
        assert failure(measure, driver) == "too bright (less sensitivity measures more)"
    near(measure(BH1750(bench.i2c, sensitivity=31)), 100000.0, 1)


def test_darkness_is_measured_twice():
    bench = Bench()
    driver = BH1750(bench.i2c)
    bench.lux = 0.0
    began = sim.now()
    for _ in range(2):
        near(measure(driver), 0.0, 0)
    assert sim.now() - began == 4 * 180
    assert bench.chip.commands.count(0x20) == 4


def test_a_chip_that_lost_its_power_is_not_darkness():
    bench = Bench()
    driver = BH1750(bench.i2c, sensitivity=138)
    for when in (1, 100, 360):
        driver.start()
        sim.advance(when)
        bench.chip.reset()
        sim.advance(driver.conversion_ms - when)
        assert driver.ready() == driver.conversion_ms
        sim.advance(driver.conversion_ms)
        assert driver.ready() == 0
        near(driver.read(), 320.0, 0.25)  # and with its sensitivity


def test_what_another_program_set_is_forgotten():
    bench = Bench()
    for command in (0x01, 0x47, 0x7E, 0x11):  # 254, again and again, in steps of half a lux
        bench.chip.write(bytes((command,)))
    near(measure(BH1750(bench.i2c)), 320.0, 0.5)
    assert bench.chip.time == 69 and not bench.chip.on


def test_no_reading_is_told_twice():
    bench = Bench()
    driver = BH1750(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    measure(driver)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    sim.advance(180)
    assert driver.ready() == driver.ready() == 0
    bench.lux = 1000.0
    near(measure(driver), 1000.0, 0.5)


def test_nobody_answers():
    bench = Bench()
    assert failure(BH1750, bench.i2c, 0x5C) == NACK
    driver = BH1750(bench.i2c)
    driver.start()
    sim.unplugged.add("light")
    assert failure(driver.start) == NACK
    sim.advance(driver.conversion_ms)
    assert failure(driver.ready) == NACK


def test_bus_held_low():
    bench = Bench()
    driver = BH1750(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("light", lambda stuck: BH1750(bench.i2c), (), 5000)
    results = []

    def run(ms):
        end = sim.now() + ms
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))

    run(4000)
    near(results.pop(), 320.0, 0.5)
    sim.unplugged.add("light")
    run(10000)
    assert results and set(results) == {"no answer on the bus"}, results
    results.clear()
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    near(results[-1], 320.0, 0.5)
    assert channel.error is None
