"""DHT22 and DHT11 behind the simulated frozen driver."""

import dht
import machine
from chips import dht22 as chips
from chipstand import failure, wait

import sim
from drivers.dht22 import DHT11, DHT22

BOARDS = ("esp32", "pico_w")


class Stand:
    def __init__(self, driver=DHT22):
        sim.no_stand()
        sim.dht_devices.clear()
        sim.virtual()
        self.air = (21.5, 45.0)
        self.chip = chips.Chip(sim, lambda: self.air, driver is DHT11)
        sim.dht_attach(4, self.chip, "air")
        self.driver = driver(dht.DHT22(machine.Pin(4)))
        sim.advance(1000)  # the chip starts


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    wait(driver, 250)  # a question
    return driver.read()


def frame(text, driver=DHT22):
    stand = Stand(driver)
    stand.chip.answer = bytes.fromhex(text)
    return stand.driver


def test_frames():
    assert measure(frame("028c015fee")) == (35.1, 65.2)  # of the data sheet
    assert measure(frame("0292806579")) == (-10.1, 65.8)
    assert measure(frame("03e8800a75")) == (-1.0, 100.0)
    assert measure(frame("0001800081")) == (0.0, 0.1)  # minus nothing
    assert measure(frame("0292ff9b2e")) == (-10.1, 65.8)  # a copy: two's complement


def test_signs():
    for copy in (False, True):
        for celsius in (-40.0, -10.1, -0.1, 0.0, 0.1, 79.9):
            stand = Stand()
            stand.chip.copy = copy
            stand.air = (celsius, 99.9)
            stand.chip.measured = stand.air
            assert measure(stand.driver) == (celsius, 99.9), (copy, celsius)


def test_reads_what_is_now_and_not_what_was():
    # The chip answers with what it measured when it was asked before.
    stand = Stand()
    measure(stand.driver)
    stand.air = (30.0, 20.0)
    sim.advance(3_600_000)
    assert measure(stand.driver) == (30.0, 20.0)


def test_never_asked_twice_within_2_seconds():
    stand = Stand()
    driver = stand.driver
    gaps = []  # from the end of one question to the beginning of the next
    ended = None
    ask = driver.dht.measure

    def noted():
        nonlocal ended
        if ended is not None:
            gaps.append(sim.now() - ended)
        ask()
        ended = sim.now()

    driver.dht.measure = noted
    for pause in (0, 100, 1999, 2000, 2001, 60_000):
        measure(driver)
        sim.advance(pause)
    measure(driver)
    assert min(gaps) >= 2000, gaps
    assert max(gaps[:3]) < 2200, gaps  # and not later than need be


def test_the_first_question_may_fail():
    stand = Stand()
    stand.chip.quiet_until = sim.now() + 1500  # a slow starter
    assert measure(stand.driver) == (21.5, 45.0)


def test_a_question_that_was_not_heard_makes_no_old_value_a_new_one():
    stand = Stand()
    measure(stand.driver)
    stand.air = (30.0, 20.0)
    for deaf_ms in (1000, 4000):  # at the first question, at both
        sim.advance(3_600_000)
        stand.chip.quiet_until = sim.now() + deaf_ms
        if deaf_ms == 1000:
            assert measure(stand.driver) == (30.0, 20.0)
            stand.air = (10.0, 50.0)
        else:
            assert failure(measure, stand.driver) == "chip has not measured"
    assert measure(stand.driver) == (10.0, 50.0)


def test_silence():
    stand = Stand()
    sim.unplugged.add("air")
    stand.driver.start()
    sim.advance(2000)
    assert failure(stand.driver.read) == (116 if sim.ESP32 else 110)


def test_wrong_sum():
    driver = frame("028c015fef")
    driver.start()  # the answer does not count
    sim.advance(2000)
    assert failure(driver.read) == "checksum"


def test_wrong_sum_that_the_frozen_driver_let_pass():
    class Careless:
        buf = bytes.fromhex("028c015fef")

        def measure(self):
            pass

    assert failure(DHT22(Careless()).read) == "checksum"


def test_every_single_bit_counts():
    good = bytes.fromhex("028c015fee")
    for bit in range(40):
        spoilt = bytearray(good)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        driver = frame(bytes(spoilt).hex())
        driver.start()
        sim.advance(2000)
        assert failure(driver.read) == "checksum", bit


def test_all_zeros_are_no_reading():
    driver = frame("0000000000")
    driver.start()
    sim.advance(2000)
    assert failure(driver.read) == "data line held low"


def test_out_of_range():
    for text in ("0292032dc4", "0292819fb4"):  # 81.3, -41.5 °C
        driver = frame(text)
        driver.start()
        sim.advance(2000)
        assert failure(driver.read) == "reading out of the chip's range"


def test_a_dht11_is_noticed():
    driver = frame("3500180451")
    driver.start()
    sim.advance(2000)
    assert failure(driver.read) == "reading out of the chip's range (is it a DHT11?)"


# ---- DHT11 ------------------------------------------------------------------------------------------------------


def test_frames_of_a_dht11():
    assert measure(frame("3500180451", DHT11)) == (24.4, 53.0)  # of the data sheet
    assert measure(frame("3100180049", DHT11)) == (24.0, 49.0)  # an old one
    assert measure(frame("350500003a", DHT11)) == (0.0, 53.5)
    assert measure(frame("35000181b7", DHT11)) == (-1.1, 53.0)
    assert measure(frame("35000080b5", DHT11)) == (0.0, 53.0)  # minus nothing


def test_what_dht11s_show():
    for old, air, expected in (
        (False, (21.5, 45.0), (21.5, 45.0)),
        (True, (21.5, 45.0), (21.0, 45.0)),
        (False, (-0.1, 5.0), (-0.1, 5.0)),
        (False, (-20.0, 95.0), (-20.0, 95.0)),
        (False, (60.0, 30.0), (60.0, 30.0)),
        (True, (-3.0, 12.0), (0.0, 20.0)),
    ):
        stand = Stand(DHT11)
        stand.chip.old = old
        stand.chip.measured = stand.air = air
        values = measure(stand.driver)
        assert values == expected, (air, values)
        assert type(values[0]) is float and type(values[1]) is float


def test_every_dht22_is_noticed_where_a_dht11_is_configured():
    for air in ((21.5, 45.0), (-40.0, 0.1), (80.0, 99.9), (-0.1, 100.0), (25.6, 25.6)):
        stand = Stand(DHT11)
        stand.chip.dht11 = False
        stand.chip.measured = stand.air = air
        stand.driver.start()
        sim.advance(2000)
        assert failure(stand.driver.read) == "reading out of the chip's range (is it a DHT22?)"


def test_every_dht11_is_noticed_where_a_dht22_is_configured():
    for percent in range(5, 96):
        stand = Stand(DHT22)
        stand.chip.dht11 = True
        stand.chip.measured = stand.air = (21.5, percent)
        stand.driver.start()
        sim.advance(2000)
        assert failure(stand.driver.read) == "reading out of the chip's range (is it a DHT11?)"


def test_out_of_a_dht11s_range():
    for b in (
        (53, 0, 61, 0),
        (53, 0, 60, 1),
        (53, 0, 20, 0x81),
        (53, 10, 20, 0),
        (53, 0, 20, 10),
        (101, 0, 20, 0),
        (255, 255, 255, 255),
    ):
        driver = frame(bytes(b + (sum(b) & 0xFF,)).hex(), DHT11)
        driver.start()
        sim.advance(2000)
        assert failure(driver.read) == "reading out of the chip's range", b


def test_a_dht11s_failures():
    for text, expected in (("3500180452", "checksum"), ("0000000000", "data line held low")):
        driver = frame(text, DHT11)
        driver.start()
        sim.advance(2000)
        assert failure(driver.read) == expected


def test_other_faults_are_not_hidden():
    class Broken:
        buf = bytearray(5)

        def measure(self):
            raise TypeError("a bug")

    try:
        DHT22(Broken()).read()
    except TypeError:
        return
    raise AssertionError("no TypeError")
