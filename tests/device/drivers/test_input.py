"""Contacts and PIR sensors at a simulated pin: what is reported, and what is bounce."""

import machine

import sim
from drivers.input import Input

BOARDS = ("esp32", "pico_w")

PIN = 4


def make(level=1, pull=machine.Pin.PULL_UP, **options):
    """Return an Input whose pin is driven to level. True is reported for a low level: a button."""
    sim.no_stand()
    sim.virtual()
    sim.pin(PIN).drive(level)
    driver = Input(machine.Pin(PIN, machine.Pin.IN, pull), **options)
    driver.start()
    return driver


def poll(driver, ms):
    """Let ms pass, asking as often as the driver wants; return [(when, value), ...] of what changed."""
    import time

    began = sim.now()
    changes = []
    while True:
        if driver.changed(time.ticks_ms()):
            changes.append((sim.now() - began, driver.read()[0]))
        left = began + ms - sim.now()
        if left <= 0 and driver.poll_ms:
            return changes
        sim.advance(min(driver.poll_ms, left))


def edges(*times):
    """The level changes at each of these times from now."""
    wire = sim.pin(PIN)
    level = wire.level
    for ms in times:
        level = 1 - level
        sim.after(ms, lambda level=level: wire.drive(level))


def test_first_state_is_reported():
    driver = make()
    assert driver.read() is None  # not yet looked
    assert poll(driver, 100) == [(0, False)]
    assert driver.read() == (False,)


def test_press_and_release():
    driver = make()
    poll(driver, 0)
    edges(100, 500)
    changes = poll(driver, 1000)
    assert [value for _, value in changes] == [True, False], changes
    assert 100 <= changes[0][0] <= 140, changes
    assert 500 <= changes[1][0] <= 540, changes


def test_a_bouncing_contact_is_one_event():
    driver = make(debounce_ms=20)
    poll(driver, 0)
    edges(0, 3, 7, 12, 14)
    changes = poll(driver, 200)
    assert [value for _, value in changes] == [True], changes


def test_the_level_after_the_bounce_counts():
    # Released within the debounce time: the driver says so at its end, and does not lose it.
    driver = make(debounce_ms=50)
    poll(driver, 0)
    edges(0, 20)
    changes = poll(driver, 200)
    assert [value for _, value in changes] == [True, False], changes
    assert changes[1][0] >= 50, changes


def test_a_glitch_is_no_event():
    driver = make(debounce_ms=20)
    poll(driver, 0)
    for start in range(40):
        edges(start, start + 4)
        assert poll(driver, 100) == [], start


def test_slow_bounce_is_bounce():
    # Each level holds for 8 ms, so each would count but for the debounce time.
    driver = make(debounce_ms=50)
    poll(driver, 0)
    edges(0, 8, 16, 24, 32)
    changes = poll(driver, 300)
    assert [value for _, value in changes] == [True], changes


def test_a_press_while_the_program_was_busy():
    driver = make()
    poll(driver, 0)
    edges(50, 53, 57, 200, 203, 206)
    sim.advance(1000)  # nobody asks
    changes = poll(driver, 100)
    assert [value for _, value in changes] == [True, False], changes


def test_many_presses_while_the_program_was_busy():
    driver = make()
    poll(driver, 0)
    edges(*range(100, 2100, 100))
    sim.advance(3000)
    changes = [value for _, value in poll(driver, 100)]
    assert changes == [True, False] * 8, changes  # as many as it keeps
    edges(*range(100, 2200, 100))  # an odd number
    sim.advance(3000)
    changes = [value for _, value in poll(driver, 100)]
    assert changes[-1] is True and len(changes) == 15, changes


def test_a_glitch_while_the_program_was_busy():
    driver = make()
    poll(driver, 0)
    edges(50, 54)
    sim.advance(1000)
    assert poll(driver, 100) == []


def test_an_interrupt_in_the_middle_of_changed():
    # It comes between any two bytecodes; here while the level is compared with what was accepted.
    import time

    from drivers import input

    driver = make()
    poll(driver, 0)
    edges(100)
    sim.advance(150)
    wire = sim.pin(PIN)

    class Time:
        ticks_ms = time.ticks_ms
        armed = True

        def ticks_diff(self, end, start):
            if self.armed:
                self.armed = False
                wire.drive(1)  # a glitch begins
                driver._moved(driver._pin)
            return time.ticks_diff(end, start)

    input.time = Time()
    assert driver.changed(time.ticks_ms())
    assert not input.time.armed
    input.time = time
    assert driver.read() == (True,)
    sim.advance(1)
    wire.drive(0)  # and ends
    assert poll(driver, 200) == []


def test_without_interrupts():
    # Those can be lost: the level is looked at all the same.
    driver = make()
    poll(driver, 0)
    sim.pin(PIN).irq = None
    edges(100, 500)
    changes = [value for _, value in poll(driver, 1000)]
    assert changes == [True, False], changes


def test_debounce_0():
    driver = make(debounce_ms=0)
    poll(driver, 0)
    edges(10)
    assert [value for _, value in poll(driver, 100)] == [True]


def test_after_days_of_quiet():
    # Ticks wrap after 12.4 days; a difference of more than 6.2 looks negative.
    driver = make()
    for days in (5, 7, 10, 12):
        poll(driver, 0)
        for _ in range(days):
            sim.advance(86_400_000)
            driver._busy = False
        edges(100, 300)
        changes = [value for _, value in poll(driver, 1000)]
        assert changes[-2:] == [True, False], (days, changes)


def test_kinds():
    for kind, pull, level, expected in (
        ("button", "up", 0, True),
        ("button", "up", 1, False),
        ("button", "down", 1, True),
        ("button", "down", 0, False),
        ("button", None, 0, True),
        ("contact", "up", 0, True),
        ("contact", "down", 0, False),
        ("reed", "up", 0, False),
        ("reed", "up", 1, True),
        ("reed", "down", 0, True),
        ("pir", "up", 1, True),
        ("pir", "down", 1, True),
        ("pir", None, 0, False),
    ):
        for invert in (False, True):
            sim.no_stand()
            sim.virtual()
            sim.pin(PIN).drive(level)
            driver = Input(machine.Pin(PIN), kind, pull, invert, warmup_s=0)
            poll(driver, 0)
            value = driver.read()[0]
            assert value is (expected != invert), (kind, pull, level, invert, value)


def test_a_pir_sensor_warms_up():
    driver = make(0, kind="pir", pull="down")
    edges(10_000, 13_000, 59_000)
    changes = poll(driver, 100_000)
    assert len(changes) == 1, changes  # it says nothing of all the false alarms
    assert changes[0][1] is True and 60_000 <= changes[0][0] <= 60_025, changes
    edges(0)
    assert [value for _, value in poll(driver, 1000)] == [False]


def test_warm_up_can_be_set():
    driver = make(0, kind="pir", warmup_s=2)
    assert poll(driver, 1999) == []
    assert poll(driver, 1) == [(1, False)]
    driver = make(warmup_s=3)
    assert poll(driver, 5000) == [(3000, False)]
