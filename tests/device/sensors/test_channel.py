"""The Channel: when it reads, what it does when that fails, what it says of it."""

import time

import sim
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

FIELDS = (("temperature", 2),)


def gaps(times):
    return [times[i + 1] - times[i] for i in range(len(times) - 1)]


class Driver:
    """A driver whose conversion takes 100 ms and whose start and read fail on request."""

    conversion_ms = 100

    def __init__(self, log, faults):
        self.log = log
        self.faults = faults

    def note(self, what):
        self.log.append((sim.now(), what))
        if self.faults.get(what):
            raise self.faults[what]

    def start(self):
        self.note("start")

    def read(self):
        self.note("read")
        return (21.5,)


class Stand:
    def __init__(self, interval_ms=10_000, kind=Driver):
        sim.virtual()
        self.log = []
        self.faults = {}
        self.built = []
        self.kind = kind
        self.channel = Channel("air", self.build, FIELDS, interval_ms, 1, True)
        self.began = sim.now()

    def build(self, stuck):
        self.built.append((sim.now(), stuck))
        if self.faults.get("build"):
            raise self.faults["build"]
        return self.kind(self.log, self.faults)

    def run(self, ms):
        """Step when the channel wants to for ms; return [(when, result), ...]."""
        channel = self.channel
        end = sim.now() + ms
        results = []
        while True:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results.append((sim.now() - self.began, result))
            left = end - sim.now()
            if left <= 0:
                return results
            wait = channel.due(time.ticks_ms())
            assert wait >= 0
            sim.advance(max(min(wait, left), 1))

    def times(self, what):
        return [at - self.began for at, which in self.log if which == what]


def test_start_wait_read():
    stand = Stand()
    assert stand.channel.due(time.ticks_ms()) == 0
    assert stand.run(15_000) == [(100, (21.5,)), (10_100, (21.5,))]
    assert stand.times("start") == [0, 10_000]
    assert stand.times("read") == [100, 10_100]
    assert len(stand.built) == 1
    channel = stand.channel
    assert (channel.name, channel.qos, channel.retain) == ("air", 1, True)
    assert channel.fields == FIELDS
    assert (channel.errors, channel.error) == (0, None)


def test_without_conversion_time():
    class Quick(Driver):
        conversion_ms = 0

    stand = Stand(50, Quick)
    results = stand.run(1000)
    assert [at for at, _ in results] == list(range(0, 1001, 50)), results


def test_due_says_when():
    stand = Stand()
    channel = stand.channel
    channel.step(time.ticks_ms())
    assert channel.due(time.ticks_ms()) == 100
    sim.advance(40)
    assert channel.due(time.ticks_ms()) == 60
    assert channel.step(time.ticks_ms()) is None
    sim.advance(100)
    assert channel.due(time.ticks_ms()) == 0
    assert channel.step(time.ticks_ms()) == (21.5,)
    assert channel.due(time.ticks_ms()) == 10_000 - 140


def test_late_steps_do_not_move_the_phase():
    stand = Stand()
    channel = stand.channel
    for _ in range(50):
        channel.step(time.ticks_ms())
        sim.advance(733)  # a slow loop
    starts = stand.times("start")
    assert len(starts) == 4, starts
    for i, at in enumerate(starts):
        assert 0 <= at - i * 10_000 < 733, starts


def test_missed_slots_are_left_out():
    stand = Stand()
    stand.run(200)
    sim.advance(34_800)  # the loop hung until 35 s: three slots are gone
    stand.run(25_000)
    assert stand.times("start") == [0, 35_000, 40_000, 50_000, 60_000]


def test_conversion_longer_than_the_interval():
    class Slow(Driver):
        conversion_ms = 750

    stand = Stand(500, Slow)
    stand.run(10_000)
    starts = stand.times("start")
    assert min(gaps(starts)) >= 750, starts
    assert 9 <= len(starts) <= 14, starts


def test_the_conversion_time_begins_after_start():
    # The `now` of a step is old when another channel has blocked before, or start() itself blocks.
    class Blocking(Driver):
        def start(self):
            super().start()
            sim.advance(250)

    stand = Stand(kind=Blocking)
    now = time.ticks_ms()
    sim.advance(500)
    stand.channel.step(now)
    stand.run(1000)
    assert stand.times("read") == [500 + 250 + 100]


def test_a_failure_is_told_and_tried_again():
    stand = Stand(60_000)
    stand.faults["build"] = OSError(19)
    results = stand.run(200_000)
    told = [at for at, _ in results]
    assert all(result == "no answer on the bus" for _, result in results)
    tries = [at - stand.began for at, _ in stand.built]
    # 1 s, doubled, up to the interval
    assert tries[:7] == [0, 1000, 3000, 7000, 15_000, 31_000, 63_000], tries
    assert gaps(tries[6:]) == [60_000] * (len(tries) - 7), tries
    # told at once, and again once an interval: at the first try after each slot
    assert told == [0, 63_000, 123_000, 183_000], told
    assert stand.channel.errors == len(tries)
    assert stand.channel.error == "no answer on the bus"


def test_longest_wait_is_5_minutes():
    stand = Stand(3_600_000)
    stand.faults["read"] = OSError(19)
    stand.run(3_000_000)
    tries = [at for at, _ in stand.built]
    waits = gaps(tries)
    assert waits[:9] == [1100, 2100, 4100, 8100, 16_100, 32_100, 64_100, 128_100, 256_100], waits
    assert waits[9:] and all(wait == 300_100 for wait in waits[9:]), waits


def test_short_intervals_are_not_retried_faster_than_every_second():
    stand = Stand(50)
    stand.faults["start"] = OSError(5)
    stand.run(10_000)
    assert len(stand.built) == 11, stand.built


def test_plugged_in_later():
    stand = Stand(60_000)
    stand.faults["build"] = OSError(5)
    assert stand.run(20_000) == [(0, "no answer on the bus")]
    stand.faults.clear()
    # the try at 31 s succeeds; then the slots are where they were
    assert stand.run(110_000) == [(31_100, (21.5,)), (60_100, (21.5,)), (120_100, (21.5,))]
    assert stand.channel.error is None
    assert stand.channel.errors == 5


def test_the_back_off_starts_anew_after_a_success():
    stand = Stand(60_000)
    stand.faults["read"] = OSError(5)
    stand.run(20_000)
    stand.faults.clear()
    stand.run(20_000)
    tries = len(stand.built)
    stand.faults["read"] = OSError(5)
    stand.run(60_000)
    again = [at for at, _ in stand.built[tries:]]
    # the first failure uses the driver that was good
    assert gaps(again)[:2] == [2100, 4100], again


def test_a_success_in_between_is_told_and_so_is_the_next_failure():
    stand = Stand(60_000)
    stand.faults["build"] = OSError(5)
    stand.run(500)
    stand.faults.clear()
    stand.run(1500)
    stand.faults["read"] = OSError(5)
    results = stand.run(62_000)
    assert [result for _, result in results] == ["no answer on the bus"], results


def test_another_failure_is_told_at_once():
    stand = Stand(60_000)
    stand.faults["build"] = OSError(5)
    stand.run(500)
    stand.faults.clear()
    stand.faults["read"] = OSError(5, "checksum")
    results = stand.run(10_000)
    assert [result for _, result in results] == ["checksum"], results


def test_the_driver_is_built_anew_after_each_failure():
    for what in ("start", "read"):
        stand = Stand()
        stand.run(500)
        stand.faults[what] = OSError(5)
        stand.run(10_000)
        stand.faults.clear()
        stand.run(10_000)
        assert len(stand.built) > 1, what


def test_a_stuck_bus_is_said_to_build():
    for code in (110, 116):
        stand = Stand()
        stand.run(500)
        stand.faults["start"] = OSError(code)
        results = stand.run(9500)
        assert [result for _, result in results] == ["timed out"]
        stand.faults.clear()
        stand.run(1000)
        assert stand.built[-1][1] is True
    stand = Stand()
    stand.faults["start"] = OSError(19)
    stand.run(2000)
    assert [stuck for _, stuck in stand.built] == [False, False]


def test_texts():
    for error, expected in (
        (OSError(19), "no answer on the bus"),
        (OSError(5), "no answer on the bus"),
        (OSError(110), "timed out"),
        (OSError(116), "timed out"),
        (OSError(5, "checksum"), "checksum"),
        (OSError(12), "error 12"),
        (OSError(), "error None"),
        (ValueError("bad SCL pin"), "bad SCL pin"),
    ):
        stand = Stand()
        stand.faults["build"] = error
        assert stand.run(0) == [(0, expected)], error


def test_a_bug_is_not_a_failed_sensor():
    for error in (TypeError("bug"), KeyError("bug"), MemoryError(), Exception("bug")):
        stand = Stand()
        stand.faults["read"] = error
        try:
            stand.run(1000)
        except Exception as e:
            assert e is error, e
        else:
            raise AssertionError("hidden")


def test_a_driver_may_have_nothing_to_say():
    class Silent(Driver):
        conversion_ms = 0
        said = [None, (1.0,), None]

        def read(self):
            self.note("read")
            return self.said.pop(0)

    stand = Stand(1000, Silent)
    assert stand.run(2000) == [(1000, (1.0,))]
    assert stand.times("read") == [0, 1000, 2000]


class Button(Driver):
    """Reports at once what `moves` says, and otherwise at each slot."""

    conversion_ms = 0
    poll_ms = 25
    moves = []

    def changed(self, now):
        if self.moves and self.moves[0] <= sim.now():
            self.moves.pop(0)
            return True
        return False

    def read(self):
        return (True,)


def test_changes_are_read_at_once_and_slots_as_ever():
    stand = Stand(10_000, Button)
    Button.moves[:] = [stand.began + ms for ms in (310, 4990, 12_000)]
    at = [at for at, _ in stand.run(25_000)]
    assert at == [0, 325, 5000, 10_000, 12_000, 20_000], at
    assert stand.channel.due(time.ticks_ms()) == 25


class Slow(Driver):
    """Says at each `ready` what `waits` holds: milliseconds, or a failure; when it is empty, 0."""

    waits = []

    def ready(self):
        self.note("ready")
        wait = self.waits.pop(0) if self.waits else 0
        if isinstance(wait, Exception):
            raise wait
        return wait


def test_ready_is_asked_after_the_conversion_and_again_as_it_says():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [30, 1, 250]
    assert stand.run(9000) == [(381, (21.5,))]
    assert stand.times("start") == [0]
    assert stand.times("ready") == [100, 130, 131, 381]
    assert stand.times("read") == [381]


def test_due_is_what_ready_said():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [30]
    channel = stand.channel
    channel.step(time.ticks_ms())
    sim.advance(100)
    assert channel.step(time.ticks_ms()) is None
    assert channel.due(time.ticks_ms()) == 30
    sim.advance(10)
    assert channel.step(time.ticks_ms()) is None  # too early: not asked
    assert stand.times("ready") == [100]
    assert channel.due(time.ticks_ms()) == 20


def test_ready_at_once_without_conversion_time():
    class Quick(Slow):
        conversion_ms = 0

    stand = Stand(kind=Quick)
    Slow.waits[:] = []
    assert stand.channel.step(time.ticks_ms()) == (21.5,)
    assert stand.times("ready") == [0]


def test_what_ready_waits_for_does_not_move_the_slots():
    stand = Stand(1000, Slow)
    Slow.waits[:] = [1500]
    assert [at for at, _ in stand.run(4500)] == [1600, 1701, 2100, 3100, 4100]
    assert stand.times("start") == [0, 1601, 2000, 3000, 4000]  # the slot at 1000 was missed


def test_ready_gives_up():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [5, OSError(5, "chip stays busy")]
    assert stand.run(3000) == [(105, "chip stays busy"), (1205, (21.5,))]
    # It was not read, and its driver was built anew.
    assert stand.times("read") == [1205]
    assert len(stand.built) == 2


def test_a_bus_that_times_out_in_ready_is_said_to_build():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [OSError(110)]
    assert stand.run(2000)[0] == (100, "timed out")
    assert stand.built[-1][1] is True


def test_a_rebuilt_driver_may_have_no_ready():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [OSError(5)]
    stand.run(500)
    stand.kind = Driver
    assert stand.run(1500)[-1] == (1200, (21.5,))


def test_soon_is_a_reading_besides_those_of_the_slots():
    stand = Stand()
    stand.run(3000)
    stand.channel.soon(time.ticks_ms())
    assert stand.channel.due(time.ticks_ms()) == 0
    assert [at for at, _ in stand.run(20_000)] == [3100, 10_100, 20_100]


def test_soon_at_the_time_of_a_slot_is_that_slot():
    stand = Stand()
    stand.run(9999)
    sim.advance(1)
    stand.channel.soon(time.ticks_ms())
    assert [at for at, _ in stand.run(10_200)] == [10_100, 20_100]


def test_soon_asked_often_is_one_reading():
    stand = Stand()
    stand.run(3000)
    for _ in range(5):
        stand.channel.soon(time.ticks_ms())
    stand.run(100)
    stand.channel.soon(time.ticks_ms())
    assert stand.times("start") == [0, 3000]
    stand.run(100)
    assert stand.times("start") == [0, 3000, 3100]


def test_soon_does_not_disturb_a_conversion():
    stand = Stand()
    stand.channel.step(time.ticks_ms())
    sim.advance(40)
    stand.channel.soon(time.ticks_ms())
    assert stand.channel.due(time.ticks_ms()) == 60
    assert [at for at, _ in stand.run(10_100)] == [100, 10_100]


def test_soon_does_not_shorten_what_ready_said():
    stand = Stand(kind=Slow)
    Slow.waits[:] = [500]
    stand.run(200)
    stand.channel.soon(time.ticks_ms())
    assert stand.run(1000) == [(600, (21.5,))]
    assert stand.times("ready") == [100, 600]


def test_soon_does_not_shorten_a_conversion_that_ends_with_the_slot():
    stand = Stand(1000, Slow)
    Slow.waits[:] = [900]
    stand.run(500)
    stand.channel.soon(time.ticks_ms())
    assert stand.channel.due(time.ticks_ms()) == 500


def test_soon_does_not_shorten_the_wait_after_a_failure():
    stand = Stand(60_000)
    stand.faults["build"] = OSError(19)
    stand.run(3500)
    tries = len(stand.built)
    for _ in range(10):
        stand.channel.soon(time.ticks_ms())
        stand.run(100)
    assert len(stand.built) == tries == 3, stand.built


def test_soon_before_the_first_step_changes_nothing():
    stand = Stand()
    stand.channel.soon(time.ticks_ms())
    assert [at for at, _ in stand.run(10_200)] == [100, 10_100]


def test_a_failure_of_soon_is_told_when_it_is_new():
    stand = Stand()
    stand.run(3000)
    stand.faults["read"] = OSError(5)
    stand.channel.soon(time.ticks_ms())
    # Told at once; tried again after 1, 2, 4 s, and told of the slot that is reached meanwhile.
    assert stand.run(9000) == [(3100, "no answer on the bus"), (10_400, "no answer on the bus")]


class Processed:
    """A Process that adds 1, and fails on request."""

    def __init__(self):
        self.resets = 0
        self.fault = None

    def apply(self, values):
        if self.fault:
            raise self.fault
        return tuple([value + 1 for value in values])

    def reset(self):
        self.resets += 1


def test_what_is_read_is_processed():
    stand = Stand()
    process = stand.channel.process = Processed()
    assert stand.run(500) == [(100, (22.5,))]
    assert process.resets == 0


def test_a_change_is_processed_too():
    stand = Stand(10_000, Button)
    stand.channel.process = Processed()
    Button.moves[:] = [stand.began + 310]
    assert stand.run(1000) == [(0, (2,)), (325, (2,))]


def test_a_driver_that_failed_is_not_asked_for_changes():
    stand = Stand(10_000, Button)
    Button.moves[:] = []
    stand.run(9000)
    stand.faults["start"] = OSError(5)
    Button.moves[:] = [stand.began + 10_500]
    assert stand.run(1900) == [(10_000, "no answer on the bus")]
    stand.faults.clear()
    assert stand.run(1000) == [(11_000, (True,)), (11_025, (True,))]


def test_nothing_is_not_processed():
    class Silent(Driver):
        def read(self):
            return None

    stand = Stand(kind=Silent)
    stand.channel.process = Processed()
    assert stand.run(500) == []


def test_a_failure_resets_the_process():
    for what in ("start", "read", "build"):
        stand = Stand()
        process = stand.channel.process = Processed()
        stand.faults[what] = OSError(5)
        assert stand.run(500)[0][1] == "no answer on the bus"
        assert process.resets == 1, what


def test_what_the_process_refuses_is_a_failure():
    stand = Stand()
    process = stand.channel.process = Processed()
    process.fault = OSError(5, "temperature is beyond all numbers, check calibrate")
    assert stand.run(500) == [(100, "temperature is beyond all numbers, check calibrate")]
    assert stand.channel.errors == 1 and process.resets == 1
    process.fault = None
    assert stand.run(1000) == [(1200, (22.5,))]
    assert stand.channel.error is None


def test_days_on_end():
    # Ticks wrap after 12.4 days: every reading is there, and in its place.
    hours_6 = 6 * 3_600_000
    stand = Stand(hours_6)
    results = stand.run(30 * 4 * hours_6)
    assert [at for at, _ in results] == [i * hours_6 + 100 for i in range(120)], results


def test_one_that_fails_for_ever_keeps_no_memory():
    import gc

    def build(stuck):
        raise OSError(19)  # a new one each time: an exception keeps where it was raised

    stand = Stand(1000)
    stand.channel._build = build

    def allocated():
        for _ in range(100):
            stand.run(10_000)
        gc.collect()
        return gc.mem_alloc()

    allocated()
    before = allocated()
    after = allocated()
    assert after <= before, (before, after)


def test_a_quantity_that_was_not_measured_is_told_beside_the_others():
    class Half(Driver):
        def read(self):
            return (21.5, None)

    stand = Stand(kind=Half)
    stand.channel.fields = (("temperature", 2), ("gas_resistance", 0))
    results = stand.run(1000)
    assert [result for _, result in results] == [(21.5, None)], results
    assert stand.channel.error == "gas_resistance was not measured"
    assert stand.channel.errors == 0
    Half.read = lambda self: (21.5, 7)
    stand.run(10_000)
    assert stand.channel.error is None


def test_a_quantity_that_comes_and_goes_is_a_change():
    from firmware.sensors.change import Change

    change = Change([0.5, 10], 3_600_000)
    for reading, passes in (
        ((21.5, 100), True),
        ((21.5, 105), False),
        ((21.5, None), True),
        ((21.6, None), False),
        ((21.6, 105), True),
    ):
        assert change.passes(0, reading) is passes, reading
        if passes:
            change.delivered(0, reading)
