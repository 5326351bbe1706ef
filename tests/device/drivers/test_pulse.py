"""Pulses at a simulated pin, and the file that keeps their count on MicroPython's own littlefs."""

import os
import time

import machine
import power
import vfs

import sim
from drivers import pulse
from drivers.pulse import Pulse

BOARDS = ("esp32", "pico_w")
HEAP = "16m"  # the flash is in RAM here, and what it was at every moment
TIMEOUT = 60

PIN = 4
PATH = "/flash/state/count-rain"
DAMAGED = "count on flash is damaged (it begins at 0)"


def make(**options):
    sim.no_stand()
    sim.virtual()
    pull = machine.Pin.PULL_DOWN if options.get("pull") == "down" else machine.Pin.PULL_UP
    driver = Pulse(machine.Pin(PIN, machine.Pin.IN, pull), **options)
    driver.start()
    assert driver.read() is None  # there is no rate yet
    return driver


def pulses(n, period_ms, closed=0):
    """n pulses in n periods, closed in the first half of each."""
    wire = sim.pin(PIN)
    for _ in range(n):
        wire.drive(closed)
        sim.advance(period_ms // 2)
        wire.drive(None)
        sim.advance(period_ms - period_ms // 2)


def test_anemometer():
    # 1 click a second is 0.6667 m/s: 37 in 60 s are 0.411 m/s
    driver = make(debounce_ms=5, per_pulse=0.6667, unit="m/s")
    pulses(37, 1000)
    sim.advance(23_000)
    count, rate = driver.read()
    assert count == 37 and type(count) is int, count
    assert abs(rate - 0.4111) < 0.0001 and type(rate) is float, rate


def test_rain_gauge():
    driver = make(per_pulse=0.2794, unit="mm/h")
    pulses(3, 1000)
    sim.advance(57_000)
    count, total, rate = driver.read()
    assert count == 3
    assert abs(total - 0.8382) < 0.0001 and type(total) is float, total  # mm
    assert abs(rate - 3 * 0.2794 * 60) < 0.001, rate


def test_flow_meter():
    # 450 pulses a litre: 900 in 60 s are 2 L/min
    driver = make(debounce_ms=0, per_pulse=1 / 450, unit="L/min")
    pulses(900, 60)
    sim.advance(6000)
    count, total, rate = driver.read()
    assert count == 900
    assert abs(total - 2.0) < 0.0001, total  # L
    assert abs(rate - 2.0) < 0.0001, rate


def test_energy_meter():
    # 1000 pulses a kWh, each 1 Wh: one every 3.6 s is 1000 W
    driver = make(per_pulse=1, unit="W")
    pulses(10, 3600)
    assert driver.read() == (10, 0.01, 1000.0)  # kWh, W


def test_no_pulse_is_lost_between_reads():
    driver = make()
    last = 0
    total = 0
    for seconds in (1, 7, 2, 30):
        pulses(seconds * 5, 200)
        total += seconds * 5
        count, rate = driver.read()
        assert count == total, (count, total)
        assert abs(rate - 300.0) < 0.001, rate  # 1/min
        last = count
    assert last == 200


def test_nothing_came():
    driver = make()
    sim.advance(60_000)
    assert driver.read() == (0, 0.0)


def test_bounce_is_one_pulse():
    driver = make(debounce_ms=20)
    wire = sim.pin(PIN)
    for ms in (0, 3, 7, 12):
        sim.after(ms, lambda: wire.drive(0))
        sim.after(ms + 1, lambda: wire.drive(None))
    sim.advance(1000)
    assert driver.read()[0] == 1
    pulses(2, 20)
    assert driver.read()[0] == 3


def test_a_pull_down_counts_rising_edges():
    driver = make(pull="down")
    wire = sim.pin(PIN)
    wire.drive(1)
    sim.advance(100)
    assert driver.read()[0] == 1
    wire.drive(None)
    sim.advance(100)
    assert driver.read()[0] == 1


def test_after_days_without_a_pulse():
    # Ticks wrap after 12.4 days; a difference of more than 6.2 looks negative.
    driver = make()
    count = 0
    for days in (5, 7, 10, 12):
        for _ in range(days):
            sim.advance(86_400_000)
            driver.read()
        pulses(2, 200)
        count += 2
        assert driver.read()[0] == count, days


def test_the_interrupt_does_not_allocate():
    # On a Pico it is a hard one: an allocation would end it for ever.
    import micropython

    driver = make(debounce_ms=0)
    closed = driver.counter.closed
    closed(None)
    micropython.heap_lock()
    try:
        for _ in range(10):
            closed(None)
    finally:
        micropython.heap_unlock()
    sim.advance(1000)
    assert driver.read()[0] == 11


def test_the_counter_wraps():
    driver = make(debounce_ms=0)
    driver.counter.pulses = driver.counter._taken = 0x1FFFFFFE
    pulses(4, 10)
    assert driver.counter.pulses == 2
    assert driver.read()[0] == 4


def test_read_twice_in_a_millisecond():
    driver = make()
    pulses(1, 100)
    assert driver.read()[0] == 1
    assert driver.read() is None
    pulses(1, 100)
    assert driver.read()[0] == 2


def test_hard_interrupts_where_there_are():
    calls = []

    class Pin:
        IRQ_FALLING, IRQ_RISING = 1, 2

        def irq(self, **options):
            calls.append(options)
            if "hard" in options and sim.ESP32:
                raise TypeError("unexpected keyword argument 'hard'")

    Pulse(Pin())
    assert ("hard" in calls[-1]) is not sim.ESP32, calls
    assert calls[-1]["trigger"] == 1, calls


def test_time_is_that_of_the_pulses():
    # The rate is over the time that passed, not over the interval that was planned.
    driver = make()
    pulses(10, 1000)
    began = time.ticks_ms()
    assert driver.read() == (10, 60.0)
    pulses(10, 500)
    assert driver.read() == (20, 120.0)
    assert time.ticks_diff(time.ticks_ms(), began) == 5000


def test_the_rate_is_of_its_unit():
    for unit, per_pulse, fields in (
        ("1/s", 1, (60, 1.0)),
        ("1/min", 1, (60, 60.0)),
        ("1/h", 1, (60, 3600.0)),
        ("km/h", 2.4 / 3600, (60, 2.4)),
        ("L/h", 0.5, (60, 30.0, 1800.0)),
    ):
        driver = make(per_pulse=per_pulse, unit=unit)
        before = driver.counter.count
        pulses(60, 1000)
        values = driver.read()
        assert values[0] == before + 60
        assert abs(values[-1] - fields[-1]) < 1e-6, values
        assert len(values) == len(fields), values


def test_a_driver_made_anew_loses_nothing():
    # A channel does so after any failure, be it that of a filter.
    driver = make()
    pulses(3, 1000)
    assert driver.read()[0] == 3
    pulses(2, 1000)
    driver = Pulse(machine.Pin(PIN, machine.Pin.IN, machine.Pin.PULL_UP))
    driver.start()
    pulses(1, 1000)
    assert driver.read() == (6, 60.0)


# ---- the count is kept ------------------------------------------------------------------------------------------


def flash(log=None):
    chip = power.Chip(log=log)
    vfs.VfsLfs2.mkfs(chip, progsize=power.PROG)
    power.mount(chip)
    return chip


def restart(chip=None):
    """The power fails between two calls."""
    if chip:
        vfs.umount("/flash")
        power.mount(chip)
    pulse._counters.clear()


def content():
    with open(PATH, "rb") as f:
        return f.read()


def failure(**options):
    try:
        make(**options)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def test_goes_on_after_a_restart():
    chip = flash()
    for n in range(1, 4):
        driver = make(path=PATH, per_pulse=0.5, unit="mm/h")
        assert driver.counter.count == (n - 1) * 5
        pulses(5, 1000)
        values = driver.read()
        assert values == (n * 5, n * 2.5, 1800.0), values
        restart(chip)
    assert "state" in os.listdir("/flash")  # it was not there
    assert os.listdir("/flash/state") == ["count-rain"]


def test_without_a_path_nothing_is_written():
    flash()
    driver = make()
    pulses(5, 1000)
    driver.read()
    assert os.listdir("/flash") == []


def test_written_only_when_it_changed():
    operations = []
    flash(lambda n, off, data: operations.append(n))
    driver = make(path=PATH)
    sim.advance(1000)
    operations.clear()
    assert driver.read() == (0, 0.0)
    assert operations == []
    pulses(1, 1000)
    driver.read()
    assert operations
    operations.clear()
    for _ in range(10):
        sim.advance(1000)
        assert driver.read() == (1, 0.0)
    assert operations == []
    restart()
    driver = make(path=PATH)
    sim.advance(1000)
    assert driver.read() == (1, 0.0)
    assert operations == []


def test_counts_exactly_beyond_small_integers():
    chip = flash()
    driver = make(path=PATH, debounce_ms=0)
    for start in ((1 << 30) - 3, (1 << 31) - 3, (1 << 53) - 3, 10**15):
        driver.counter.count = start
        pulses(7, 10)
        assert driver.read()[0] == start + 7
        restart(chip)
        driver = make(path=PATH, debounce_ms=0)
        pulses(1, 10)
        assert driver.read()[0] == start + 8


def test_what_is_no_count_is_told_and_begins_at_0():
    chip = flash()
    driver = make(path=PATH)
    pulses(12, 1000)
    assert driver.read()[0] == 12
    good = content()
    spoilt = [b"", b"12", b"\0" * len(good), b"\xff" * len(good), good[:-1], good + b"1"]
    spoilt += [b"13" + good[2:], b" " + good, b"-" + good, b"12 00000000\n"]
    for i in range(len(good)):
        spoilt.append(good[:i])
        for bit in range(8):
            spoilt.append(good[:i] + bytes((good[i] ^ 1 << bit,)) + good[i + 1 :])
    for data in spoilt:
        with open(PATH, "wb") as f:
            f.write(data)
        restart()
        assert failure(path=PATH) == DAMAGED, data
        assert content() == data  # told before it is overwritten
    pulses(2, 1000)  # counted meanwhile
    driver = make(path=PATH)
    pulses(1, 1000)
    assert driver.read()[0] == 3
    restart(chip)
    make(path=PATH)


def test_a_damaged_count_is_told_once_and_replaced():
    flash()
    os.mkdir("/flash/state")
    open(PATH, "wb").close()
    assert failure(path=PATH) == DAMAGED
    driver = make(path=PATH)
    sim.advance(1000)
    assert driver.read() == (0, 0.0)
    restart()
    make(path=PATH)


def test_a_channel_tells_it_and_counts_on():
    from firmware.sensors.channel import Channel

    flash()
    os.mkdir("/flash/state")
    open(PATH, "wb").close()
    sim.no_stand()
    sim.virtual()

    def build(stuck):
        return Pulse(machine.Pin(PIN, machine.Pin.IN, machine.Pin.PULL_UP), path=PATH)

    channel = Channel("rain", build, (("count", "", None, 0), ("rate", "", None, 3)), 10_000)
    results = []
    while sim.now() < 30_000:
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        pulses(1, 500)
    assert results[0] == DAMAGED and channel.errors == 1, results
    counts = [result[0] for result in results[1:]]
    assert counts == [20, 40], results


def fill():
    """Leave no room: neither a block, nor in the directory for another name (its blocks are in the order of the names)."""
    size = 4080  # the rest of a block points to others
    while size:
        try:
            with open("/flash/filler", "ab") as f:
                f.write(bytes(size))
        except OSError:
            size //= 2
    refused = 0
    for i in range(1000):
        try:
            with open(PATH + ".%d" % i, "wb") as f:
                f.write(bytes(20))
        except OSError:
            refused += 1
            if refused == 20:
                return
    raise AssertionError("not full")


def test_a_full_flash_loses_neither_readings_nor_the_count():
    power.BLOCKS = 24
    chip = flash()
    driver = make(path=PATH)
    pulses(3, 1000)
    assert driver.read()[0] == 3
    fill()
    kept = content()
    for n in range(20):
        pulses(10, 1000)
        values = driver.read()
        assert values == (13 + n * 10, 600.0 / 10), values
    assert content() == kept  # else nothing was tested
    driver = again()  # a channel may need it anew just then
    pulses(1, 1000)
    assert driver.read()[0] == 204
    os.remove("/flash/filler")
    with open(
        "/flash/other", "wb"
    ) as f:  # littlefs looks for free blocks again when data is written
        f.write(bytes(5000))
    sim.advance(1000)
    assert driver.read() == (204, 0.0)  # written at the next reading, though nothing was counted
    restart(chip)
    assert make(path=PATH).counter.count == 204


def again():
    return Pulse(machine.Pin(PIN, machine.Pin.IN, machine.Pin.PULL_UP), path=PATH)


def test_a_flash_that_fails():
    chip = flash()
    driver = make(path=PATH)
    pulses(3, 1000)
    assert driver.read()[0] == 3
    chip.writeblocks = lambda n, buf, off=0: -5  # EIO
    vfs.umount("/flash")
    power.mount(chip)
    pulses(3, 1000)
    assert driver.read()[0] == 6
    vfs.umount("/flash")  # it is gone altogether
    pulses(3, 1000)
    assert driver.read()[0] == 9
    del chip.writeblocks
    power.mount(chip)
    sim.advance(1000)
    assert driver.read() == (9, 0.0)
    restart(chip)
    assert make(path=PATH).counter.count == 9


UNREADABLE = "count on flash cannot be read"


def test_a_read_error_is_neither_a_missing_count_nor_a_damaged_one():
    # One EIO, and the rain of years began at 0 again: littlefs may also say that there is no such file.
    made = flash()
    make(path=PATH)
    pulses(12, 1000)
    assert again().read()[0] == 12
    seen = set()
    for n in (1, 2, 40):
        for first in range(1, 40):
            chip = power.FailingChip(made)
            restart(chip)
            chip.fail(first, n)
            failures = 0
            while True:
                try:
                    driver = make(path=PATH)
                    break
                except OSError as e:
                    assert e.args[-1] == UNREADABLE, e
                    failures += 1
                    pulses(1, 1000)  # it is counted meanwhile
            assert failures < 30
            pulses(1, 1000)
            count = driver.read()[0]
            assert count == 13 + failures, (n, first, count, failures)
            seen.add(failures)
    assert 0 in seen and len(seen) > 1, "else nothing was tested"


def test_the_power_fails_at_every_write():
    """What was published is on flash, what is there was counted: no matter where the power fails."""
    operations = []  # (block, offset, data or None: erase, published before it, counted)
    state = [0, 0]

    def log(n, off, data):
        operations.append((n, off, data, state[0], state[1]))

    chip = power.Chip(base=power.formatted(), log=log)
    power.mount(chip)
    random = power.Random(3)
    driver = make(path=PATH)
    for n in range(60):
        new = random(4)
        pulses(new, 1000)
        state[1] += new
        sim.advance(10)
        state[0] = driver.read()[0]
        if n % 9 == 8:
            restart(chip)
            driver = make(path=PATH)
            assert driver.counter.count == state[0] == state[1]
        with open("/flash/other", "wb") as f:  # others write, too
            f.write(bytes(random(900)))
    vfs.umount("/flash")
    assert len(operations) > 200, len(operations)

    chip = power.formatted()
    for n, off, data, published, counted in operations:
        for how in power.HOW:
            torn = power.Chip(base=chip)
            power._tear(torn, n, off, data, how, random)
            power.mount(torn)
            restart()
            driver = make(path=PATH)  # no OSError: it is not damaged
            assert published <= driver.counter.count <= counted, (how, published, counted)
            pulses(1, 100)
            count = driver.read()[0]
            restart(torn)
            assert make(path=PATH).counter.count == count > published
            vfs.umount("/flash")
        if data is None:
            chip.ioctl(6, n)
        else:
            chip.writeblocks(n, data, off)
