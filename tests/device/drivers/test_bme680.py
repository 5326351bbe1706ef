"""BME680 and BME688 over the simulated I2C bus."""

import chipstand
from chips import bme680 as chips
from chipstand import NOT_MEASURED, RANGE, convert, failure, finish, measure, wait

import sim
from drivers.bme680 import BME680

BOARDS = ("esp32", "pico_w")

AIR = (21.5, 45.0, 1013.25, 120_000.0)
FIELD = bytes.fromhex("800055730077a10053fc00000082360000")


class Stand(chipstand.I2C):
    """A chip at 0x76."""

    def __init__(self, variant=chips.BME680):
        super().__init__(chips.Chip, 0x76, AIR, variant)


def near(values, expected, tolerances=(0.011, 0.05, 0.011)):
    for value, wanted, tolerance in zip(values, expected, tolerances):
        assert isinstance(value, float), value
        assert abs(value - wanted) <= tolerance, (values, expected)
    assert len(values) == len(expected) == 4 or len(values) == 3
    if len(values) == 4:
        assert type(values[3]) is int
        assert abs(values[3] - expected[3]) <= expected[3] * 0.003, (values, expected)


def test_vector_of_a_real_bme680():
    # Calibration of a real part (the one the simulated chip has). Floating point: 23.146 °C, 101573.3 Pa, 46.368 %, 124258 Ω.
    driver = BME680(Stand().i2c)
    t_fine = driver.t_fine(0x77A10)
    assert driver.temperature(t_fine) == 2315
    assert abs(driver.pressure(0x55730, t_fine) / 256 - 101573.3) < 0.1
    assert driver.humidity(0x53FC, 2315) == 46359
    assert driver.gas(520, 6) == 124258
    assert driver.heat(320) == 116  # before anything was measured: at 25 °C


def test_vector_as_bytes():
    stand = Stand()
    stand.chip.field = FIELD
    temperature, humidity, pressure, gas = measure(BME680(stand.i2c))
    assert abs(temperature - 23.146) < 0.01
    assert abs(humidity - 46.368) < 0.02
    assert abs(pressure - 1015.733) < 0.001
    assert gas == 124258


def test_vector_of_the_gas_of_a_bme688():
    stand = Stand(chips.BME688)
    stand.chip.field = FIELD[:13] + b"\xff\xff\x82\x36"
    assert measure(BME680(stand.i2c))[3] == 994175


def test_shows_the_air():
    for variant in (chips.BME680, chips.BME688):
        stand = Stand(variant)
        driver = BME680(stand.i2c)
        for stand.truth in (
            AIR,
            (-39.0, 50.0, 1099.0, 3_000_000.0),
            (-0.01, 95.0, 700.0, 12_000.0),
            (84.0, 30.0, 301.0, 2_000.0),
            (30.0, 5.0, 950.0, 50_000.0),
        ):
            near(measure(driver), stand.truth)


def test_every_range_of_the_gas():
    driver = BME680(Stand().i2c)
    for error in (0, 0x70, 0xF0, 0x80):  # of the ranges: 0, 7, -1, -8
        for variant in (chips.BME680, chips.BME688):
            stand = Stand(variant)
            stand.chip.memory[4] = error
            driver = BME680(stand.i2c)
            for range_ in range(16):
                for raw in (0, 1, 511, 512, 513, 1023):
                    expected = stand.chip.ohm(raw, range_)
                    assert abs(driver.gas(raw, range_) - expected) <= 0.5 + expected * 1e-6


def test_humidity_stays_within_0_and_100():
    driver = BME680(Stand().i2c)
    assert driver.humidity(65535, 2315) == 100_000
    assert driver.humidity(0, 2315) == 0


def test_signs_and_halves_of_the_calibration():
    stand = Stand()
    memory = stand.chip.memory
    memory[0xE1:0xE4] = b"\x12\x34\x56"
    memory[0x98:0x9A] = b"\x01\xff"
    memory[0x00], memory[0x02], memory[0x04] = 0xFF, 0xCF, 0xA5
    driver = BME680(stand.i2c)
    assert driver._h[:2] == (0x564, 0x123), driver._h
    assert driver._p[5:7] == (-1, 1), driver._p
    assert driver._g[3:] == (-1, 0), driver._g
    assert driver._range_error == -6


def test_the_plate_gets_as_warm_as_it_is_told():
    for variant in (chips.BME680, chips.BME688):
        for heater_c in (200, 250, 300, 320, 350, 400):
            stand = Stand(variant)
            driver = BME680(stand.i2c, heater_c=heater_c)
            assert driver.conversion_ms == 170
            for celsius in (-20.0, 25.0, 60.0):
                stand.truth = (celsius,) + AIR[1:]
                measure(driver)
                measure(driver)  # now it knows how warm it is around
                # A step is 3.6 °C.
                assert -5 < stand.chip.plate_c - heater_c < 1, (stand.chip.plate_c, heater_c)
            memory = stand.chip.memory
            assert memory[0x64] == 0x65  # 148 ms
            assert memory[0x71] == (0x20 if variant else 0x10)


def test_without_gas():
    for variant in (chips.BME680, chips.BME688):
        stand = Stand(variant)
        stand.truth = AIR[:3] + (None,)
        driver = BME680(stand.i2c, heater_c=0)
        assert driver.conversion_ms == 20
        values = measure(driver)
        assert len(values) == 3
        near(values, AIR)
        assert stand.chip.memory[0x70] == 8 and stand.chip.memory[0x71] == 0
        assert stand.chip.plate_c is None


def test_the_wrong_chip_is_named():
    stand = Stand()
    for found, text in (
        (0x55, "chip id 0x55 is a BMP180; expected a BME680 (0x61)"),
        (0x58, "chip id 0x58 is a BMP280; expected a BME680 (0x61)"),
        (0x60, "chip id 0x60 is a BME280; expected a BME680 (0x61)"),
        (0xFF, "chip id 0xff; expected a BME680 (0x61)"),
        (0x00, "chip id 0x00; expected a BME680 (0x61)"),
    ):
        stand.chip.memory[0xD0] = found
        assert failure(BME680, stand.i2c) == text, text
    stand.chip.memory[0xD0] = 0x61
    for variant, name in ((2, "BME690"), (3, "variant 3"), (255, "variant 255")):
        stand.chip.memory[0xF0] = variant
        text = "chip id 0x61 is a %s; expected a BME680 or BME688" % name
        assert failure(BME680, stand.i2c) == text


def test_blank_calibration_is_refused():
    for blank in (b"\x00", b"\xff"):
        for start, end in ((0x8A, 0xA1), (0xE1, 0xE4), (0xE9, 0xEB)):
            stand = Stand()
            stand.chip.memory[start:end] = blank * (end - start)
            assert failure(BME680, stand.i2c) == "calibration is blank", (blank, start)


def test_a_divisor_of_zero_is_no_crash():
    driver = BME680(Stand().i2c)
    driver._p = (36673, -32768, 0, 0, 0, 0, 0, 0, 0, 0)
    assert failure(driver.pressure, 0x55730, 2 * (524288 + 64000)) == "calibration is blank"


def test_what_was_never_measured_is_no_value():
    stand = Stand()
    driver = BME680(stand.i2c)
    stand.chip.field = b"\0" + FIELD[1:]
    driver.start()
    sim.advance(170)
    assert failure(driver.read) == NOT_MEASURED
    assert failure(wait, driver) == NOT_MEASURED


def test_a_code_of_a_reset_is_no_value():
    # One alone, too: 0x80000 would be 33.9 °C or 700 hPa of this chip.
    for start, code in ((2, b"\x80\0\0"), (5, b"\x80\0\0"), (8, b"\x80\0")):
        stand = Stand()
        driver = BME680(stand.i2c)
        stand.chip.field = FIELD[:start] + code + FIELD[start + len(code) :]
        began = sim.now()
        assert failure(convert, driver) == NOT_MEASURED
        assert failure(driver.read) == NOT_MEASURED
        assert sim.now() - began <= 3 * 170  # three times it measured
        driver.start()
        sim.advance(170)
        assert driver.ready() == 170
        stand.chip.field = None  # it was a real value: now it is another
        sim.advance(170)
        near(finish(driver), AIR)


def test_without_valid_gas_the_rest_is_a_reading():
    for variant, i in ((chips.BME680, 14), (chips.BME688, 16)):
        stand = Stand(variant)
        driver = BME680(stand.i2c)
        for low in (0x16, 0x26, 0x06):  # not measured; the plate was not hot; neither
            field = bytearray(FIELD[:13] + b"\x82\x36\x82\x36")
            field[i] = low
            stand.chip.field = bytes(field)
            values = measure(driver)
            assert values[3] is None and len(values) == 4, values
            near(values[:3], (23.146, 46.368, 1015.733), (0.01, 0.02, 0.001))
        stand.chip.field = None
        near(measure(driver), AIR)


def test_a_cold_plate():
    stand = Stand()
    stand.chip.cold = True
    values = measure(BME680(stand.i2c))
    assert values[3] is None
    near(values[:3], AIR[:3])
    assert len(measure(BME680(stand.i2c, heater_c=0))) == 3  # then it is not needed


def test_data_lines_held_are_no_value():
    stand = Stand()
    driver = BME680(stand.i2c)
    for byte in (b"\0", b"\xff"):
        stand.chip.field = b"\x80" + byte * 16
        convert(driver)
        assert failure(driver.read) == RANGE
    for byte, text in ((b"\0", NOT_MEASURED), (b"\xff", "chip stays busy")):
        stand.chip.field = byte * 17
        driver.start()
        sim.advance(170)
        assert failure(driver.read) == NOT_MEASURED
        stand.shows(chips.FIELD)
        stand.chip._progress = lambda: None
        assert failure(wait, driver) == text
        del stand.chip._progress


def test_out_of_range():
    stand = Stand()
    driver = BME680(stand.i2c)
    for values in (
        (-40.1, 45.0, 1013.25),
        (85.1, 45.0, 1013.25),
        (21.5, 45.0, 299.9),
        (21.5, 45.0, 1100.1),
    ):
        stand.truth = values + AIR[3:]
        convert(driver)
        assert failure(driver.read) == RANGE, values


def test_the_measurement_is_done_in_time():
    for heater_c in (0, 320):
        driver = BME680(Stand().i2c, heater_c=heater_c)
        driver.start()
        sim.advance(driver.conversion_ms)
        assert driver.ready() == 0, heater_c


def test_asked_too_early_it_waits():
    stand = Stand()
    driver = BME680(stand.i2c)
    measure(driver)
    stand.truth = (-10.0, 45.0, 950.0, 50_000.0)
    driver.start()
    assert failure(driver.read) == NOT_MEASURED  # what is there is old
    assert driver.ready() == 170
    sim.advance(150)
    assert failure(driver.read) == NOT_MEASURED  # it heats
    sim.advance(19)
    assert driver.ready() == 1
    sim.advance(1)
    assert driver.ready() == 0
    near(driver.read(), stand.truth)


def test_a_slow_chip_is_waited_for():
    stand = Stand()
    driver = BME680(stand.i2c)
    driver.start()
    stand.chip.ready_at += 20
    sim.advance(170)
    assert driver.ready() == 5
    wait(driver)
    near(driver.read(), AIR)


def test_what_was_set_before_is_forgotten():
    stand = Stand()
    stand.chip.write(b"\x75\x1c\x70\x08")  # another program's filter, its heater off
    near(measure(BME680(stand.i2c)), AIR)
    assert stand.chip.memory[0x75] == 0
