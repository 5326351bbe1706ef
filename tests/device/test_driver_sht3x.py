"""SHT30, SHT31 and SHT35 over the simulated I2C bus."""

import sim
import stand
from chips import sht3x as chips
from stand import NOT_MEASURED, RANGE, failure, measure, nearly

from drivers.sht3x import SHT3X

BOARDS = ("esp32", "pico_w")

near = nearly(0.002)

AIR = (21.5, 45.0)


class Bench(stand.I2C):
    """A chip at 0x44."""

    def __init__(self):
        super().__init__(chips.Chip, 0x44, AIR)


def test_checksums_of_the_simulated_chip():
    for word, crc in ((0xBEEF, 0x92), (0, 0x81), (0xFFFF, 0xAC), (0x6666, 0x93), (0x8000, 0xA2)):
        assert chips.words(word)[2] == crc
    assert chips.words(0x8010) == b"\x80\x10\xe1"


def test_vector():
    bench = Bench()
    bench.chip.frames = [bytes.fromhex("6666938000a2")]
    near(measure(SHT3X(bench.i2c)), (25.0, 50.001), 0.0005)


def test_shows_the_air():
    bench = Bench()
    driver = SHT3X(bench.i2c)
    for bench.truth in (AIR, (-39.99, 100.0), (-0.01, 0.0), (124.99, 30.0)):
        near(measure(driver), bench.truth)


def test_out_of_range():
    bench = Bench()
    driver = SHT3X(bench.i2c)
    for bench.truth in ((-40.1, 45.0), (125.1, 45.0), (130.0, 45.0), (-45.0, 45.0)):
        assert failure(measure, driver) == RANGE, bench.truth


def test_it_takes_16_ms():
    bench = Bench()
    driver = SHT3X(bench.i2c)
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
    driver = SHT3X(bench.i2c)
    bench.chip.spoiled = 1
    driver.start()
    sim.advance(16)
    assert driver.ready() == driver.conversion_ms
    sim.advance(16)
    assert driver.ready() == 0
    near(driver.read(), AIR)
    bench.chip.spoiled = 1  # and again in the next reading
    near(measure(driver), AIR)


def test_a_wrong_checksum_for_ever():
    bench = Bench()
    driver = SHT3X(bench.i2c)
    bench.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert bench.chip.spoiled == 97


def test_each_word_has_its_checksum():
    bench = Bench()
    driver = SHT3X(bench.i2c)
    for frame in ("6666928000a2", "6666938000a3", "ffffffffffff", "000000000000", "6666ff8000ff"):
        bench.chip.frames = [bytes.fromhex(frame)] * 2
        assert failure(measure, driver) == "checksum", frame


def test_the_chip_is_reset_at_first():
    bench = Bench()
    bench.chip.write(b"\x30\x6d")  # another program's heater
    assert bench.chip.status & 0x2000
    SHT3X(bench.i2c)
    assert not bench.chip.status & 0x2000


def test_a_chip_that_measures_by_itself_is_told_to_stop():
    bench = Bench()
    bench.chip.write(b"\x21\x30")
    sim.advance(5000)
    near(measure(SHT3X(bench.i2c)), AIR)


def test_noise_while_it_is_looked_for():
    bench = Bench()
    bench.chip.noise = 1
    SHT3X(bench.i2c)
    bench.chip.noise = 99
    assert failure(SHT3X, bench.i2c) == "checksum"


def test_an_sht4x_is_named():
    from chips import sht4x

    bench = Bench()
    sim.i2c_devices.clear()
    chip = sht4x.Chip(sim, lambda: AIR)
    sim.i2c_attach(4, 5, 0x44, chip, "air")
    began = sim.now()
    assert failure(SHT3X, bench.i2c) == "another chip answers (an SHT4x)"
    assert sim.now() - began <= 20
    assert chip.commands == [0x89]  # none of its heater's
