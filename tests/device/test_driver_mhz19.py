"""MH-Z19B at the simulated serial port."""

import time

import stand
from chips import mhz19 as chips
from stand import RANGE, failure, measure

import sim
from drivers.mhz19 import MHZ19
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

VECTOR = bytes.fromhex("ff86026047000000d1")
NO_DATA = "no data from the sensor"


class Bench(stand.Uart):
    def __init__(self, warm_ms=90_000, **options):
        super().__init__(chips.Chip, 640, warm_ms)
        self.driver = MHZ19(self.uart, **options)


def warm(**options):
    bench = Bench(**options)
    sim.advance(180_000)
    return bench


def answer(ppm):
    data = bytes((0xFF, 0x86, ppm >> 8, ppm & 0xFF, 62, 0, 0, 0))
    return data + bytes((-sum(data[1:]) & 0xFF,))


def test_vector():
    bench = warm()
    bench.chip.answer = VECTOR
    values = measure(bench.driver)
    assert values == (608,) and type(values[0]) is int, values


def test_warming_up():
    for shown in (410, 500, 515):
        bench = Bench()
        bench.chip.warming = shown
        began = sim.now()
        seen = []
        while sim.now() - began < 200_000:
            seen.append((sim.now() - began, measure(bench.driver)))
            sim.advance(1000)
        told = [ms for ms, values in seen if values]
        assert 90_000 <= told[0] <= 92_000, told[0]
        assert all(values in (None, (640,)) for _, values in seen), seen


def test_the_first_minute_is_left_out_whatever_it_says():
    bench = Bench(warm_ms=0)
    bench.truth = 1999
    began = sim.now()
    while sim.now() - began < 59_000:
        assert measure(bench.driver) is None
        sim.advance(500)
    sim.advance(1000)
    assert measure(bench.driver) == (1999,)


def test_its_warming_values_are_values_later():
    bench = warm()
    for bench.truth in (410, 500, 515, 400, 4999):
        assert measure(bench.driver) == (bench.truth,)


def test_days_later():
    bench = warm()
    assert measure(bench.driver) == (640,)
    bench.truth = 410
    for _ in range(12):
        sim.advance(86_400_000)
        assert measure(bench.driver) == (410,)
    sim.advance(
        (1 << 30) - 12 * 86_400_000 - 120_000
    )  # ticks are again what they were in the first minute
    assert measure(bench.driver) == (410,)


def test_out_of_range():
    bench = warm()
    bench.truth = 6000  # it says 5000
    assert failure(measure, bench.driver) == RANGE
    for ppm in (0, 399, 2000, 5000, 10000, 10001, 65535):  # the ends of the ranges there are, too
        bench.chip.answer = answer(ppm)
        assert failure(measure, bench.driver) == RANGE, ppm
    for ppm in (400, 1999, 2001, 4999, 5001, 9999):  # there are such
        bench.chip.answer = answer(ppm)
        assert measure(bench.driver) == (ppm,)


def test_the_range_that_another_program_set():
    bench = Bench(warm_ms=0)
    bench.chip.range = 2000
    sim.advance(180_000)
    bench.truth = 3456
    assert measure(bench.driver) == (3456,)
    assert bench.chip.range == 5000
    bench.chip.only_2000 = True  # an older one knows no other
    bench.chip.range = 2000
    assert failure(measure, bench.driver) == RANGE


def test_self_calibration():
    for wanted in (False, True):
        bench = warm(self_calibration=wanted)
        bench.chip.calibrates = not wanted
        driver = MHZ19(bench.uart, self_calibration=wanted)
        assert bench.chip.calibrates is wanted
        measure(driver)
        assert bench.chip.zeroed == 0


def test_garbage():
    bench = warm()
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
        bench.chip.noise = noise
        bench.truth += 1
        assert measure(bench.driver) == (bench.truth,), noise


def test_what_came_before_is_thrown_away():
    bench = warm()
    measure(bench.driver)
    for _ in range(40):  # old answers: more than the port keeps
        bench.chip.write(b"\xff\x01\x86\x00\x00\x00\x00\x00\x79")
        sim.advance(50)
        bench.uart.any()
    bench.truth = 1234
    assert measure(bench.driver) == (1234,)


def test_a_wrong_sum_is_asked_again():
    bench = warm()
    measure(bench.driver)
    bench.chip.spoil = 1
    before = bench.chip.asked
    assert measure(bench.driver) == (640,)
    assert bench.chip.asked - before == 2
    bench.chip.spoil = 1000
    began = sim.now()
    assert failure(measure, bench.driver) in ("checksum", NO_DATA)
    assert sim.now() - began < 1500
    bench.chip.spoil = 0
    bench.chip.answer = VECTOR[:-1] + b"\xd0"
    assert failure(measure, bench.driver) == "checksum"


def test_every_single_bit_counts():
    right = Bench().driver.frames.right
    assert right(VECTOR)
    for bit in range(8, 72):
        spoilt = bytearray(VECTOR)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        assert not right(spoilt), bit


def test_silence():
    bench = warm()
    bench.chip.deaf = True
    began = sim.now()
    assert failure(measure, bench.driver) == NO_DATA
    assert sim.now() - began < 1500
    bench.chip.deaf = False
    sim.unplugged.add("chip")
    assert failure(measure, bench.driver) == NO_DATA


def test_another_sensor_talks():
    for data in (bytes(9), b"\xff" * 9, b"\x42\x4d\x00\x1c" * 8):
        bench = warm()
        bench.chip.answer = data
        assert failure(measure, bench.driver) == NO_DATA


def test_gone_and_back_through_a_channel():
    bench = Bench()
    channel = Channel("room", lambda stuck: MHZ19(bench.uart), (("co2", "ppm", None, 0),), 10_000)
    results = []
    gone = back = False
    while sim.now() < 600_000:
        if not gone and sim.now() > 150_000:
            gone = True
            sim.unplugged.add("chip")
        if gone and not back and sim.now() > 200_000:
            back = True
            sim.unplugged.clear()
            bench.chip.on_since = sim.now()
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        sim.advance(max(channel.due(time.ticks_ms()), 1))
    assert NO_DATA in results, results
    assert results[0] == results[-1] == (640,), results
    for result in results:
        assert result in (NO_DATA, (640,)), results  # never what it says while it warms up
