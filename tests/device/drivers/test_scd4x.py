"""SCD40 and SCD41 over the simulated I2C bus."""

import chipstand
from chips import scd4x as chips
from chipstand import NACK, NOT_MEASURED, RANGE, failure, measure, wait

import sim
from drivers.scd4x import SCD4X

BOARDS = ("esp32", "pico_w")

AIR = (620, 21.5, 45.0)
VECTOR = bytes.fromhex("01f4336667a25eb93c")


class Stand(chipstand.I2C):
    """A chip at 0x62."""

    def __init__(self):
        super().__init__(chips.Chip, 0x62, AIR)


def near(values, expected):
    co2, temperature, humidity = values
    assert type(co2) is int and type(temperature) is float and type(humidity) is float, values
    assert co2 == expected[0], values
    assert abs(temperature - expected[1]) < 0.002, values
    assert abs(humidity - expected[2]) < 0.002, values


def test_checksums_of_the_simulated_chip():
    for word, crc in ((b"\xbe\xef", 0x92), (b"\0\0", 0x81), (b"\xff\xff", 0xAC)):
        assert chips.crc8(word) == crc
    assert chips._words(0x8000) == bytes.fromhex("8000a2")
    assert chips._words(0x8006) == bytes.fromhex("800604")


def test_vector_of_the_data_sheet():
    stand = Stand()
    stand.chip.frames = [VECTOR, VECTOR]
    near(measure(SCD4X(stand.i2c)), (500, 25.003, 37.002))


def test_shows_the_air():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    for stand.truth in (
        AIR,
        (400, -9.9, 0.5),
        (5000, -0.01, 99.9),
        (39999, 59.9, 10.0),
        (1, 0.0, 0.0),
    ):
        near(measure(driver), stand.truth)


def test_from_the_start_to_the_first_reading():
    stand = Stand()
    stand.chip.first_ppm = 3000  # likely, and wrong
    driver = SCD4X(stand.i2c)
    began = sim.now()
    near(measure(driver), AIR)
    assert sim.now() - began < 11_000, sim.now() - began


def test_the_newest_is_read():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    sim.advance(60_000)
    stand.truth = (900, 22.0, 50.0)
    sim.advance(5000)
    began = sim.now()
    near(measure(driver), stand.truth)
    assert sim.now() - began <= 20  # it had it
    began = sim.now()
    near(measure(driver), stand.truth)
    assert sim.now() - began > 4000  # each is read once


def test_a_measurement_from_before_the_reset_is_stopped():
    # The board was reset, the chip was not: it measures, and takes no settings.
    stand = Stand()
    for data in (b"\x24\x27\x07\x9e\x09", b"\x21\xb1", b"\x21\xac"):
        stand.chip.write(data)
        sim.advance(7000)
        near(measure(SCD4X(stand.i2c, height_m=350)), AIR)
        assert stand.chip.settings[chips.HEIGHT] == 350
        stand.chip.write(b"\x3f\x86")
        sim.advance(500)


def test_settings():
    stand = Stand()
    sent = []
    write = stand.chip.write
    stand.chip.write = lambda data: (sent.append(data), write(data))[1]
    measure(SCD4X(stand.i2c, height_m=1950, self_calibration=False))
    assert stand.chip.settings == {chips.HEIGHT: 1950, chips.SELF_CALIBRATION: 0}
    assert bytes.fromhex("2427079e09") in sent  # the data sheet's
    measure(SCD4X(stand.i2c))
    assert stand.chip.settings == {chips.HEIGHT: 0, chips.SELF_CALIBRATION: 1}
    assert chips.PERSIST not in stand.chip.commands


def test_not_ready_is_0x8000():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    driver.start()
    assert driver.ready() == 200
    assert stand.chip.commands[-1] == chips.IS_READY


def test_ready_is_the_low_11_bits():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    sim.advance(5000)
    words = chips._words
    for word, ready in ((0xF800, False), (0x8000, False), (0x0400, True), (0x0001, True)):
        chips._words = lambda *_, word=word: words(word)
        driver.start()
        stand.chip.buffer = VECTOR
        assert (driver.ready() == 0) is ready, word
    chips._words = words


def test_a_checksum_wrong_once():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    stand.chip.spoil = {chips.SERIAL: 1}
    measure(driver)
    stand.chip.spoil = {chips.IS_READY: 1}
    sim.advance(5000)
    began = sim.now()
    near(measure(driver), AIR)
    assert sim.now() - began <= 20  # it is asked again
    stand.chip.spoil = {chips.FETCH: 1}
    sim.advance(5000)
    began = sim.now()
    near(measure(driver), AIR)
    assert sim.now() - began > 4000  # the measurement is gone: this is the next


def test_checksums_wrong_for_ever():
    for command in (chips.SERIAL, chips.IS_READY, chips.FETCH):
        stand = Stand()
        stand.chip.spoil = {command: 1000}
        began = sim.now()
        assert failure(measure, SCD4X(stand.i2c)) == "checksum", command
        assert sim.now() - began < 12_000


def test_each_word_has_its_checksum():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    for i in range(9):
        frame = bytearray(VECTOR)
        frame[i] ^= 1
        stand.chip.frames = [bytes(frame)] * 2
        assert failure(measure, driver) == "checksum", i


def test_lines_held_are_no_value():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    for byte in (b"\0", b"\xff"):
        stand.chip.frames = [byte * 9] * 9
        assert failure(measure, driver) == "checksum"


def test_no_co2_is_no_value():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    stand.chip.frames = [chips._words(0, 0x6667, 0x5EB9), VECTOR]
    sim.advance(5000)
    assert measure(driver)[0] == 500
    stand.truth = (0, 21.5, 45.0)
    began = sim.now()
    assert failure(measure, driver) == NOT_MEASURED
    assert sim.now() - began < 25_000


def test_out_of_range():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    for stand.truth in (
        (40000, 21.5, 45.0),
        (65535, 21.5, 45.0),
        (620, -10.1, 45.0),
        (620, 60.1, 45.0),
        (620, -45.0, 0.0),
    ):
        driver.start()
        wait(driver)
        assert failure(driver.read) == RANGE, stand.truth


def test_never_measured():
    stand = Stand()
    stand.chip.period_ms = None
    began = sim.now()
    assert failure(measure, SCD4X(stand.i2c)) == NOT_MEASURED
    assert sim.now() - began < 25_000


def test_a_slow_clock_and_a_fast_one():
    for period in (4800, 5200):
        stand = Stand()
        stand.chip.period_ms = period
        driver = SCD4X(stand.i2c)
        for _ in range(5):
            near(measure(driver), AIR)


def test_a_chip_that_lost_its_power_is_no_value():
    stand = Stand()
    driver = SCD4X(stand.i2c)
    measure(driver)
    driver.start()
    stand.chip.reset()
    sim.advance(200)
    assert failure(driver.ready) == NACK  # it starts
    sim.advance(1000)
    assert failure(wait, driver) == NOT_MEASURED  # it is idle
    near(measure(SCD4X(stand.i2c)), AIR)


def test_power_just_came():
    # It acknowledges nothing for a second.
    stand = Stand()
    stand.chip.reset()
    near(measure(SCD4X(stand.i2c)), AIR)


def test_a_chip_asleep_is_woken():
    stand = Stand()
    stand.chip.write(b"\x36\xe0")
    assert stand.chip.asleep
    near(measure(SCD4X(stand.i2c)), AIR)


def test_asked_a_moment_too_early_it_waits():
    for deaf in (False, True):
        stand = Stand()
        if deaf:
            stand.chip.reset()
        driver = SCD4X(stand.i2c)
        driver.start()
        while stand.chip.commands == []:
            ms = driver.ready()
            sim.advance(50 if ms == 50 else 0)
        assert ms == 500
        sim.advance(497)
        assert 0 < driver.ready() <= 3
        assert stand.chip.commands == [chips.STOP]
        sim.advance(3)
        assert driver.ready() == 5000
        assert stand.chip.commands[-1] == chips.START


def test_nobody_answers():
    stand = Stand()
    sim.unplugged.add("chip")
    began = sim.now()
    assert failure(measure, SCD4X(stand.i2c)) == NACK
    assert 1000 < sim.now() - began < 1300
    sim.unplugged.clear()
    driver = SCD4X(stand.i2c)
    measure(driver)
    sim.unplugged.add("chip")
    began = sim.now()
    assert failure(measure, driver) == NACK
    assert sim.now() - began < 20
