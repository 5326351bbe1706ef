"""PMS5003 at the simulated serial port."""

import time

import chipstand
from chips import pms5003 as chips
from chipstand import RANGE, failure, measure

import sim
from drivers.pms5003 import PMS5003
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

VECTOR = bytes.fromhex("424d001c0009000e00110009000e001106f601f20060000a00030001970003ef")
NO_DATA = "no data from the sensor"


class Stand(chipstand.Uart):
    def __init__(self, **options):
        super().__init__(chips.Chip, (7, 12, 16))
        self.driver = PMS5003(self.uart, **options)


def settled(**options):
    """A stand whose first reading was taken."""
    stand = Stand(**options)
    assert measure(stand.driver) == stand.truth
    return stand


def test_vector():
    stand = Stand()
    stand.chip.frame = VECTOR
    values = measure(stand.driver)
    assert values == (9, 14, 17) and all(type(value) is int for value in values), values


def test_words_are_those_of_the_atmosphere():
    stand = settled()
    for air in ((0, 0, 0), (1, 2, 3), (255, 256, 257), (500, 999, 1000)):
        stand.truth = air
        sim.advance(1000)
        assert measure(stand.driver) == air


def test_the_first_30_seconds_are_left_out():
    stand = Stand()
    began = sim.now()
    assert measure(stand.driver) == stand.truth  # else 800 more
    assert 30_000 <= sim.now() - began <= 32_000
    began = sim.now()
    measure(stand.driver)
    assert sim.now() - began <= 1100


def test_what_came_before_is_thrown_away():
    # The port is full with frames of minutes ago, and has lost those that came since.
    stand = settled()
    stand.truth = (70, 120, 160)
    for seconds in (1, 2, 7, 8, 9, 30, 3600):
        for _ in range(min(seconds, 12)):
            sim.advance(1000 * seconds // min(seconds, 12))
            stand.uart.any()  # as an interrupt would
        stand.truth = (stand.truth[0] + 1, 120, 160)
        assert measure(stand.driver) == stand.truth, seconds


def test_every_cut_through_a_frame():
    # start() comes at any moment of a frame that is on the wire
    stand = settled()
    for ms in range(0, 1000, 3):
        sim.advance(1000 + ms % 40)
        stand.truth = (ms, ms + 1, ms + 2)
        values = measure(stand.driver)
        assert values == stand.truth or values[0] == ms - 3, (ms, values)


def test_garbage_between_the_frames():
    stand = settled()
    for noise in (
        b"\x00",
        b"\xff" * 40,
        b"\x42",
        b"\x42\x42\x4d",
        b"\x42\x4d\x00",
        b"\x42\x4d\x00\x1c",
        b"\x42\x4d\x00\x1c" * 9,
        VECTOR[:-1],
        b"\x42\x4d\x00\x04\xe4\x01\x01\x78",
        bytes(range(256)),
    ):
        stand.chip.noise = noise
        sim.advance(1000)
        assert measure(stand.driver) == stand.truth, noise


def test_a_wrong_sum():
    stand = settled()
    stand.chip.spoil = 1
    assert measure(stand.driver) == stand.truth  # of the next frame
    stand.chip.spoil = 1000
    began = sim.now()
    assert failure(measure, stand.driver) == "checksum"
    assert sim.now() - began < 5000


def test_every_single_bit_counts():
    stand = Stand()
    right = stand.driver.frames.is_valid
    assert right(VECTOR)
    for bit in range(32 * 8):
        spoilt = bytearray(VECTOR)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        assert not right(spoilt), bit


def test_silence():
    stand = settled()
    sim.unplugged.add("chip")
    began = sim.now()
    assert failure(measure, stand.driver) == NO_DATA
    assert 4000 <= sim.now() - began < 5000
    sim.unplugged.clear()
    stand.chip.passive = True
    assert failure(measure, stand.driver) == NO_DATA


def test_one_that_was_told_to_wait_for_questions_is_told_to_send():
    for asleep in (False, True):
        stand = Stand()
        stand.chip.write(b"\x42\x4d\xe1\x00\x00\x01\x70")  # another program's
        assert stand.chip.passive
        if asleep:
            stand.chip.write(b"\x42\x4d\xe4\x00\x00\x01\x73")
        assert measure(stand.driver) == stand.truth
        assert not stand.chip.passive


def test_no_such_dust():
    stand = settled()
    for words in ("ffff000c0010", "000713890010", "0007000cffff"):  # 5001 in the middle
        data = VECTOR[:10] + bytes.fromhex(words) + VECTOR[16:30]
        stand.chip.frame = data + bytes((sum(data) >> 8, sum(data) & 0xFF))
        sim.advance(1000)
        assert failure(measure, stand.driver) == RANGE


def test_another_sensor_talks():
    for noise in (b"\xff\x86\x02\x60\x47\x00\x00\x00\xd1", bytes(32), b"\xff" * 32):
        stand = Stand()
        stand.chip.frame = noise * 3
        assert failure(measure, stand.driver) == NO_DATA


def test_slow_frames():
    # 2.3 s apart when the air does not change
    stand = settled()
    stand.chip.every_ms = 2300
    for _ in range(10):
        assert measure(stand.driver) == stand.truth


def test_it_sleeps_between_readings():
    stand = settled(sleeps=True)
    chip = stand.chip
    for n in range(3):
        assert chip.awake_since is None and chip.commands[-1] == (0xE4, 0)
        before = chip.awake_ms
        sim.advance(600_000)
        stand.truth = (n, n + 1, n + 2)
        assert measure(stand.driver) == stand.truth
        assert 30_000 <= chip.awake_ms - before <= 32_000
    assert chip.commands == [(0xE4, 1), (0xE1, 1), (0xE4, 0)] * 4


def test_one_that_was_put_to_sleep_is_woken():
    stand = Stand()
    stand.chip.write(b"\x42\x4d\xe4\x00\x00\x01\x73")
    assert stand.chip.awake_since is None
    assert measure(stand.driver) == stand.truth
    assert measure(stand.driver) == stand.truth
    assert stand.chip.awake_since is not None


def test_gone_and_back_through_a_channel():
    stand = Stand()
    fields = tuple((name, "µg/m³", name, 0) for name in ("pm1", "pm25", "pm10"))
    channel = Channel("dust", lambda stuck: PMS5003(stand.uart), fields, 10_000)
    results = []
    gone = back = False
    while sim.now() < 300_000:
        if not gone and sim.now() > 60_000:
            gone = True
            sim.unplugged.add("chip")
        if gone and not back and sim.now() > 100_000:
            back = True
            sim.unplugged.clear()
            stand.chip.lose_power()
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        sim.advance(max(channel.due(time.ticks_ms()), 1))
    assert NO_DATA in results, results
    assert results[0] == results[-1] == stand.truth
    for result in results:
        assert result in (NO_DATA, stand.truth), results  # never what it says while it starts
