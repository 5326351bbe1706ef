"""MAX17048 over the simulated I2C bus."""

import time

import machine
import sim
from chips import max17048 as chips

from drivers.max17048 import MAX17048
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")


class Bench:
    """A chip at 0x36; the voltage of its cell can be moved."""

    def __init__(self):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.volts = 3.9
        self.chip = chips.Chip(sim, lambda: self.volts)
        sim.i2c_attach(4, 5, 0x36, self.chip, "cell")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def shows(self, register):
        return self.i2c.readfrom_mem(0x36, register, 2).hex()


def measure(driver):
    driver.start()
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


def near(values, volts, percent):
    assert type(values[0]) is float and type(values[1]) is int and len(values) == 2, values
    assert abs(values[0] - volts) < 0.0001 and values[1] == percent, (values, volts, percent)


def test_vectors():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    for vcell, soc, volts, percent in (
        (0xC800, 0x5A80, 4.000, 91),  # 90.5 %
        (0xC800, 0x5A7F, 4.000, 90),
        (0x7D00, 0x0000, 2.500, 0),
        (0x7D01, 0x0080, 2.500078, 1),
        (0xFA00, 0x6400, 5.000, 100),
    ):
        bench.chip.raw = (vcell, soc)
        near(measure(driver), volts, percent)


def test_shows_the_cell():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    for volts, percent in ((3.9, 68), (3.0, 0), (4.2, 100), (3.65, 10), (3.75, 30)):
        bench.volts = volts
        near(measure(driver), volts, percent)


def test_no_more_than_100_percent():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    for soc in (0x6480, 0x6500, 0x6E00):
        bench.chip.raw = (0xD200, soc)
        near(measure(driver), 4.2, 100)


def test_what_is_no_cell():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    for vcell, soc in ((0, 0), (0xFFFF, 0xFFFF), (0x7CFF, 0x1000), (0xFA01, 0x6400), (0x0320, 0)):
        bench.chip.raw = (vcell, soc)
        assert failure(measure, driver) == "reading out of the chip's range", vcell


def test_another_chip():
    bench = Bench()
    for version in (0x0003, 0xFFFF, 0x0000, 0x0020, 0x1012):
        bench.chip.version = version
        text = failure(MAX17048, bench.i2c)
        assert text == "chip id 0x%04x; expected a MAX17048 (0x0010)" % version, text
    for version in (0x0010, 0x0011, 0x0012):
        bench.chip.version = version
        near(measure(MAX17048(bench.i2c)), 3.9, 68)


def test_nothing_is_waited_for_and_nothing_written():
    bench = Bench()
    write = bench.chip.write

    def read_only(data):
        assert len(data) < 2, data
        return write(data)

    bench.chip.write = read_only
    began = sim.now()
    driver = MAX17048(bench.i2c)
    assert driver.conversion_ms == 0
    near(measure(driver), 3.9, 68)
    assert sim.now() == began


def test_a_cell_just_connected_is_waited_for():
    bench = Bench()
    bench.chip.reset()
    bench.chip.registers[chips.STATUS] |= 0x4200
    driver = MAX17048(bench.i2c)
    assert failure(driver.read) == "chip has not measured"
    driver.start()
    assert driver.ready() == 1000
    sim.advance(999)
    assert driver.ready() == 1
    assert failure(driver.read) == "chip has not measured"
    sim.advance(1)
    assert driver.ready() == 0
    near(driver.read(), 3.9, 68)
    assert bench.shows(chips.STATUS) == "4200"  # the other flags are another's


def test_a_chip_that_restarts_is_no_empty_cell():
    # The voltage is there before the charge: 3.9 V, 0 %.
    bench = Bench()
    driver = MAX17048(bench.i2c)
    near(measure(driver), 3.9, 68)
    bench.chip.reset()
    sim.advance(500)
    assert bench.shows(chips.SOC) == "0000" and bench.shows(chips.VCELL) != "0000"
    assert failure(measure, driver) == "chip has not measured"
    driver = MAX17048(bench.i2c)
    near(measure(driver), 3.9, 68)
    assert sim.now() >= 1500


def test_data_lines_held_later_are_no_value():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    for byte, text in (
        (b"\0", "reading out of the chip's range"),
        (b"\xff", "chip has not measured"),
    ):
        bench.chip.read = lambda n: byte * n
        assert failure(measure, driver) == text


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    sim.unplugged.add("cell")
    assert failure(MAX17048, bench.i2c) == code
    sim.unplugged.clear()
    driver = MAX17048(bench.i2c)
    sim.unplugged.add("cell")
    assert failure(measure, driver) == code


def test_bus_held_low():
    bench = Bench()
    driver = MAX17048(bench.i2c)
    sim.stuck.add(4)
    assert failure(measure, driver) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("cell", lambda stuck: MAX17048(bench.i2c), (), 5000)
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
    near(results[0], 3.9, 68)
    sim.unplugged.add("cell")
    run(10000)
    assert set(results) == {"no answer on the bus"}, results
    sim.unplugged.clear()
    bench.chip.reset()
    bench.volts = 4.0
    run(10000)
    for result in results:
        near(result, 4.0, 82)
    assert results and channel.error is None
