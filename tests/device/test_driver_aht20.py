"""AHT20 and AHT10 over the simulated I2C bus."""

import time

import machine
import sim
from chips import aht20 as chips

from drivers.aht20 import AHT10, AHT20
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

AIR = (21.5, 45.0)
NACK = 19 if sim.ESP32 else 5
KINDS = (("aht20", AHT20), ("aht10", AHT10))


class Bench:
    """A chip at 0x38; its air can be moved."""

    def __init__(self, kind="aht20"):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.air = AIR
        self.chip = chips.Chip(sim, lambda: self.air, kind)
        sim.i2c_attach(4, 5, 0x38, self.chip, "air")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def gives(self, frame):
        self.chip.frames = [bytes.fromhex(frame)]


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


def near(values, expected, tolerance=0.0005):
    assert len(values) == len(expected)
    for value, wanted in zip(values, expected):
        assert type(value) is float, values
        assert abs(value - wanted) <= tolerance, (values, expected)


def test_vector_of_a_real_chip():
    bench = Bench()
    bench.gives("1c269a7642e776")
    near(measure(AHT20(bench.i2c)), (28.267, 15.079))


def test_vector_of_round_numbers():
    bench = Bench()
    bench.gives("1c80000600004e")
    near(measure(AHT20(bench.i2c)), (25.0, 50.0), 0)


def test_the_same_without_a_checksum():
    bench = Bench("aht10")
    bench.gives("08269a7642e7")
    near(measure(AHT10(bench.i2c)), (28.267, 15.079))


def test_shows_the_air():
    for kind, driver in KINDS:
        bench = Bench(kind)
        driver = driver(bench.i2c)
        for bench.air in (AIR, (-39.99, 99.99), (-0.01, 0.01), (84.99, 30.0)):
            near(measure(driver), bench.air)


def test_out_of_range():
    for kind, driver in KINDS:
        bench = Bench(kind)
        driver = driver(bench.i2c)
        for bench.air in ((-40.1, 45.0), (85.1, 45.0), (-50.0, 45.0), (149.9, 45.0)):
            assert failure(measure, driver) == "reading out of the chip's range", bench.air


def test_a_new_aht20_is_not_told_to_load():
    bench = Bench()
    AHT20(bench.i2c)
    assert bench.chip.commands == []


def test_the_calibration_is_loaded():
    for kind, driver in KINDS:
        bench = Bench(kind)
        bench.chip.loaded = False
        bench.chip.reset()
        sim.advance(100)
        began = sim.now()
        driver = driver(bench.i2c)
        assert sim.now() - began <= 20
        assert bench.chip.commands == [chips.INIT[kind]]
        near(measure(driver), AIR)


def test_without_its_calibration_it_is_no_use():
    for kind, driver in KINDS:
        bench = Bench(kind)
        bench.chip.damaged = True
        bench.chip.reset()
        sim.advance(100)
        assert failure(driver, bench.i2c) == "chip is not calibrated"


def test_the_other_chip():
    # An AHT20 does for an AHT10; the other way round there is no checksum.
    near(measure(AHT10(Bench("aht20").i2c)), AIR)
    assert failure(AHT20, Bench("aht10").i2c) == "chip is not calibrated"


def test_lines_that_say_nothing():
    for kind, driver in KINDS:
        bench = Bench(kind)
        made = driver(bench.i2c)
        for line, text in ((b"\xff" * 7, "chip stays busy"), (bytes(7), None)):
            bench.chip.read = lambda n, line=line: line[:n]
            assert failure(driver, bench.i2c) == "chip is not calibrated"
            expected = text or ("checksum" if kind == "aht20" else "chip has not measured")
            assert failure(measure, made) == expected, (kind, line)
            sim.advance(100)  # the chip was told to reset


def test_it_takes_80_ms():
    for kind, driver in KINDS:
        bench = Bench(kind)
        driver = driver(bench.i2c)
        measure(driver)
        bench.air = (-10.0, 80.0)
        driver.start()
        sim.advance(driver.conversion_ms - 1)
        assert driver.ready() > 0  # it still shows what it measured before
        assert failure(driver.read) == "chip has not measured"
        sim.advance(1)
        assert driver.ready() == 0
        near(driver.read(), bench.air)


def test_a_slow_chip_is_waited_for():
    bench = Bench("aht10")
    driver = AHT10(bench.i2c)
    bench.chip.takes_ms = 120
    began = sim.now()
    near(measure(driver), AIR)
    assert sim.now() - began == 120


def test_a_busy_chip_is_reset_and_told_of():
    for kind, driver in KINDS:
        bench = Bench(kind)
        made = driver(bench.i2c)
        bench.chip.stuck = True
        began = sim.now()
        assert failure(measure, made) == "chip stays busy"
        assert sim.now() - began < 300
        sim.advance(1000)
        near(measure(driver(bench.i2c)), AIR)


def test_no_reading_is_told_twice():
    bench = Bench()
    driver = AHT20(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    sim.advance(80)
    assert driver.ready() == 0
    bench.chip.reset()
    assert driver.ready() == 0
    near(driver.read(), AIR)
    assert failure(driver.read) == "chip has not measured"


def test_what_was_fetched_before_a_start_is_forgotten():
    bench = Bench()
    driver = AHT20(bench.i2c)
    driver.start()
    sim.advance(80)
    assert driver.ready() == 0
    bench.air = (-10.0, 80.0)
    near(measure(driver), bench.air)


def test_a_wrong_checksum_once_is_read_again():
    bench = Bench()
    driver = AHT20(bench.i2c)
    bench.chip.spoiled = 1
    near(measure(driver), AIR)
    assert bench.chip.spoiled == 0


def test_a_wrong_checksum_for_ever():
    bench = Bench()
    driver = AHT20(bench.i2c)
    bench.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert bench.chip.spoiled == 97
    bench.chip.spoiled = 0
    bench.gives("1c269a7642e777")
    assert failure(measure, driver) == "checksum"


def test_a_chip_that_lost_its_power_is_no_value():
    # 20 ms or 0.1 s later it answers, with zeros: 0 %, -50 °C.
    for kind, driver in KINDS:
        bench = Bench(kind)
        made = driver(bench.i2c)
        made.start()
        sim.advance(10)
        bench.chip.reset()
        sim.advance(100)
        assert failure(lambda: (wait(made), made.read())) == "chip has not measured"


def test_while_it_starts_it_does_not_answer():
    for kind, driver in KINDS:
        bench = Bench(kind)
        made = driver(bench.i2c)
        made.start()
        bench.chip.reset()
        sim.advance(chips.POWER_UP_MS[kind] - 1)
        assert failure(made.ready) == NACK
        assert failure(driver, bench.i2c) == NACK
        sim.advance(1)
        near(measure(driver(bench.i2c)), AIR)


def test_an_aht10_that_was_reset_and_shows_a_likely_value():
    bench = Bench("aht10")
    driver = AHT10(bench.i2c)
    bench.gives("00269a7642e7")
    assert failure(measure, driver) == "chip has not measured"


def test_nobody_answers():
    for kind, driver in KINDS:
        bench = Bench(kind)
        assert failure(driver, bench.i2c, 0x39) == NACK
        driver = driver(bench.i2c)
        sim.unplugged.add("air")
        assert failure(driver.start) == NACK
        assert failure(driver.ready) == NACK
        sim.unplugged.clear()


def test_bus_held_low():
    bench = Bench()
    driver = AHT20(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    for kind, driver in KINDS:
        bench = Bench(kind)
        channel = Channel("air", lambda stuck, d=driver, b=bench: d(b.i2c), (), 5000)
        results = []

        def run(ms, channel=channel, results=results):
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
