"""LTR390 over the simulated I2C bus."""

import time

import machine
import sim
from chips import ltr390 as chips

from drivers.ltr390 import LTR390
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

NACK = 19 if sim.ESP32 else 5
DAY = (1000.0, 3.0)


class Bench:
    """A chip at 0x53; its light can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.light = DAY
        self.chip = chips.Chip(sim, lambda: self.light)
        sim.i2c_attach(4, 5, 0x53, self.chip, "sky")
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


def near(values, expected, lux=0.1001, uv=0.0053):
    assert len(values) == len(expected)
    for value, wanted, tolerance in zip(values, expected, (lux, uv)):
        assert type(value) is float, values
        assert abs(value - wanted) <= tolerance, (values, expected)


def test_vectors():
    # Light 10 27 00, UV 3f 02 00, both at gain 3 and 18 bits.
    bench = Bench()
    bench.chip.raw = [0x002710, 0x00023F]
    near(measure(LTR390(bench.i2c)), (2000.0, 6.0), 1e-9, 1e-9)
    assert bench.chip.settings == [(0x02, 3), (0x0A, 3)]
    assert bench.chip.memory[chips.RATE] == 0x22


def test_shows_the_light():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for bench.light in (DAY, (0.0, 0.0), (0.2, 0.01), (49000.0, 11.0), (1.0, 15.0)):
        near(measure(driver), bench.light)


def test_less_gain_in_the_sun():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for bench.light in ((52429.0, 8.0), (120000.0, 11.0), (157000.0, 16.0), (50001.0, 8.0)):
        bench.chip.settings.clear()
        near(measure(driver), bench.light, 0.31)
        assert bench.chip.settings == [(0x02, 3), (0x02, 1), (0x0A, 3)]
    bench.light = DAY
    near(measure(driver), DAY)


def test_nothing_saturates_in_silence():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for bench.light in ((157300.0, 3.0), (500000.0, 3.0), (1000.0, 3000.0)):
        assert failure(measure, driver) == "too bright", bench.light
    bench.light = DAY
    near(measure(driver), DAY)


def test_what_18_bits_cannot_be():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for raw in ([0x040000], [0xFFFFFF], [100, 0x0FFFFF]):
        bench.chip.raw = raw
        assert failure(measure, driver) == "reading out of the chip's range"


def test_how_long_it_takes():
    bench = Bench()
    driver = LTR390(bench.i2c)
    began = sim.now()
    measure(driver)
    assert sim.now() - began == 230


def test_asked_too_early():
    bench = Bench()
    driver = LTR390(bench.i2c)
    driver.start()
    sim.advance(114)
    assert driver.ready() == 1
    assert failure(driver.read) == "chip has not measured"
    sim.advance(1)
    assert driver.ready() == 115  # now the UV
    sim.advance(114)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == driver.ready() == 0
    near(driver.read(), DAY)


def test_a_slow_chip_is_waited_for():
    bench = Bench()
    driver = LTR390(bench.i2c)
    measure(driver)
    bench.chip.takes_ms = 20
    bench.light = (5000.0, 9.0)
    near(measure(driver), bench.light)


def test_a_chip_that_never_measures_is_not_waited_for_for_ever():
    bench = Bench()
    driver = LTR390(bench.i2c)
    measure(driver)
    bench.chip.stuck = True
    began = sim.now()
    assert failure(measure, driver) == "chip stays busy"
    assert sim.now() - began < 400


def test_it_sleeps_between_readings():
    bench = Bench()
    driver = LTR390(bench.i2c)
    measure(driver)
    assert bench.chip.memory[chips.CONTROL] == 0


def test_what_another_program_set_is_forgotten():
    bench = Bench()
    for data in (b"\x04\x05", b"\x05\x04", b"\x00\x0a"):  # 20 bits, gain 18, UV, every second
        bench.chip.write(data)
    sim.advance(5000)
    near(measure(LTR390(bench.i2c)), DAY)


def test_no_reading_is_told_twice():
    bench = Bench()
    driver = LTR390(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    measure(driver)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    sim.advance(driver.conversion_ms)
    wait(driver)
    bench.light = (2000.0, 6.0)
    near(measure(driver), bench.light)


def test_the_wrong_chip():
    bench = Bench()
    for id in (0xE5, 0x00, 0xFF):
        bench.chip.memory[chips.ID] = id
        assert failure(LTR390, bench.i2c) == "chip id 0x%02x; expected an LTR390 (0xb2)" % id
    bench.chip.memory[chips.ID] = 0xB3  # another revision
    near(measure(LTR390(bench.i2c)), DAY)


def test_a_chip_that_lost_its_power_is_no_value():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for when in (1, 100, 116, 220):
        driver.start()
        sim.advance(min(when, 115))
        if when > 115:
            assert driver.ready() == 115
            sim.advance(when - 115)
        bench.chip.reset()
        assert failure(wait, driver) == "chip has not measured"
        near(measure(driver), DAY)


def test_power_that_goes_in_the_middle_of_the_answer():
    bench = Bench()
    driver = LTR390(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    bench.chip.reset()
    bench.chip.memory[chips.STATUS] = 0x08
    assert failure(driver.ready) == "chip has not measured"


def test_lines_that_say_nothing():
    bench = Bench()
    driver = LTR390(bench.i2c)
    for line in (b"\xff", b"\0"):
        bench.chip.read = lambda n, line=line: line * n
        driver.start()
        sim.advance(driver.conversion_ms)
        assert failure(driver.ready) == "chip has not measured"


def test_nobody_answers():
    bench = Bench()
    assert failure(LTR390, bench.i2c, 0x54) == NACK
    driver = LTR390(bench.i2c)
    driver.start()
    sim.unplugged.add("sky")
    assert failure(driver.start) == NACK
    sim.advance(driver.conversion_ms)
    assert failure(driver.ready) == NACK


def test_bus_held_low():
    bench = Bench()
    driver = LTR390(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("sky", lambda stuck: LTR390(bench.i2c), (), 5000)
    results = []

    def run(ms):
        end = sim.now() + ms
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))

    run(4000)
    near(results.pop(), DAY)
    sim.unplugged.add("sky")
    run(10000)
    assert results and set(results) == {"no answer on the bus"}, results
    results.clear()
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    near(results[-1], DAY)
    assert channel.error is None
