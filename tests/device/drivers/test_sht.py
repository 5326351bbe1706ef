"""SHT3x, SHT4x and SHTC3: what their chips have in common, two words with a checksum each. The rest is in a test for each."""

import chipstand
from chips import sht3x, sht4x, shtc3
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.sht3x import SHT3X
from drivers.sht4x import SHT4X
from drivers.shtc3 import SHTC3

BOARDS = ("esp32", "pico_w")
HEAP = "320k"  # three drivers and their chips, as sources

AIR = (21.5, 45.0)

# Driver, chip, address; ms of a conversion; a frame and what it is; its tolerance for the air.
KINDS = (
    (SHT3X, sht3x, 0x44, 16, "6666938000a2", (25.0, 50.001), 0.002),
    (SHT4X, sht4x, 0x44, 9, "66669372b0dc", (25.0, 50.001), 0.002),
    (SHTC3, shtc3, 0x70, 13, "648bc7a1331c", (23.731, 62.968), 0.003),  # the data sheet's
)

near = nearly(0.002)


def each():
    """Yield a stand, the driver on it, ms, frame, what that is, tolerance."""
    for driver, chips, address, *more in KINDS:
        stand = chipstand.I2C(chips.Chip, address, AIR)
        yield (stand, driver(stand.i2c)) + tuple(more)


def test_vector():
    for stand, driver, _, frame, air, _ in each():
        stand.chip.frames = [bytes.fromhex(frame)]
        near(measure(driver), air, 0.0005)


def test_shows_the_air():
    for stand, driver, _, _, _, tolerance in each():
        for stand.truth in (AIR, (-39.99, 100.0), (-0.01, 0.0), (124.99, 30.0)):
            near(measure(driver), stand.truth, tolerance)


def test_out_of_range():
    for stand, driver, *_ in each():
        hottest = 129.9 if isinstance(driver, SHTC3) else 130.0  # the last code there is
        for stand.truth in ((-40.1, 45.0), (125.1, 45.0), (hottest, 45.0), (-45.0, 45.0)):
            assert failure(measure, driver) == RANGE, stand.truth


def test_how_long_it_takes():
    for _, driver, ms, *_ in each():
        assert driver.conversion_ms == ms
        driver.start()
        sim.advance(ms - 1)
        assert driver.ready() == 1
        assert failure(driver.read) == NOT_MEASURED
        sim.advance(1)
        assert driver.ready() == 0
        assert driver.ready() == 0  # asked twice: the chip has forgotten it, the driver has not
        near(driver.read(), AIR)


def test_a_wrong_checksum_once_is_measured_again():
    for stand, driver, ms, *_ in each():
        stand.chip.spoiled = 1
        driver.start()
        sim.advance(ms)
        assert driver.ready() == ms
        sim.advance(ms)
        assert driver.ready() == 0
        near(driver.read(), AIR)
        stand.chip.spoiled = 1  # and again in the next reading
        near(measure(driver), AIR)


def test_a_wrong_checksum_for_ever():
    for stand, driver, *_ in each():
        stand.chip.spoiled = 99
        assert failure(measure, driver) == "checksum"
        assert stand.chip.spoiled == 97


def test_each_word_has_its_checksum():
    for stand, driver, _, text, *_ in each():
        frame = bytes.fromhex(text)
        for spoilt in (
            frame[:2] + bytes((frame[2] ^ 1,)) + frame[3:],
            frame[:5] + bytes((frame[5] ^ 1,)),
            frame[:2] + b"\xff" + frame[3:5] + b"\xff",
            b"\xff" * 6,
            bytes(6),
        ):
            stand.chip.frames = [spoilt] * 2
            assert failure(measure, driver) == "checksum", spoilt


def test_noise_while_it_is_looked_for():
    for driver, chips, address, *_ in KINDS:
        stand = chipstand.I2C(chips.Chip, address, AIR)
        stand.chip.noise = 1
        near(measure(driver(stand.i2c)), AIR)
        stand.chip.noise = 99
        assert failure(driver, stand.i2c) == "checksum"
