"""Numbers that somebody types: what is none, or cannot be meant, is answered by what would be right."""

import argparse
import contextlib
import math
from collections.abc import Callable


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type for argparse: whole numbers from `least` on, or to `most`."""
    right = f"from {least} on" if most is None else f"from {least} to {most}"

    def number(text: str) -> int:
        with contextlib.suppress(ValueError):
            n = int(text)
            if n >= least and (most is None or n <= most):
                return n
        raise argparse.ArgumentTypeError(f"give a whole number {right}, not {text!r}")

    return number


def seconds(text: str) -> float:
    """A type for argparse: seconds, more than none."""
    n = _finite(text)
    if n is None or n <= 0:
        raise argparse.ArgumentTypeError(f"give seconds as a number above 0, not {text!r}")
    return n


def patience(text: str) -> float:
    """A type for argparse: seconds to wait for something, 0 for not at all."""
    n = _finite(text)
    if n is None or n < 0:
        raise argparse.ArgumentTypeError(f"give seconds as a number from 0 on, not {text!r}")
    return n


def _finite(text: str) -> float | None:
    try:
        n = float(text)
    except ValueError:
        return None
    return n if math.isfinite(n) else None
