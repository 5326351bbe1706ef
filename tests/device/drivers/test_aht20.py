"""AHT20 and AHT10 over the simulated I2C bus."""

import chipstand
from chips import aht20 as chips
from chipstand import NACK, NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.aht20 import AHT10, AHT20

BOARDS = ("esp32", "pico_w")

near = nearly(0.0005)

AIR = (21.5, 45.0)
KINDS = (("aht20", AHT20), ("aht10", AHT10))


class Stand(chipstand.I2C):
    """A chip at 0x38."""

    def __init__(self, kind="aht20"):
        super().__init__(chips.Chip, 0x38, AIR, kind)

    def gives(self, frame):
        self.chip.frames = [bytes.fromhex(frame)]


def test_vector_of_a_real_chip():
    stand = Stand()
    stand.gives("1c269a7642e776")
    near(measure(AHT20(stand.i2c)), (28.267, 15.079))


def test_vector_of_round_numbers():
    stand = Stand()
    stand.gives("1c80000600004e")
    near(measure(AHT20(stand.i2c)), (25.0, 50.0), 0)


def test_the_same_without_a_checksum():
    stand = Stand("aht10")
    stand.gives("08269a7642e7")
    near(measure(AHT10(stand.i2c)), (28.267, 15.079))


def test_shows_the_air():
    for kind, driver in KINDS:
        stand = Stand(kind)
        driver = driver(stand.i2c)
        for stand.truth in (AIR, (-39.99, 99.99), (-0.01, 0.01), (84.99, 30.0)):
            near(measure(driver), stand.truth)


def test_out_of_range():
    for kind, driver in KINDS:
        stand = Stand(kind)
        driver = driver(stand.i2c)
        for stand.truth in ((-40.1, 45.0), (85.1, 45.0), (-50.0, 45.0), (149.9, 45.0)):
            assert failure(measure, driver) == RANGE, stand.truth


def test_a_new_aht20_is_not_told_to_load():
    stand = Stand()
    AHT20(stand.i2c)
    assert stand.chip.commands == []


def test_the_calibration_is_loaded():
    for kind, driver in KINDS:
        stand = Stand(kind)
        stand.chip.loaded = False
        stand.chip.reset()
        sim.advance(100)
        began = sim.now()
        driver = driver(stand.i2c)
        assert sim.now() - began <= 20
        assert stand.chip.commands == [chips.INIT[kind]]
        near(measure(driver), AIR)


def test_without_its_calibration_it_is_no_use():
    for kind, driver in KINDS:
        stand = Stand(kind)
        stand.chip.damaged = True
        stand.chip.reset()
        sim.advance(100)
        assert failure(driver, stand.i2c) == "chip is not calibrated"


def test_the_other_chip():
    # An AHT20 does for an AHT10; the other way round there is no checksum.
    near(measure(AHT10(Stand("aht20").i2c)), AIR)
    assert failure(AHT20, Stand("aht10").i2c) == "chip is not calibrated"


def test_lines_that_say_nothing():
    for kind, driver in KINDS:
        stand = Stand(kind)
        made = driver(stand.i2c)
        for line, text in ((b"\xff" * 7, "chip stays busy"), (bytes(7), None)):
            stand.chip.read = lambda n, line=line: line[:n]
            assert failure(driver, stand.i2c) == "chip is not calibrated"
            expected = text or ("checksum" if kind == "aht20" else NOT_MEASURED)
            assert failure(measure, made) == expected, (kind, line)
            sim.advance(100)  # the chip got the command to reset


def test_it_takes_80_ms():
    for kind, driver in KINDS:
        stand = Stand(kind)
        driver = driver(stand.i2c)
        measure(driver)
        stand.truth = (-10.0, 80.0)
        driver.start()
        sim.advance(driver.conversion_ms - 1)
        assert driver.ready() > 0  # it still shows what it measured before
        assert failure(driver.read) == NOT_MEASURED
        sim.advance(1)
        assert driver.ready() == 0
        near(driver.read(), stand.truth)


def test_a_slow_chip_is_waited_for():
    stand = Stand("aht10")
    driver = AHT10(stand.i2c)
    stand.chip.takes_ms = 120
    began = sim.now()
    near(measure(driver), AIR)
    assert sim.now() - began == 120


def test_a_busy_chip_is_reset_and_told_of():
    for kind, driver in KINDS:
        stand = Stand(kind)
        made = driver(stand.i2c)
        stand.chip.stuck = True
        began = sim.now()
        assert failure(measure, made) == "chip stays busy"
        assert sim.now() - began < 300
        sim.advance(1000)
        near(measure(driver(stand.i2c)), AIR)


def test_a_wrong_checksum_once_is_read_again():
    stand = Stand()
    driver = AHT20(stand.i2c)
    stand.chip.spoiled = 1
    near(measure(driver), AIR)
    assert stand.chip.spoiled == 0


def test_a_wrong_checksum_for_ever():
    stand = Stand()
    driver = AHT20(stand.i2c)
    stand.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert stand.chip.spoiled == 97
    stand.chip.spoiled = 0
    stand.gives("1c269a7642e777")
    assert failure(measure, driver) == "checksum"


def test_while_it_starts_it_does_not_answer():
    for kind, driver in KINDS:
        stand = Stand(kind)
        made = driver(stand.i2c)
        made.start()
        stand.chip.reset()
        sim.advance(chips.POWER_UP_MS[kind] - 1)
        assert failure(made.ready) == NACK
        assert failure(driver, stand.i2c) == NACK
        sim.advance(1)
        near(measure(driver(stand.i2c)), AIR)


def test_an_aht10_that_was_reset_and_shows_a_likely_value():
    stand = Stand("aht10")
    driver = AHT10(stand.i2c)
    stand.gives("00269a7642e7")
    assert failure(measure, driver) == NOT_MEASURED
