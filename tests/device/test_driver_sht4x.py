"""SHT40, SHT41 and SHT45 over the simulated I2C bus."""

import sim
import stand
from chips import sht4x as chips
from stand import NACK, NOT_MEASURED, RANGE, failure, measure, nearly

from drivers.sht4x import SHT4X

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Bench(stand.I2C):
    """A chip at 0x44."""

    def __init__(self):
        super().__init__(chips.Chip, 0x44, AIR)


def test_vector():
    bench = Bench()
    bench.chip.frames = [bytes.fromhex("66669372b0dc")]
    near(measure(SHT4X(bench.i2c)), (25.0, 50.001), 0.0005)


def test_shows_the_air():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    for bench.truth in (AIR, (-39.99, 100.0), (-0.01, 0.0), (124.99, 30.0)):
        near(measure(driver), bench.truth)


def test_humidity_stays_within_0_and_100():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    for percent, shown in ((-5.9, 0.0), (-0.5, 0.0), (100.5, 100.0), (118.9, 100.0)):
        bench.truth = (21.5, percent)
        near(measure(driver), (21.5, shown))


def test_out_of_range():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    for bench.truth in (
        (-40.1, 45.0),
        (125.1, 45.0),
        (130.0, 45.0),
        (-45.0, 45.0),
        (21.5, -6.0),
        (21.5, 119.0),
    ):
        assert failure(measure, driver) == RANGE, bench.truth


def test_it_takes_9_ms():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    driver.start()
    sim.advance(driver.conversion_ms - 1)
    assert driver.ready() == 1
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(1)
    assert driver.ready() == 0
    assert driver.ready() == 0  # asked twice: the chip has forgotten it, the driver has not
    near(driver.read(), AIR)


def test_a_wrong_checksum_once_is_measured_again():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    bench.chip.spoiled = 1
    driver.start()
    sim.advance(9)
    assert driver.ready() == driver.conversion_ms
    sim.advance(9)
    assert driver.ready() == 0
    near(driver.read(), AIR)
    bench.chip.spoiled = 1  # and again in the next reading
    near(measure(driver), AIR)


def test_a_wrong_checksum_for_ever():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    bench.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert bench.chip.spoiled == 97


def test_each_word_has_its_checksum():
    bench = Bench()
    driver = SHT4X(bench.i2c)
    for frame in ("66669272b0dc", "66669372b0dd", "ffffffffffff", "000000000000", "6666ff72b0ff"):
        bench.chip.frames = [bytes.fromhex(frame)] * 2
        assert failure(measure, driver) == "checksum", frame


def test_while_it_heats_it_does_not_answer():
    bench = Bench()
    bench.chip.write(b"\x32")  # another program's
    assert failure(SHT4X, bench.i2c) == NACK
    sim.advance(110)
    near(measure(SHT4X(bench.i2c)), AIR)


def test_noise_while_it_is_looked_for():
    bench = Bench()
    bench.chip.noise = 1
    SHT4X(bench.i2c)
    bench.chip.noise = 99
    assert failure(SHT4X, bench.i2c) == "checksum"


def test_an_sht3x_is_named():
    from chips import sht3x

    bench = Bench()
    sim.i2c_devices.clear()
    sim.i2c_attach(4, 5, 0x44, sht3x.Chip(sim, lambda: AIR), "air")
    began = sim.now()
    assert failure(SHT4X, bench.i2c) == "another chip answers (an SHT3x)"
    assert sim.now() - began <= 20
