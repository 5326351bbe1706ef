"""SHTC3 over the simulated I2C bus."""

import sim
import stand
from chips import shtc3 as chips
from stand import NOT_MEASURED, RANGE, failure, measure, nearly

from drivers.shtc3 import SHTC3

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Bench(stand.I2C):
    """A chip at 0x70."""

    def __init__(self):
        super().__init__(chips.Chip, 0x70, AIR)


def test_vector():
    bench = Bench()
    bench.chip.frames = [bytes.fromhex("648bc7a1331c")]  # the data sheet's
    near(measure(SHTC3(bench.i2c)), (23.731, 62.968), 0.0005)


def test_shows_the_air():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    for bench.truth in (AIR, (-39.99, 100.0), (-0.01, 0.0), (124.99, 30.0)):
        near(measure(driver), bench.truth, 0.003)


def test_out_of_range():
    bench = Bench()
    driver = SHTC3(bench.i2c)
    for bench.truth in ((-40.1, 45.0), (125.1, 45.0), (129.9, 45.0), (-45.0, 45.0)):
        assert failure(measure, driver) == RANGE, bench.truth


def test_it_takes_13_ms():
    bench = Bench()
    driver = SHTC3(bench.i2c)
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


def test_noise_while_it_is_looked_for():
    bench = Bench()
    bench.chip.noise = 1
    near(measure(SHTC3(bench.i2c)), AIR)
    bench.chip.noise = 99
    assert failure(SHTC3, bench.i2c) == "checksum"


def test_another_chip():
    bench = Bench()
    for id in (0x0807, 0xFFC7, 0x0887):  # only six bits are the product's
        bench.chip.id = id
        near(measure(SHTC3(bench.i2c)), AIR)
    for id in (0x0806, 0x0827, 0x0007, 0xFFFF, 0x0000):
        bench.chip.id = id
        text = "chip id 0x%04x; expected an SHTC3 (0x0807)" % id
        assert failure(SHTC3, bench.i2c) == text, text
