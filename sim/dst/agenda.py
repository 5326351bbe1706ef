"""What is to happen to the board in this life: when it ends, nothing of it is left."""

import sim

_timers = []


def plan(ms, function):
    """Have function() called in so many ms. None: nothing is to happen."""
    if function:
        _timers.append(sim.after(ms, function))


def clear():
    """The board has ended."""
    for timer in _timers:
        sim.cancel(timer)
    _timers.clear()


def later(ms, function, *args):
    """Have something end by itself, also when the board has been restarted meanwhile."""
    sim.after(ms, lambda: function(*args))
