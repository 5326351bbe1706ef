"""MH-Z19B at the simulated serial port."""

import time

import chipstand
from chips import mhz19 as chips
from chipstand import RANGE, failure, measure

import sim
from drivers.mhz19 import MHZ19
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

VECTOR = bytes.fromhex("ff86026047000000d1")
NO_DATA = "no data from the sensor"


class Stand(chipstand.Uart):
    def __init__(self, warm_ms=90_000, **options):
        super().__init__(chips.Chip, 640, warm_ms)
        self.driver = MHZ19(self.uart, **options)


def warm(**options):
    stand = Stand(**options)
    sim.advance(180_000)
    return stand


def answer(ppm):
    data = bytes((0xFF, 0x86, ppm >> 8, ppm & 0xFF, 62, 0, 0, 0))
    return data + bytes((-sum(data[1:]) & 0xFF,))


def test_vector():
    stand = warm()
    stand.chip.answer = VECTOR
    values = measure(stand.driver)
    assert values == (608,) and type(values[0]) is int, values


def test_warming_up():
    for shown in (410, 500, 515):
        stand = Stand()
        stand.chip.warming = shown
        began = sim.now()
        seen = []
        while sim.now() - began < 200_000:
            seen.append((sim.now() - began, measure(stand.driver)))
            sim.advance(1000)
        told = [ms for ms, values in seen if values]
        assert 90_000 <= told[0] <= 92_000, told[0]
        assert all(values in (None, (640,)) for _, values in seen), seen


def test_the_first_minute_is_left_out_whatever_it_says():
    stand = Stand(warm_ms=0)
    stand.truth = 1999
    began = sim.now()
    while sim.now() - began < 59_000:
        assert measure(stand.driver) is None
        sim.advance(500)
    sim.advance(1000)
    assert measure(stand.driver) == (1999,)


def test_its_warming_values_are_values_later():
    stand = warm()
    for stand.truth in (410, 500, 515, 400, 4999):
        assert measure(stand.driver) == (stand.truth,)


def test_days_later():
    stand = warm()
    assert measure(stand.driver) == (640,)
    stand.truth = 410
    for _ in range(12):
        sim.advance(86_400_000)
        assert measure(stand.driver) == (410,)
    # ticks are again what they were in the first minute
    sim.advance((1 << 30) - 12 * 86_400_000 - 120_000)
    assert measure(stand.driver) == (410,)


def test_out_of_range():
    stand = warm()
    stand.truth = 6000  # it says 5000
    assert failure(measure, stand.driver) == RANGE
    for ppm in (0, 399, 2000, 5000, 10000, 10001, 65535):  # the ends of the ranges there are, too
        stand.chip.answer = answer(ppm)
        assert failure(measure, stand.driver) == RANGE, ppm
    for ppm in (400, 1999, 2001, 4999, 5001, 9999):  # there are such
        stand.chip.answer = answer(ppm)
        assert measure(stand.driver) == (ppm,)


def test_the_range_that_another_program_set():
    stand = Stand(warm_ms=0)
    stand.chip.range = 2000
    sim.advance(180_000)
    stand.truth = 3456
    assert measure(stand.driver) == (3456,)
    assert stand.chip.range == 5000
    stand.chip.only_2000 = True  # an older one knows no other
    stand.chip.range = 2000
    assert failure(measure, stand.driver) == RANGE


def test_self_calibration():
    for wanted in (False, True):
        stand = warm(self_calibration=wanted)
        stand.chip.calibrates = not wanted
        driver = MHZ19(stand.uart, self_calibration=wanted)
        assert stand.chip.calibrates is wanted
        measure(driver)
        assert stand.chip.zeroed == 0


def test_garbage():
    stand = warm()
    for noise in (
        b"\x00",
        b"\xff",
        b"\xff\xff\xff",
        b"\xff\x86",
        b"\xff\x86\x02",
        b"\xff\x79\x01\x00\x00\x00\x00\x00\x86",
        b"\xff\x86\xff\x86\xff\x86\xff\x86\xff\x86",
        bytes(range(100)),
    ):
        stand.chip.noise = noise
        stand.truth += 1
        assert measure(stand.driver) == (stand.truth,), noise


def test_what_came_before_is_thrown_away():
    stand = warm()
    measure(stand.driver)
    for _ in range(40):  # old answers: more than the port keeps
        stand.chip.write(b"\xff\x01\x86\x00\x00\x00\x00\x00\x79")
        sim.advance(50)
        stand.uart.any()
    stand.truth = 1234
    assert measure(stand.driver) == (1234,)


def test_a_wrong_sum_is_asked_again():
    stand = warm()
    measure(stand.driver)
    stand.chip.spoil = 1
    before = stand.chip.asked
    assert measure(stand.driver) == (640,)
    assert stand.chip.asked - before == 2
    stand.chip.spoil = 1000
    began = sim.now()
    assert failure(measure, stand.driver) in ("checksum", NO_DATA)
    assert sim.now() - began < 1500
    stand.chip.spoil = 0
    stand.chip.answer = VECTOR[:-1] + b"\xd0"
    assert failure(measure, stand.driver) == "checksum"


def test_every_single_bit_counts():
    right = Stand().driver.frames.is_valid
    assert right(VECTOR)
    for bit in range(8, 72):
        spoilt = bytearray(VECTOR)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        assert not right(spoilt), bit


def test_silence():
    stand = warm()
    stand.chip.deaf = True
    began = sim.now()
    assert failure(measure, stand.driver) == NO_DATA
    assert sim.now() - began < 1500
    stand.chip.deaf = False
    sim.unplugged.add("chip")
    assert failure(measure, stand.driver) == NO_DATA


def test_another_sensor_talks():
    for data in (bytes(9), b"\xff" * 9, b"\x42\x4d\x00\x1c" * 8):
        stand = warm()
        stand.chip.answer = data
        assert failure(measure, stand.driver) == NO_DATA


def test_gone_and_back_through_a_channel():
    stand = Stand()
    channel = Channel("room", lambda stuck: MHZ19(stand.uart), (("co2", "ppm", None, 0),), 10_000)
    results = []
    gone = back = False
    while sim.now() < 600_000:
        if not gone and sim.now() > 150_000:
            gone = True
            sim.unplugged.add("chip")
        if gone and not back and sim.now() > 200_000:
            back = True
            sim.unplugged.clear()
            stand.chip.on_since = sim.now()
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        sim.advance(max(channel.due(time.ticks_ms()), 1))
    assert NO_DATA in results, results
    assert results[0] == results[-1] == (640,), results
    for result in results:
        assert result in (NO_DATA, (640,)), results  # never what it says while it warms up
