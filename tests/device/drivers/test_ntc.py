"""Thermistors, over the simulated ADC and with made-up voltages."""

from math import exp

import stand
from chipstand import Level, failure, volts

import sim
from drivers.ntc import NTC

BOARDS = ("esp32", "pico_w")

BROKEN = "thermistor shorted or not connected"


def at(volts, **settings):
    (temperature,) = NTC(Level(volts), **settings).read()
    assert type(temperature) is float
    return temperature


def test_10_kohm_to_ground():
    assert abs(at(volts(32768)) - 25.0) < 0.005
    for ohm, expected in ((32650, 0.554), (10000, 25.0), (1752, 70.13)):
        got = at(3.3 * ohm / (ohm + 10000))
        assert abs(got - expected) < 0.005, (ohm, got)


def test_to_the_supply():
    for ohm, expected in ((32650, 0.554), (10000, 25.0), (1752, 70.13)):
        got = at(3.3 * 10000 / (ohm + 10000), side="supply")
        assert abs(got - expected) < 0.005, (ohm, got)


def test_other_parts():
    # 1/T = 1/298.15 + n/B where R is e^n times R25
    for r25, series, beta, supply, n, expected in (
        (100000, 47000, 3435, 3.3, 0, 25.0),
        (100000, 47000, 3435, 3.3, 1, 1.188),
        (10000, 10000, 3435, 3.3, -1, 53.338),
        (10000, 4700, 3950, 5.0, -1, 49.342),
        (10000, 4700, 3950, 1.0, 0, 25.0),
    ):
        ohm = r25 * exp(n)
        got = at(
            supply * ohm / (ohm + series),
            supply_v=supply,
            series_ohm=series,
            r25_ohm=r25,
            beta=beta,
        )
        assert abs(got - expected) < 0.01, (n, got, expected)


def test_short_and_open_are_no_temperature():
    for side in ("ground", "supply"):
        for raw in (0, 1, 65534, 65535):
            assert failure(NTC(Level(volts(raw)), side=side).read) == BROKEN, raw
        # What an ESP32 makes of 0 and of 3.3 V would be 110 or -30 °C.
        for level in (0.142, 0.159, 3.11, 3.2, 3.3, 3.6):
            assert failure(NTC(Level(level), side=side).read) == BROKEN, level
    assert failure(NTC(Level(3.11), supply_v=5).read) == BROKEN  # the ADC ends before the supply
    assert failure(NTC(Level(0.95), supply_v=1).read) == BROKEN


def test_what_no_thermistor_has():
    # Settings of another part: never -273 °C, nor a division by zero.
    for level, settings in (
        (0.2, {"beta": 500}),
        (0.2, {"r25_ohm": 10000000, "series_ohm": 1, "beta": 500}),
        (3.0, {"r25_ohm": 1, "series_ohm": 10000000}),
        (3.0, {"r25_ohm": 1, "series_ohm": 10000000, "beta": 500}),
    ):
        assert failure(NTC(Level(level), **settings).read) == "reading out of the chip's range"


def test_all_between_is_finite_and_falls():
    last = 1000
    for mv in range(160, 3100, 7):
        got = at(mv / 1000)
        assert -60 <= got <= 200 and got < last, mv
        last = got


def test_on_the_simulated_board():
    import chips

    from firmware.hardware.board import Board

    sim.no_stand()
    sim.virtual()
    pin = 34 if sim.ESP32 else 26
    for side in ("ground", "supply"):
        sim.adc_devices.clear()
        setting = {"type": "ntc", "name": "tank", "pin": pin, "side": side}
        chips.attach(setting, stand.the_world(), sim)
        driver = NTC(Board().adc(pin), side=side)
        for celsius in (-10.0, 21.5, 60.0):
            stand.the_world().set("tank", {"temperature": celsius})
            (got,) = driver.read()
            assert abs(got - celsius) < 0.5, (celsius, got)
