"""SHTC3 over the simulated I2C bus."""

import time

import machine
import sim
from chips import shtc3 as chips

from drivers.shtc3 import SHTC3
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

AIR = (21.5, 45.0)
NACK = 19 if sim.ESP32 else 5


class Bench:
    """A chip at 0x70; its air can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.air = AIR
        self.chip = chips.Chip(sim, lambda: self.air)
        sim.i2c_attach(4, 5, 0x70, self.chip, "air")
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


def near(values, expected, tolerance=0.002):
    assert len(values) == len(expected)
    for value, wanted in zip(values, expected):
        assert type(value) is float, values
        assert abs(value - wanted) <= tolerance, (values, expected)


def test_vector():
    bench = Bench()
    bench.chip.frames = [bytes.fromhex("648bc7a1331c")]  # the data sheet's
    near(measure(SHTC3(bench.i2c)), (23.731, 62.968), 0.0005)


def test_shows_the_air():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    for bench.air in (AIR, (-39.99, 100.0), (-0.01, 0.0), (124.99, 30.0)):
        near(measure(driver), bench.air, 0.003)


def test_out_of_range():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    for bench.air in ((-40.1, 45.0), (125.1, 45.0), (129.9, 45.0), (-45.0, 45.0)):
        assert failure(measure, driver) == "reading out of the chip's range", bench.air


def test_it_takes_13_ms():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert driver.ready() == 1
    assert failure(driver.read) == "chip has not measured"
    sim.advance(1)
    assert driver.ready() == 0
    assert driver.ready() == 0  # asked twice: the chip has forgotten it, the driver has not
    near(driver.read(), AIR)


def test_no_reading_is_told_twice():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    measure(driver)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    assert failure(driver.read) == "chip has not measured"


def test_what_was_fetched_before_a_start_is_forgotten():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    driver.start()
    sim.advance(13)
    assert driver.ready() == 0
    bench.air = (-10.0, 80.0)
    near(measure(driver), bench.air)


def test_a_wrong_checksum_once_is_measured_again():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    bench.chip.spoiled = 1
    driver.start()
    sim.advance(13)
    assert driver.ready() == driver.conversion_ms
    sim.advance(13)
    assert driver.ready() == 0
    near(driver.read(), AIR)
    bench.chip.spoiled = 1  # and again in the next reading
    near(measure(driver), AIR)


def test_a_wrong_checksum_for_ever():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    bench.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert bench.chip.spoiled == 97


def test_each_word_has_its_checksum():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    for frame in ("648bc6a1331c", "648bc7a1331d", "ffffffffffff", "000000000000", "648bffa133ff"):
        bench.chip.frames = [bytes.fromhex(frame)] * 2
        assert failure(measure, driver) == "checksum", frame


def test_a_chip_that_sleeps_is_woken():
    bench = Bench()
    bench.chip.write(b"\xb0\x98")  # another program's
    assert bench.i2c.scan() == []
    near(measure(SHTC3(bench.i2c)), AIR)
    assert bench.i2c.scan() == [0x70]


def test_it_is_told_to_measure_temperature_first():
    bench = Bench()
    measure(SHTC3(bench.i2c))
    assert bench.chip.commands == [0x3517, 0x805D, 0xEFC8, 0x7866]


def test_the_constructor_is_quick():
    bench = Bench()
    began = sim.now()
    SHTC3(bench.i2c)
    assert sim.now() - began <= 20


def test_noise_while_it_is_looked_for():
    bench = Bench()
    bench.chip.noise = 1
    near(measure(SHTC3(bench.i2c)), AIR)
    bench.chip.noise = 99
    assert failure(SHTC3, bench.i2c) == "checksum"


def test_a_chip_that_lost_its_power_is_no_value():
    for when in (1, 5, 12):
        bench = Bench()
        driver = SHTC3(bench.i2c)
        driver.start()
        sim.advance(when)
        bench.chip.reset()
        sim.advance(13 - when)
        began = sim.now()
        assert failure(wait, driver) == "chip has not measured"
        assert sim.now() - began < 50
        sim.advance(10)
        near(measure(driver), AIR)


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    bench.chip.stuck = True
    began = sim.now()
    assert failure(measure, driver) == NACK
    assert sim.now() - began < 60


def test_another_chip():
    bench = Bench()
    for id in (0x0807, 0xFFC7, 0x0887):  # only six bits are the product's
        bench.chip.id = id
        near(measure(SHTC3(bench.i2c)), AIR)
    for id in (0x0806, 0x0827, 0x0007, 0xFFFF, 0x0000):
        bench.chip.id = id
        text = "chip id 0x%04x; expected an SHTC3 (0x0807)" % id
        assert failure(SHTC3, bench.i2c) == text, text


def test_nobody_answers():
    bench = Bench()
    assert failure(SHTC3, bench.i2c, 0x71) == NACK
    driver = SHTC3(bench.i2c)
    sim.unplugged.add("air")
    assert failure(driver.start) == NACK
    sim.unplugged.clear()
    driver.start()
    sim.unplugged.add("air")
    sim.advance(13)
    assert failure(wait, driver) == NACK


def test_bus_held_low():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    sim.stuck.add(4)
    timed_out = 116 if sim.ESP32 else 110
    assert failure(driver.start) == timed_out
    assert failure(wait, driver) == timed_out
    assert failure(SHTC3, bench.i2c) == timed_out


def test_gone_and_back():
    bench = Bench()
    channel = Channel("air", lambda stuck: SHTC3(bench.i2c), (), 5000)
    results = []

    def run(ms):
        end = sim.now() + ms
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))

    run(4000)
    near(results.pop(), AIR)
    sim.unplugged.add("air")
    run(10000)
    assert results and set(results) == {"no answer on the bus"}, results
    results.clear()
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    near(results[-1], AIR)
    assert channel.error is None
