"""Si7021, HTU21D and SHT2x over the simulated I2C bus."""

import chipstand
from chips import si7021 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure, nearly

import sim
from drivers.si7021 import SI7021

BOARDS = ("esp32", "pico_w")

near = nearly(0.01)

AIR = (21.5, 45.0)
HEAT = bytes.fromhex("683a7c")


class Stand(chipstand.I2C):
    """A chip at 0x40."""

    def __init__(self, kind="si7021"):
        super().__init__(chips.Chip, 0x40, AIR, kind)

    def gives(self, *frames):
        self.chip.frames = [bytes.fromhex(frame) for frame in frames]


def test_checksums_of_the_simulated_chip():
    for data, crc in (
        (b"\xdc", 0x79),
        (b"\x68\x3a", 0x7C),
        (b"\x4e\x85", 0x6B),
        (b"\x63\x52", 0x64),
    ):
        assert chips.crc8(data, 0) == crc


def test_vectors():
    stand = Stand()
    driver = SI7021(stand.i2c)
    for frame, percent in (("4e856b", 32.338), ("635264", 42.492)):
        stand.gives("683a7c", frame)
        near(measure(driver), (24.686, percent), 0.0005)


def test_shows_the_air():
    for kind in chips.KINDS:
        stand = Stand(kind)
        driver = SI7021(stand.i2c)
        for stand.truth in (AIR, (-39.98, 99.9), (-0.01, 0.1), (124.9, 30.0)):
            near(measure(driver), stand.truth, 0.012)
        assert stand.chip.commands == [0xF3, 0xF5] * 4


def test_humidity_stays_within_0_and_100():
    stand = Stand()
    driver = SI7021(stand.i2c)
    for percent, shown in ((-5.9, 0.0), (-0.5, 0.0), (100.5, 100.0), (118.9, 100.0)):
        stand.truth = (21.5, percent)
        near(measure(driver), (21.5, shown))


def test_out_of_range():
    stand = Stand()
    driver = SI7021(stand.i2c)
    for stand.truth in (
        (-40.1, 45.0),
        (125.1, 45.0),
        (-46.8, 45.0),
        (128.8, 45.0),
    ):
        assert failure(measure, driver) == RANGE, stand.truth


def test_the_ends_of_the_humidity_are_no_value():
    stand = Stand()
    driver = SI7021(stand.i2c)
    for raw in (b"\x00\x02", b"\xff\xfe"):  # -6 and 119 %
        stand.chip.frames = [HEAT, raw + bytes((chips.crc8(raw, 0),))]
        assert failure(measure, driver) == RANGE


def test_how_long_it_takes():
    # No longer than the chip, by more than is between two questions.
    for kind, (celsius_ms, percent_ms, _) in chips.KINDS.items():
        stand = Stand(kind)
        driver = SI7021(stand.i2c)
        began = sim.now()
        measure(driver)
        took = sim.now() - began
        assert celsius_ms + percent_ms <= took < celsius_ms + percent_ms + 10, (kind, took)


def test_asked_too_early():
    stand = Stand()
    driver = SI7021(stand.i2c)
    driver.start()
    sim.advance(10)
    assert driver.ready() > 0
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(1)
    assert driver.ready() > 0  # now the humidity
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(22)
    assert driver.ready() > 0
    sim.advance(1)
    assert driver.ready() == 0
    assert driver.ready() == 0  # asked twice: the chip has forgotten it, the driver has not
    near(driver.read(), AIR)


def test_a_wrong_checksum_once_is_measured_again():
    for spoiled in (0, 1):
        stand = Stand()
        driver = SI7021(stand.i2c)
        stand.gives(*(("683a7c", "4e856a") if spoiled else ("683a7d", "683a7c", "4e856b")))
        if spoiled:
            stand.chip.frames.append(bytes.fromhex("4e856b"))
        near(measure(driver), (24.686, 32.338), 0.0005)
        expected = [0xF3, 0xF5, 0xF5] if spoiled else [0xF3, 0xF3, 0xF5]
        assert stand.chip.commands == expected
        stand.chip.spoiled = 1  # and again in the next reading
        near(measure(driver), AIR)


def test_a_wrong_checksum_for_ever():
    stand = Stand()
    driver = SI7021(stand.i2c)
    stand.chip.spoiled = 99
    assert failure(measure, driver) == "checksum"
    assert stand.chip.spoiled == 97
    stand.chip.spoiled = 0
    stand.gives("683a7c", "ffffff", "ffffff")
    assert failure(measure, driver) == "checksum"


def test_zeros_are_no_value():
    # Their checksum is right, and as a humidity they would pass.
    stand = Stand()
    driver = SI7021(stand.i2c)
    for frames in (("000000",), ("683a7c", "000000")):
        stand.gives(*frames)
        assert failure(measure, driver) == "data line held low"


def test_the_chip_is_reset_at_first():
    for kind in chips.KINDS:
        stand = Stand(kind)
        stand.chip.write(b"\xe6\x81")  # another program's resolution
        SI7021(stand.i2c)
        assert stand.chip.user == chips.KINDS[kind][2], hex(stand.chip.user)


def test_the_heater_is_switched_off():
    for kind in chips.KINDS:
        stand = Stand(kind)
        stand.chip.write(b"\xe6\x06")  # another program's heater
        near(measure(SI7021(stand.i2c)), AIR)
        assert stand.chip.user == chips.KINDS[kind][2], hex(stand.chip.user)


def test_another_chip():
    class Other:
        def write(self, data):
            pass

        def read(self, n):
            return self.data * n

    stand = Stand()
    sim.i2c_devices.clear()
    other = Other()
    sim.i2c_attach(4, 5, 0x40, other, "air")
    for other.data in (b"\x00", b"\xff", b"\x39", b"\x54", b"\x82", b"\x03"):
        text = failure(SI7021, stand.i2c)
        assert text == "another chip answers (expected Si7021, HTU21D or SHT2x)", text
