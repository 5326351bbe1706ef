"""`make demo`'s verdict: what counts as taken, lost, twice and invented."""

import pytest

from station.demo.verdict import Row, Verdict, judge, rows
from station.messages import Reading
from station.store.contract import Batch
from station.store.sqlite import SqliteStore

BEGAN = 1_795_900_000.0
LIVES = [(BEGAN, BEGAN + 20.0), (BEGAN + 26.0, None)]


def row(boot, seq, **more):
    second = (2 if boot == 7 else 28) + seq
    told = {"life": 1, "ts": int((BEGAN + second) * 1000), "late": 0, "temperature": 20.0}
    return Row(boot, seq, **(told | more))


def true(ts, temperature):
    return temperature == 20.0 and BEGAN < ts < BEGAN + 100


ALL = [*(row(7, seq) for seq in range(1, 18)), *(row(8, seq) for seq in range(1, 6))]


def without(boot, seq):
    return [each for each in ALL if (each.boot, each.seq) != (boot, seq)]


# A table, one case a row:
# fmt: off
CASES = (
    # what came                                                                 taken arrived late lost twice invented
    ("everything",              ALL,                                            (22, 22, 0, 0, 0, 0)),
    ("late",                    [*without(7, 3), row(7, 3, late=1)],            (22, 22, 1, 0, 0, 0)),
    ("one is missing",          without(7, 3),                                  (22, 21, 0, 1, 0, 0)),
    ("the first is",            without(8, 1),                                  (22, 21, 0, 1, 0, 0)),
    ("the last of a life are",  [each for each in ALL if each[:2] < (7, 15) or each.boot == 8], (21, 19, 0, 2, 0, 0)),
    ("a whole life is",         [each for each in ALL if each.boot == 8],       (15, 5, 0, 10, 0, 0)),
    ("one came twice",          [*ALL, row(7, 3, life=2)],                      (22, 22, 0, 0, 1, 0)),
    ("with another value",      [*without(7, 3), row(7, 3, temperature=21.0)],  (22, 22, 0, 0, 0, 1)),
    ("without a time",          [*without(7, 3), row(7, 3, ts=None)],           (22, 22, 0, 0, 0, 1)),
    ("with a time from before", [*ALL, row(9, 1, ts=1000)],                     (23, 23, 0, 0, 0, 1)),
)
# fmt: on


@pytest.mark.parametrize(
    ("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_verdict(found, expected):
    assert judge(sorted(found), LIVES, true) == Verdict(*expected)
    assert judge(sorted(found), LIVES, true).kept == (expected[3:] == (0, 0, 0))


def test_what_it_reads_of_a_store(tmp_path):
    store = SqliteStore(tmp_path / "readings.sqlite", "outpost")
    store.append(
        Batch(readings=[Reading("attic", 7, 1, "room", '{"temperature":20.5}', 1000, 2000, True)])
    )
    store.close()
    assert rows(tmp_path / "readings.sqlite") == [Row(7, 1, 1, 1000, 1, 20.5)]
