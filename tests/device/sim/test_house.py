"""The house that the simulated sensors measure: what they show together could be a real one's."""

import math

import house
from world import DEFAULTS

H = 3_600_000
DAYS = 3
NAMES = (
    "room",
    "cellar",
    "attic",
    "outside",
    "greenhouse",
    "boiler",
    "fridge",
    "battery",
    "supply",
    "solar",
)

IN_THE_ROOM = ("room", "battery", "supply")

# What each can be over some days: least, most, and the most it may move in 5 s (noise and all).
BOUNDS = {
    "temperature": (-22, 65, 0.15),
    "humidity": (3, 100, 1),
    "pressure": (97_000, 105_000, 5),
    "illuminance": (0, 55_000, 0.05),  # of what it is
    "battery": (1, 6, 0.03),
    "moisture": (0.2, 0.5, 0.004),
    "co2": (405, 1000, 12),
    "pm": (0, 20, 2.5),
    "gas": (90_000, 150_000, 2000),
    "distance": (100, 200, 1),
    "current": (-0.01, 1, 0.03),
    "uv": (0, 8, 0.3),
    "rain": (0, 15, 0.3),
    "wind": (0.5, 8, 2.5),
    "flow": (0, 10, 1),
    "load": (100, 700, 30),
}


def at(quantity, name, ms, *altitude):
    return house.measured(quantity, name, ms, *altitude)


def dew_point(name, ms):
    celsius = at("temperature", name, ms)
    gamma = math.log(at("humidity", name, ms) / 100) + 17.62 * celsius / (243.12 + celsius)
    return 243.12 * gamma / (17.62 - gamma)


def test_there_is_all_that_chips_measure():
    assert set(BOUNDS) == set(DEFAULTS)


def test_nothing_is_beyond_belief_and_nothing_jumps():
    for quantity, (low, high, most) in BOUNDS.items():
        for name in NAMES:
            for ms in range(0, DAYS * 24 * H, 1_700_000):
                one, next = at(quantity, name, ms), at(quantity, name, ms + 5000)
                assert low <= one <= high, (quantity, name, ms, one)
                moved = abs(next - one)
                if quantity == "illuminance":
                    lamp = name in IN_THE_ROOM and 130 < moved < 150
                    moved = 0 if lamp else moved / (one + 10)
                assert moved <= most, (quantity, name, ms, one, next)


def test_it_moves_and_says_the_same_when_asked_again():
    for quantity in ("temperature", "humidity", "pressure", "battery", "co2", "distance"):
        values = [at(quantity, "room", ms) for ms in range(0, 60_000, 5000)]
        assert len(set(values)) == len(values), (quantity, values)
        assert values == [at(quantity, "room", ms) for ms in range(0, 60_000, 5000)]


def test_sensors_of_one_place_agree():
    for names in (("room", "kitchen"), ("outside", "garden-2"), ("cellar", "cellar left")):
        for ms in range(0, DAYS * 24 * H, 2_900_000):
            one, other = names
            assert abs(at("temperature", one, ms) - at("temperature", other, ms)) < 0.3
            assert abs(at("humidity", one, ms) - at("humidity", other, ms)) < 1.3
            assert abs(dew_point(one, ms) - dew_point(other, ms)) < 0.5
            assert abs(at("co2", one, ms) - at("co2", other, ms)) < 10


def test_the_pressure_is_the_same_in_all_the_house():
    for ms in range(0, DAYS * 24 * H, 2_900_000):
        values = [at("pressure", name, ms) for name in NAMES]
        assert max(values) - min(values) < 15, values
    # 8.4 m a hPa near the ground
    assert abs(at("pressure", "room", 0) - at("pressure", "room", 0, 84) - 1000) < 30


def test_inside_is_not_outside():
    for ms in range(0, DAYS * 24 * H, 2_900_000):
        assert at("temperature", "room", ms) > at("temperature", "outside", ms) + 3
        assert at("co2", "room", ms) > at("co2", "outside", ms) + 40
        assert at("humidity", "outside", ms) > at("humidity", "room", ms)
        assert dew_point("room", ms) < at("temperature", "room", ms)


def test_names_are_words():
    """A bedroom is no bed of flowers."""
    assert at("temperature", "bedroom", 0) > 18
    assert at("temperature", "bed-1", 0) < 14
    assert at("temperature", "Outside (north)", 0) < 14


def test_there_are_night_and_day_and_clouds():
    for day in range(DAYS):
        midnight = (24 * day + 14) * H
        assert at("illuminance", "outside", midnight) < 1 and at("uv", "outside", midnight) < 0.01
        noon = [
            at("illuminance", "outside", (24 * day + 2) * H + ms) for ms in range(0, H, 300_000)
        ]
        assert min(noon) > 8000
    assert 100 < at("illuminance", "room", 0) < 1000
    dry = [ms for ms in range(0, 4 * H, 60_000) if not at("rain", "rain", ms)]
    wet = [ms for ms in range(0, 4 * H, 60_000) if at("rain", "rain", ms) > 3]
    assert len(dry) > len(wet) > 20

    def mean(times):
        return sum([at("illuminance", "outside", ms) for ms in times]) / len(times)

    assert mean(wet) < 0.7 * mean(dry)


def test_it_rains_when_the_board_is_switched_on():
    """`make run` shows a rain gauge, too."""
    assert at("rain", "rain", 0) > 3


def test_what_a_supply_is_by_its_name():
    assert abs(at("battery", "supply", 0) - 5.04) < 0.02
    assert 3.9 < at("battery", "battery", 0) < 4
    assert at("battery", "battery", 30 * 24 * H) < at("battery", "battery", 0) - 0.4
    sunny, dark = 2 * H, 14 * H
    assert at("current", "solar", dark) < 0.01
    assert at("current", "solar", sunny) > 0.1
