"""INA226 over the simulated I2C bus."""

import time

import machine
import sim
from chips import ina219 as chips

from drivers.ina226 import INA226
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

SUPPLY = (12.0, 0.035)  # volts at the load, volts over the shunt


class Bench:
    """A chip at 0x40; what it measures can be moved."""

    def __init__(self, type="ina226"):
        sim.no_bench()
        sim.i2c_devices.clear()
        sim.virtual()
        self.supply = SUPPLY
        self.chip = chips.Chip(sim, lambda: self.supply, type)
        sim.i2c_attach(4, 5, 0x40, self.chip, "supply")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def register(self, number, value):
        self.i2c.writeto_mem(0x40, number, bytes((value >> 8, value & 0xFF)))

    def shows(self, number):
        return self.i2c.readfrom_mem(0x40, number, 2).hex()


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    return finished(driver)


def finished(driver):
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


def near(values, expected, tolerances=(0.0021, 0.06, 0.002)):
    assert len(values) == len(expected)
    for value, wanted, tolerance in zip(values, expected, tolerances):
        assert type(value) is float, value
        assert abs(value - wanted) <= tolerance, (values, expected)


def test_vector_of_the_data_sheet():
    # 2 milliohms, 20 mV over them, 11.98 V: 10 A, 119.8 W
    bench = Bench()
    bench.chip.raw = (0x1F40, 0x2570)
    driver = INA226(bench.i2c, shunt_ohm=0.002)
    near(measure(driver), (11.98, 10000.0, 119.8), (1e-6, 1e-3, 1e-4))


def test_the_simulated_chip_agrees_with_the_data_sheet():
    bench = Bench()
    bench.chip.raw = (0x1F40, 0x2570)
    bench.register(5, 0x0A00)
    assert bench.shows(0) == "4127"
    bench.register(0, 0x0127)
    assert bench.shows(0) == "4127"  # the first bits are what they are
    assert bench.shows(6) == "0000"
    sim.advance(3)
    assert [bench.shows(n) for n in (1, 2, 3, 4)] == ["1f40", "2570", "12b8", "2710"]
    assert bench.shows(6) == "0008"
    assert bench.shows(6) == "0000"  # to read it cleared it


def test_shows_the_supply():
    bench = Bench()
    driver = INA226(bench.i2c)
    for volts, shunt in (SUPPLY, (0.0, 0.0), (36.0, 0.0819), (3.3, -0.0819), (5.0, -0.0000025)):
        bench.supply = (volts, shunt)
        near(measure(driver), (volts, shunt * 10000, volts * shunt * 10), (0.0007, 0.013, 0.0006))


def test_the_sign_of_the_current():
    bench = Bench()
    driver = INA226(bench.i2c)
    for raw, steps in ((0xFFFF, -1), (0x8002, -32766), (0x7FFE, 32766), (1, 1), (0, 0)):
        bench.chip.raw = (raw, 0x2570)
        milliamperes = steps * 0.025
        near(measure(driver), (11.98, milliamperes, 11.98 * milliamperes / 1000), (1e-6,) * 3)


def test_a_lost_calibration_is_no_current_of_zero():
    # The chip's own current register shows 0, as after a brown-out.
    bench = Bench()
    driver = INA226(bench.i2c)
    near(measure(driver), (12.0, 350.0, 4.2))
    assert bench.shows(4) == "0000"


def test_more_than_the_shunt_can_tell():
    bench = Bench()
    driver = INA226(bench.i2c)
    for shunt in (0.082, 0.5, -0.082, -1.0):
        bench.supply = (12.0, shunt)
        assert failure(measure, driver) == "current too large for the shunt", shunt


def test_more_than_36_volts():
    bench = Bench()
    driver = INA226(bench.i2c)
    for volts in (36.00125, 40.9, 50.0):
        bench.supply = (volts, 0.0)
        assert failure(measure, driver) == "reading out of the chip's range", volts
    bench.chip.raw = (0, 0xFFFF)
    assert failure(measure, driver) == "reading out of the chip's range"


def test_a_later_revision_will_do():
    bench = Bench()
    bench.chip.ids[0xFF] = 0x2261
    near(measure(INA226(bench.i2c)), (12.0, 350.0, 4.2))


def test_another_chip_is_named():
    bench = Bench("ina219")
    text = failure(INA226, bench.i2c)
    assert text == "chip id 0x399f is an INA219; expected an INA226 (0x2260)", text
    bench = Bench()
    bench.chip.ids[0xFF] = 0x1050
    text = failure(INA226, bench.i2c)
    assert text == "chip id 0x1050 is an HDC1080; expected an INA226 (0x2260)", text
    bench.chip.ids[0xFF] = 0x2270
    assert failure(INA226, bench.i2c) == "chip id 0x2270; expected an INA226 (0x2260)"
    bench.chip.ids[0xFE] = 0x1234  # another maker's
    assert failure(INA226, bench.i2c) == "chip id 0x4127; expected an INA226 (0x2260)"


def test_data_lines_held_are_no_chip():
    bench = Bench()
    for byte in (b"\0", b"\xff"):
        bench.chip.read = lambda n: byte * n
        text = failure(INA226, bench.i2c)
        assert text == "chip id 0x%s; expected an INA226 (0x2260)" % (byte * 2).hex(), text


def test_data_lines_held_later_are_no_value():
    bench = Bench()
    driver = INA226(bench.i2c)
    for byte in (b"\0", b"\xff"):
        driver.start()
        sim.advance(driver.conversion_ms)
        bench.chip.read = lambda n: byte * n
        assert failure(driver.read) == "chip has not measured"
        assert failure(finished, driver) == "chip has not measured"


def test_what_was_set_before_is_forgotten():
    bench = Bench()
    bench.register(0, 0x4000)  # another program's: asleep
    bench.register(5, 0x1000)
    driver = INA226(bench.i2c)
    assert bench.shows(0) == "4127" and bench.shows(5) == "0000"
    near(measure(driver), (12.0, 350.0, 4.2))


def test_the_conversion_is_done_in_time():
    bench = Bench()
    driver = INA226(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    assert driver.ready() == 0  # though the chip says it once only
    driver.read()


def test_too_early_there_is_nothing():
    bench = Bench()
    driver = INA226(bench.i2c)
    measure(driver)
    bench.supply = (5.0, 0.01)
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert failure(driver.read) == "chip has not measured"
    assert driver.ready() > 0
    near(finished(driver), (5.0, 100.0, 0.5))


def test_a_chip_that_was_not_told_has_not_measured():
    bench = Bench()
    assert failure(INA226(bench.i2c).read) == "chip has not measured"


def test_a_busy_chip_is_not_waited_for_for_ever():
    bench = Bench()
    driver = INA226(bench.i2c)
    bench.chip.stuck = True
    began = sim.now()
    assert failure(measure, driver) == "chip stays busy"
    assert sim.now() - began < 300


def test_after_a_brown_out_it_is_told_once_more():
    bench = Bench()
    driver = INA226(bench.i2c)
    driver.start()
    sim.advance(100)
    bench.chip.reset()
    bench.supply = (5.0, 0.02)
    sim.advance(50)
    assert driver.ready() == driver.conversion_ms
    assert bench.shows(0) == "4723"
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    near(driver.read(), (5.0, 200.0, 1.0))


def test_a_supply_that_gives_way_whenever_it_measures():
    bench = Bench()
    driver = INA226(bench.i2c)
    bench.chip.weak = 2
    began = sim.now()
    assert failure(measure, driver) == "chip has not measured"
    assert sim.now() - began <= 2 * driver.conversion_ms
    near(measure(driver), (12.0, 350.0, 4.2))


def test_a_brown_out_just_before_it_is_read():
    bench = Bench()
    driver = INA226(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms)
    assert driver.ready() == 0
    bench.chip.reset()
    sim.advance(1)
    assert failure(driver.read) == "chip has not measured"
    sim.advance(10)  # it has measured by then, but not as it was told
    assert failure(driver.read) == "chip has not measured"


def test_nobody_answers():
    bench = Bench()
    code = 19 if sim.ESP32 else 5
    assert failure(INA226, bench.i2c, 0x41) == code
    driver = INA226(bench.i2c)
    sim.unplugged.add("supply")
    for method in (driver.start, driver.ready, driver.read):
        assert failure(method) == code


def test_bus_held_low():
    bench = Bench()
    driver = INA226(bench.i2c)
    sim.stuck.add(4)
    assert failure(driver.start) == (116 if sim.ESP32 else 110)


def test_gone_and_back():
    bench = Bench()
    channel = Channel("supply", lambda stuck: INA226(bench.i2c), (), 5000)
    results = []

    def run(ms):
        end = sim.now() + ms
        while sim.now() < end:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append(result)
            sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))

    run(4000)
    near(results.pop(), (12.0, 350.0, 4.2))
    sim.unplugged.add("supply")
    run(10000)
    assert results and set(results) == {"no answer on the bus"}, results
    results.clear()
    sim.unplugged.clear()
    bench.chip.reset()
    run(10000)
    near(results[-1], (12.0, 350.0, 4.2))
    assert channel.error is None
