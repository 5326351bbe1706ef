"""Numbers that somebody types: what is none, or cannot be meant, is answered by what would be right."""

import argparse
import math


def whole(least, most=None):
    """Return a type for argparse: whole numbers from `least` on, or to `most`."""
    right = f"from {least} on" if most is None else f"from {least} to {most}"

    def number(text):
        try:
            n = int(text)
        except ValueError:
            n = None
        if n is None or n < least or (most is not None and n > most):
            raise argparse.ArgumentTypeError(f"give a whole number {right}, not {text!r}")
        return n

    return number


def seconds(text):
    """A type for argparse: seconds, more than none."""
    n = _finite(text)
    if n is None or n <= 0:
        raise argparse.ArgumentTypeError(f"give seconds as a number above 0, not {text!r}")
    return n


def patience(text):
    """A type for argparse: seconds to wait for something, 0 for not at all."""
    n = _finite(text)
    if n is None or n < 0:
        raise argparse.ArgumentTypeError(f"give seconds as a number from 0 on, not {text!r}")
    return n


def _finite(text):
    try:
        n = float(text)
    except ValueError:
        return None
    return n if math.isfinite(n) else None
