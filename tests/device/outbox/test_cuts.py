"""The power is cut before, in and after every block write and erase of an outbox's life: nothing is lost, nothing invented."""

from power import Life, sweep

HEAP = "16m"  # the flash, and what it was at every moment, are in RAM here
BOARDS = ("esp32", "pico_w")
TIMEOUT = 110
SLOW = True


def check(life):
    operations, cuts = sweep(life)
    print(operations, "operations,", cuts, "cuts,", life.restarts, "restarts,", life.id, "records")
    assert operations > 200 and life.restarts and life.id > 100


def test_the_power_fails_at_every_moment():
    check(Life(seed=1, steps=260))


def test_the_power_fails_at_every_moment_when_nothing_is_in_ram_only():
    check(Life(seed=2, steps=170, sync_ms=0))
