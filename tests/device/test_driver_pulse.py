"""Pulses at a simulated pin."""

import time

import machine
import sim

from drivers.pulse import Pulse

BOARDS = ("esp32", "pico_w")

PIN = 4


def make(**options):
    sim.no_bench()
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
    count, rate = driver.read()
    assert count == 3
    assert abs(rate - 3 * 0.2794 * 60) < 0.001, rate


def test_flow_meter():
    # 450 pulses a litre: 900 in 60 s are 2 L/min
    driver = make(debounce_ms=0, per_pulse=1 / 450, unit="L/min")
    pulses(900, 60)
    sim.advance(6000)
    count, rate = driver.read()
    assert count == 900
    assert abs(rate - 2.0) < 0.0001, rate


def test_energy_meter():
    # 1000 pulses a kWh, each 1 Wh: one every 3.6 s is 1000 W
    driver = make(per_pulse=1, unit="W")
    pulses(10, 3600)
    assert driver.read() == (10, 1000.0)


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
    driver._closed(None)
    micropython.heap_lock()
    try:
        for _ in range(10):
            driver._closed(None)
    finally:
        micropython.heap_unlock()
    sim.advance(1000)
    assert driver.read()[0] == 11


def test_the_counter_wraps():
    driver = make(debounce_ms=0)
    driver._pulses = driver._seen = 0x1FFFFFFE
    pulses(4, 10)
    assert driver._pulses == 2
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
