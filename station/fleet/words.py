"""How long something takes, in words."""

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def lasting(ms: float) -> str:
    """Return `3 hours` of milliseconds, in the largest unit of which there are two, or one."""
    seconds = max(0, round(ms / 1000))
    for size, unit in _UNITS:
        if seconds >= 2 * size or size == 1:
            count = seconds // size
            return f"{count} {unit}" + ("" if count == 1 else "s")
    raise ValueError(ms)


def plain(text: str, most: int = 400) -> str:
    """Return a text of a stranger's as one line that a terminal takes as letters alone."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"
