"""Where a plot has to be broken: a line over a time without readings would invent them."""

from collections.abc import Sequence
from typing import Any

# Times the usual distance of two points: less is jitter, or one reading that a filter swallowed.
_WIDE = 3


def breaks(times: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches (from, to) between neighbours that are too far apart. times: ascending, ms.

    What is usual is the distance that nine of ten stay below, so that a channel that reports changes only has few breaks.
    """
    distances = [b - a for a, b in zip(times, times[1:], strict=False)]
    if len(distances) < 2:
        return []
    usual = sorted(distances)[(len(distances) - 1) * 9 // 10]
    # Of few points one gap is a tenth already: then the shorter half says what is usual.
    if len(distances) < 20:
        usual = sorted(distances)[(len(distances) - 1) // 2]
    wide = max(usual * _WIDE, 1)
    return [
        (a, b)
        for (a, b), distance in zip(zip(times, times[1:], strict=False), distances, strict=True)
        if distance > wide
    ]


def with_breaks(points: list[tuple], gaps: list[tuple[int, int]]) -> list[tuple[Any, ...]]:
    """Return points with an empty one in the middle of each gap: there a line ends."""
    empty = {a: ((a + b) // 2, None, None, None, 0) for a, b in gaps}
    found: list[tuple[Any, ...]] = []
    for point in points:
        found.append(point)
        if point[0] in empty:
            found.append(empty[point[0]])
    return found
