"""Numbers that somebody types: what is none, or cannot be meant, is answered by what would be right."""

import argparse
import math


def whole(least):
    """Return a type for argparse: whole numbers from `least` on."""

    def number(text):
        try:
            n = int(text)
        except ValueError:
            n = None
        if n is None or n < least:
            raise argparse.ArgumentTypeError(f"give a whole number from {least} on, not {text!r}")
        return n

    return number


def seconds(text):
    """A type for argparse: seconds, more than none."""
    try:
        n = float(text)
    except ValueError:
        n = 0
    if not (n > 0 and math.isfinite(n)):
        raise argparse.ArgumentTypeError(f"give seconds as a number above 0, not {text!r}")
    return n
