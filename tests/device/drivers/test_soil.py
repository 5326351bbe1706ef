"""Soil moisture sensors, over the simulated ADC and with made-up voltages."""

import stand
from chipstand import Level, failure, volts

import sim
from drivers.soil import Soil

BOARDS = ("esp32", "pico_w")


def test_between_dry_and_wet():
    for raw, expected in (
        (43000, 0.0),
        (30500, 50.0),
        (18000, 100.0),
        (46000, 0.0),  # drier than dry
        (15000, 100.0),
    ):
        moisture, voltage = Soil(Level(volts(raw)), volts(43000), volts(18000)).read()
        assert abs(moisture - expected) < 0.001 and type(moisture) is float, (raw, moisture)
        assert 0.0 <= moisture <= 100.0
        assert abs(voltage - volts(raw)) < 0.000001, voltage


def test_one_that_gives_more_when_it_is_wet():
    for level, expected in ((0.5, 0.0), (0.9, 0.0), (1.0, 5.0), (1.9, 50.0), (2.9, 100.0)):
        moisture, _ = Soil(Level(level), 0.9, 2.9).read()
        assert abs(moisture - expected) < 0.001, (level, moisture)


def test_nothing_is_connected():
    for raw in (0, 999, 64001, 65535):
        assert failure(Soil(Level(volts(raw))).read) == "no sensor at the pin", raw
    for level in (0.142, 0.3999, 3.1001):  # 0.142 V: an ESP32 at 0 V
        assert failure(Soil(Level(level)).read) == "no sensor at the pin", level
    assert Soil(Level(0.4)).read() == (100.0, 0.4)
    assert Soil(Level(3.1)).read() == (0.0, 3.1)


def test_one_that_gives_all_there_is():
    # two electrodes and a resistor: nothing when it is dry, up to the supply when it is wet
    assert Soil(Level(0.0), 0, 3.3).read() == (0.0, 0.0)
    assert Soil(Level(3.3), 0, 3.3).read() == (100.0, 3.3)
    assert Soil(Level(3.3), 3.3, 1.0).read() == (0.0, 3.3)
    assert failure(Soil(Level(0.1), 3.3, 1.0).read) == "no sensor at the pin"


def test_dry_that_is_wet():
    try:
        Soil(Level(1.0), 2.0, 2.0)
    except ValueError as e:
        assert "dry_v and wet_v are the same" in str(e), e
    else:
        raise AssertionError("no ValueError")


def test_the_mean_of_many():
    class Noise:
        i = 0

        def read_uv(self):
            self.i += 1
            return (1000000, 2000000)[self.i & 1]

    assert Soil(Noise()).read()[1] == 1.5


def test_on_the_simulated_board():
    import chips

    from firmware.hardware.board import Board

    sim.no_stand()
    sim.virtual()
    pin = 34 if sim.ESP32 else 26
    setting = {"type": "soil", "name": "pot", "pin": pin, "dry_v": 2.3, "wet_v": 1.1}
    chips.attach(setting, stand.the_world(), sim)
    driver = Soil(Board().adc(pin), 2.3, 1.1)
    for share in (0.0, 0.37, 1.0):
        stand.the_world().set("pot", {"moisture": share})
        moisture, voltage = driver.read()
        assert abs(moisture - share * 100) < 1.5, (share, moisture)
        assert abs(voltage - (2.3 - 1.2 * share)) < 0.015, voltage
