"""Calibration, filters and what is derived."""

import math

from chipstand import failure

from firmware.sensors.derived import DERIVED, absolute_humidity, dew_point, sea_level_pressure
from firmware.sensors.process import Process

ONE = ("temperature",)
PLAIN = {"points": (), "scale": 1, "offset": 0}
OPEN = {"median": 1, "average": 1, "min": None, "max": None}


def points(*pairs):
    return [{"reads": reads, "is": true} for reads, true in pairs]


def calibrated(value, **settings):
    return Process(ONE, {"temperature": dict(PLAIN, **settings)}, {}).apply((value,))[0]


def filtered(values, **settings):
    process = Process(ONE, {}, {"temperature": dict(OPEN, **settings)})
    return [process.apply((value,))[0] for value in values]


def near(value, wanted, tolerance=0.001):
    assert isinstance(value, float) and abs(value - wanted) <= tolerance, (value, wanted)


def test_scale_then_offset():
    near(calibrated(10.0, scale=2), 20.0)
    near(calibrated(10.0, offset=-1.5), 8.5)
    near(calibrated(10.0, scale=2, offset=1), 21.0)  # not 22


def test_points_then_scale_and_offset():
    line = points((0, 0), (100, 50))
    near(calibrated(40.0, points=line), 20.0)
    near(calibrated(40.0, points=line, scale=10, offset=1), 201.0)


def test_lines_between_the_points_and_beyond():
    bent = points((0, 10), (10, 20), (30, 30), (40, 130))
    for value, wanted in (
        (0.0, 10.0),  # on a point it is what that says
        (10.0, 20.0),
        (30.0, 30.0),
        (40.0, 130.0),
        (5.0, 15.0),
        (20.0, 25.0),
        (35.0, 80.0),
        (-5.0, 5.0),  # beyond the ends the outer lines go on
        (50.0, 230.0),
    ):
        near(calibrated(value, points=bent), wanted)


def test_points_may_fall():
    near(calibrated(25.0, points=points((10, 100), (40, 40))), 70.0)


def test_a_plain_calibration_changes_nothing():
    assert calibrated(21.37) == 21.37


def test_each_quantity_has_its_own():
    process = Process(
        ("temperature", "humidity", "pressure"),
        {"humidity": dict(PLAIN, offset=3), "pressure": None},
        {"temperature": dict(OPEN, max=20), "humidity": None},
    )
    assert process.apply((25.0, 40.0, 1000.0)) == (20.0, 43.0, 1000.0)


def test_median():
    # the middle one; of the first even numbers of readings the mean of the two middle ones
    assert filtered([1.0, 100.0, 2.0, 3.0, 4.0], median=3) == [1.0, 50.5, 2.0, 3.0, 3.0]
    assert filtered([4.0, 1.0, 9.0, 2.0, 0.0], median=4) == [4.0, 2.5, 4.0, 3.0, 1.5]


def test_average():
    assert filtered([1.0, 2.0, 6.0, 10.0], average=3) == [1.0, 1.5, 3.0, 6.0]
    assert filtered([1.0, 3.0, 5.0], average=2) == [1.0, 2.0, 4.0]


def test_the_average_is_of_the_medians():
    # medians 1, 50.5, 2, 3: the outlier is gone before the mean
    assert filtered([1.0, 100.0, 2.0, 3.0], median=3, average=2) == [1.0, 25.75, 26.25, 2.5]


def test_filters_see_calibrated_values():
    process = Process(
        ONE, {"temperature": dict(PLAIN, scale=10)}, {"temperature": dict(OPEN, max=30)}
    )
    assert process.apply((2.0,)) == (20.0,)
    assert process.apply((4.0,)) == (30.0,)


def test_bounds_come_last_and_are_no_part_of_the_window():
    assert filtered([-5.0, 0.5, 20.0], min=0, max=10) == [0.0, 0.5, 10.0]
    assert filtered([20.0, 0.0], average=2, max=8) == [8.0, 8.0]  # 20, then the mean of 20 and 0


def test_numbers_keep_their_type():
    # "min": 0 is a whole number, and yet 0.0 is published.
    for value in filtered([-5.0, 5.0], min=0, max=1):
        assert type(value) is float, value
    for settings in ({"scale": 1.5}, {"offset": 0.4}, {"points": points((0, 0), (10, 5))}):
        assert type(calibrated(7, **settings)) is int, settings
    assert calibrated(7, scale=1.5, offset=0.4) == 11  # 10.9
    assert filtered([400, 403, 401], median=3) == [400, 402, 401]
    assert filtered([400, 401, 402, 404], average=3) == [400, 400, 401, 402]


def test_a_large_count_stays_exact():
    # The floats of a board hold 24 bits of it, the ones here 53.
    count = (1 << 53) + 1
    assert calibrated(count) == count
    assert calibrated(count, scale=2, offset=1) == 2 * count + 1
    assert filtered([count], min=0) == [count]
    assert filtered([count, count + 2, count + 4], median=3)[2] == count + 2


def test_yes_and_no_are_left_alone():
    process = Process(
        ("open",), {"open": dict(PLAIN, offset=5)}, {"open": dict(OPEN, median=3, min=1)}
    )
    for value in (True, False, False, True):
        assert process.apply((value,))[0] is value


def test_a_window_starts_anew_after_a_failure():
    process = Process(ONE, {}, {"temperature": dict(OPEN, median=3, average=3)})
    for _ in range(5):
        process.apply((100.0,))
    process.reset()
    assert process.apply((1.0,)) == (1.0,)
    assert process.apply((2.0,)) == (1.25,)


def test_what_was_not_measured_stays_out():
    two = ("temperature", "gas_resistance")
    settings = {"gas_resistance": dict(OPEN, average=2)}
    process = Process(two, {"gas_resistance": dict(PLAIN, offset=5)}, settings)
    assert process.apply((20.0, 100.0)) == (20.0, 105.0)
    assert process.apply((21.0, None)) == (21.0, None)
    assert process.apply((22.0, 200.0)) == (22.0, 205.0)  # no mean with what was before
    process = Process(("temperature", "humidity"), {}, {})
    process.derive("dew_point", True)
    assert process.apply((20.0, None)) == (20.0, None, None)


def test_one_without_filters_can_be_reset():
    process = Process(ONE, {"temperature": PLAIN}, {})
    process.reset()
    assert process.apply((1.5,)) == (1.5,)


def test_memory_is_bounded():
    import gc

    process = Process(ONE, {}, {"temperature": dict(OPEN, median=25, average=25)})

    def allocated():
        for i in range(2000):
            process.apply((i + 0.5,))
        gc.collect()
        return gc.mem_alloc()

    allocated()
    before = allocated()
    after = allocated()
    assert after <= before, (before, after)


def test_a_calibration_beyond_all_numbers_is_a_failure():
    steep = points((0, 0), (1e-300, 1e9))
    for value in (0.0, 1.0, -1.0):
        text = failure(lambda: calibrated(value, points=steep))
        assert text == "temperature is beyond all numbers, check calibrate", text


def test_what_is_derived_comes_last_and_from_processed_values():
    process = Process(
        ("temperature", "humidity", "pressure"),
        {"temperature": dict(PLAIN, offset=5), "pressure": dict(PLAIN, scale=0.01)},
        {"humidity": dict(OPEN, max=50)},
    )
    names = [
        process.derive(*each)
        for each in (("dew_point", True), ("absolute_humidity", True), ("altitude_m", 250))
    ]
    assert names == ["dew_point", "absolute_humidity", "sea_level_pressure"]
    values = process.apply((20.0, 80.0, 98745.5))
    for value, wanted in zip(values, (25.0, 50.0, 987.455, 13.852, 11.484, 1017.24)):
        near(value, wanted, 0.005)
    assert len(values) == 6


def test_dew_point_vectors():
    # Magnus with 17.62 and 243.12
    for celsius, percent, wanted in ((25.0, 50.0, 13.852), (-5.0, 80.0, -7.917)):
        near(dew_point(celsius, percent), wanted)
    for celsius in (-40.0, 0.0, 85.0, 125.0):
        near(dew_point(celsius, 100.0), celsius)  # saturated air is at its dew point


def test_absolute_humidity_vectors():
    near(absolute_humidity(25.0, 50.0), 11.484)
    assert absolute_humidity(25.0, 0.0) == 0.0


def test_sea_level_pressure_vectors():
    near(sea_level_pressure(987.455, 250), 1017.24, 0.01)
    near(sea_level_pressure(1013.25, 0), 1013.25)
    assert sea_level_pressure(1013.25, -430) < 1013.25


def test_whatever_sensors_can_give_there_is_a_number():
    for celsius in range(-45, 131):
        for percent in (0.0, 0.001, 0.1, 1.0, 50.0, 99.9, 100.0):
            point = dew_point(float(celsius), percent)
            grams = absolute_humidity(float(celsius), percent)
            assert math.isfinite(point) and math.isfinite(grams)
            assert -95 < point <= celsius + 0.01 and grams >= 0, (celsius, percent, point)
    for hpa in (300.0, 1100.0):
        for altitude_m in (-430, 0, 9000):
            assert 280 < sea_level_pressure(hpa, altitude_m) < 3700


def test_a_wrong_calibration_gives_no_impossible_air():
    # An offset makes -3 % or 103 % of humidity.
    assert dew_point(20.0, -3.0) == dew_point(20.0, 0.0)
    assert absolute_humidity(20.0, -3.0) == 0.0
    near(dew_point(20.0, 103.0), 20.0)
    assert absolute_humidity(20.0, 103.0) == absolute_humidity(20.0, 100.0)
    for function in (dew_point, absolute_humidity):
        for celsius in (-243.12, -273.15, -1e9, 1e9, 201.0):
            text = failure(function, celsius, 50.0)
            assert text.startswith("no air has this temperature"), text


def test_the_table_fits_the_functions():
    for setting, (_, function, needs, with_value) in DERIVED.items():
        values = [20.0] * len(needs) + ([20] if with_value else [])
        assert isinstance(function(*values), float), setting
