"""HC-SR04 behind the simulated pins, and with made-up pulses."""

import time

import machine
from chips import hcsr04 as chips
from chipstand import failure

import sim
from drivers.hcsr04 import HCSR04
from firmware.hardware.board import Board
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

TRIGGER, ECHO = 18, 19
RANGE = "reading out of the chip's range"


class Stand:
    def __init__(self, air_c=20):
        sim.no_stand()
        sim.echo_devices.clear()
        sim.virtual()
        self.air = (150.0, 20.0)
        self.chip = chips.Chip(sim, lambda: self.air)
        sim.echo_attach(TRIGGER, ECHO, self.chip, "tank")
        self.echo = Board().echo(TRIGGER, ECHO)
        self.driver = HCSR04(self.echo, air_c)


def measure(driver):
    driver.start()
    wait = driver.conversion_ms
    while True:
        sim.advance(wait)
        wait = driver.ready()
        if not wait:
            return driver.read()


def pulses(*us, air_c=20):
    """What the driver makes of three such pulses."""
    stand = Stand(air_c)
    stand.chip.pulses = list(us)
    values = measure(stand.driver)
    assert stand.chip.asked == 3 and not stand.chip.pulses
    return values


def test_vectors():
    # at 343 m/s: 19.3 °C
    for us, cm in ((580, 9.947), (1166, 19.997), (23200, 397.9)):
        (got,) = pulses(us, us, us, air_c=19.307)
        assert abs(got - cm) < 0.02 and type(got) is float, (us, got)


def test_the_speed_of_sound_is_that_of_the_air():
    for air_c, cm in ((-20, 159.59), (0, 165.65), (20, 171.71), (40, 177.77)):
        (got,) = pulses(10000, 10000, 10000, air_c=air_c)
        assert abs(got - cm) < 0.01, (air_c, got)


def test_distances():
    stand = Stand()
    for cm in (2.1, 10.0, 150.0, 399.5):
        stand.air = (cm, 20.0)
        (got,) = measure(stand.driver)
        assert abs(got - cm) < 0.05, (cm, got)


def test_one_stray_ping_of_three_does_no_harm():
    for us in (100, 5000, 37000, 38000):
        for place in range(3):
            three = [10000, 10010]
            three.insert(place, us)
            (got,) = pulses(*three)
            assert 171.7 <= got <= 171.9, three


def test_no_echo():
    for us in ((38000, 38000, 38000), (38000, 10000, 38000), (60000, 60000, 10000)):
        assert failure(pulses, *us) == "no echo", us
    stand = Stand()
    stand.air = (450.0, 20.0)
    assert failure(measure, stand.driver) == "no echo"
    stand.chip.hangs = True
    assert failure(measure, stand.driver) == "no echo"


def test_the_codes_of_time_pulse_us():
    class Echo:
        def __init__(self, *us):
            self.us = list(us)

        def ping(self):
            return self.us.pop(0)

    for us in ((-1, -1, -1), (-2, -2, -2), (-1, 10000, -2), (38000, -1, 10000)):
        assert failure(measure, HCSR04(Echo(*us))) == "no echo", us
    assert measure(HCSR04(Echo(-2, 10000, 10000)))[0] > 171


def test_out_of_range():
    assert failure(pulses, 100, 100, 100) == RANGE  # 1.7 cm
    assert failure(pulses, 23400, 23400, 23400) == RANGE  # 401.8 cm
    assert failure(pulses, 0, 0, 0) == RANGE
    assert failure(pulses, 37999, 37999, 37999) == RANGE


def test_not_connected():
    stand = Stand()
    sim.unplugged.add("tank")
    assert failure(measure, stand.driver) == "no echo"
    sim.unplugged.clear()
    sim.stuck.add(ECHO)
    assert failure(measure, stand.driver) == "no echo"


def test_echo_is_held_high():
    stand = Stand()
    sim.echo_devices.clear()
    sim.pin(ECHO).drive(1)
    assert stand.echo.ping() == -1
    assert failure(measure, stand.driver) == "no echo"


def test_pings_are_60_ms_apart():
    stand = Stand()
    driver = stand.driver
    for _ in range(3):
        driver.start()
        assert driver.ready() > 0
        driver.ready()  # asked too early
        driver.start()  # begun anew
        measure(driver)
        sim.advance(100)
    assert stand.chip.asked == 3 * 4  # none in vain
    stand.air = (20.0, 20.0)
    for pause in (0, 1, 59, 60, 61):
        sim.advance(pause)
        assert abs(measure(driver)[0] - 20.0) < 0.05, pause


def test_no_call_takes_long():
    stand = Stand()
    for cm, most in ((150.0, 12), (399.0, 26), (500.0, 42)):
        stand.air = (cm, 20.0)
        for hangs in (False, True):
            stand.chip.hangs = hangs
            stand.driver.start()
            wait = 1
            while wait:
                began = sim.now()
                wait = stand.driver.ready()
                assert sim.now() - began <= most, cm
                sim.advance(wait)


def test_through_a_channel():
    stand = Stand()
    channel = Channel(
        "tank", lambda stuck: HCSR04(stand.echo), (("distance", "cm", None, 1),), 200
    )
    results = []
    while sim.now() < 4000:
        if sim.now() > 1000:
            sim.unplugged.add("tank")
        if sim.now() > 2000:
            sim.unplugged.clear()
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        sim.advance(max(channel.due(time.ticks_ms()), 1))
    assert "no echo" in results and results.index("no echo") == 5, results
    assert isinstance(results[-1], tuple) and len(results) >= 10, results
    for result in results:
        assert result == "no echo" or abs(result[0] - 150.0) < 0.05, results


# ---- the simulated sensor ---------------------------------------------------------------------------------------


def test_a_short_trigger_is_none():
    stand = Stand()
    pin = machine.Pin(TRIGGER, machine.Pin.OUT, value=0)
    echo = machine.Pin(ECHO, machine.Pin.IN)
    for us, answers in ((0, False), (9, False), (10, True)):
        sim.advance(100)
        pin.value(1)
        time.sleep_us(us)
        pin.value(0)
        assert (machine.time_pulse_us(echo, 1, 40000) > 0) is answers, us
    assert stand.chip.asked == 1


def test_it_does_not_answer_within_60_ms():
    stand = Stand()
    assert stand.echo.ping() > 0
    sim.advance(40)
    assert stand.echo.ping() == -2
    sim.advance(60)
    assert stand.echo.ping() > 0
