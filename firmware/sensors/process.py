"""Between a driver and a reading: calibration, then filters, then what is derived.

    calibrate: {"reads", "is"} points → · scale + offset         filter: median → average → min, max

Whole numbers stay whole, yes and no are left alone, and a quantity that was not measured (None) stays out. A filter's window holds
readings, the newest first. It starts anew after a failure: readings before it say nothing about now.
"""

from errno import EIO
from math import isfinite


class Process:
    def __init__(self, quantities, calibrations, filters):
        """calibrations, filters: {quantity: settings or None} of `calibrate` and `filter` in the config."""
        self._quantities = quantities
        self._calibrations = [calibrations.get(name) for name in quantities]
        self._filters = [filters.get(name) and Filter(filters[name]) for name in quantities]
        self._derived = []  # (function, indices of its arguments, more of them)

    def derive(self, setting, value):
        """Add what a setting asks for. Return the name of the quantity."""
        from firmware.sensors.derived import DERIVED

        name, function, needs, with_value = DERIVED[setting]
        indices = [self._quantities.index(need) for need in needs]
        self._derived.append((function, indices, (value,) if with_value else ()))
        return name

    def apply(self, values):
        """Return the tuple of values to publish, those derived last. OSError: the settings make an impossible value of it."""
        result = [self._process(i, value) for i, value in enumerate(values)]
        for function, indices, more in self._derived:
            arguments = [result[i] for i in indices]
            result.append(None if None in arguments else function(*arguments, *more))
        return tuple(result)

    def _process(self, i, value):
        if value is None and self._filters[i]:
            self._filters[i].reset()
        if value is None or isinstance(value, bool):
            return value
        whole = isinstance(value, int)
        if self._calibrations[i]:
            value = calibrated(value, self._calibrations[i])
        if self._filters[i]:
            value = self._filters[i].apply(value)
        if isinstance(value, float) and not isfinite(value):
            raise OSError(EIO, self._quantities[i] + " is beyond all numbers, check calibrate")
        return round(value) if whole else float(value)  # a bound may be whole

    def reset(self):
        for each in self._filters:
            if each:
                each.reset()


def calibrated(value, settings):
    """Return what a reading means. Between two points, and beyond the outer ones, the line through the nearest two."""
    points = settings["points"]
    if points:
        i = 1
        while i < len(points) - 1 and value > points[i]["reads"]:
            i += 1
        low, high = points[i - 1], points[i]
        slope = (high["is"] - low["is"]) / (high["reads"] - low["reads"])
        value = low["is"] + (value - low["reads"]) * slope
    return value * settings["scale"] + settings["offset"]


class Filter:
    def __init__(self, settings):
        self._medians = Window(settings["median"])
        self._means = Window(settings["average"])
        self._min = settings["min"]
        self._max = settings["max"]

    def reset(self):
        self._medians.clear()
        self._means.clear()

    def apply(self, value):
        values = sorted(self._medians.add(value))
        half = len(values) // 2
        value = values[half] if len(values) & 1 else (values[half - 1] + values[half]) / 2
        values = self._means.add(value)
        if (
            len(values) > 1
        ):  # with a window of one it would be a float, which on a board holds no count above 16777216
            value = sum(values) / len(values)
        if self._min is not None:
            value = max(value, self._min)
        if self._max is not None:
            value = min(value, self._max)
        return value


class Window:
    """The last values, up to a limit."""

    def __init__(self, size):
        self._size = size
        self._values = []

    def add(self, value):
        """Return the values with this one."""
        if len(self._values) == self._size:
            self._values.pop(0)
        self._values.append(value)
        return self._values

    def clear(self):
        self._values.clear()
