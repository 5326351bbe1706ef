"""Missing readings: when somebody hears of them, and what `make gaps` lists."""

import json

import pytest

from station import __main__ as main
from station import gaps
from station.messages import Reading, State
from station.store.contract import Account, Batch
from station.store.sqlite import SqliteStore

NOW = 1_796_000_000_000


pytestmark = pytest.mark.usefixtures("own_signals")


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "r.sqlite", "outpost")
    yield store
    store.close()


def put(store, *numbers, boot=8, node="attic"):
    text = '{"temperature":20.5}'
    store.append(
        Batch([Reading(node, boot, seq, "air", text, NOW + seq, NOW, False) for seq in numbers])
    )


def health(store, node="attic", **members):
    store.append(Batch(states=[State(node, "health", json.dumps(members), NOW)]))


# (seconds, missing, explained, waiting) at each `health`, and what is told
@pytest.mark.parametrize(
    ("looks", "told"),
    [
        # 1. It stays: told once it has stayed for half a minute.
        ([(0, 3, 0, 0), (10, 3, 0, 0), (60, 3, 0, 0)], [None, None, 3]),
        # 2. `health` overtook the readings.
        ([(0, 3, 0, 0), (60, 0, 0, 0)], [None, None]),
        # 3. They wait on the node, after an outage, and come.
        ([(0, 900, 0, 900), (60, 500, 0, 500), (120, 0, 0, 0)], [None] * 3),
        # 4. They come slowly: it is not over while it fills.
        (
            [(0, 900, 0, 0), (60, 500, 0, 0), (120, 100, 0, 0), (180, 100, 0, 0)],
            [None, None, None, 100],
        ),
        # 5. The node gave them up, and said so.
        ([(0, 9, 9, 0), (60, 9, 9, 0)], [None, None]),
        # 6. Some of them.
        ([(0, 9, 4, 2), (60, 9, 4, 2)], [None, 3]),
        # 7. More while it is looked at: both are told.
        ([(0, 3, 0, 0), (60, 5, 0, 0)], [None, 5]),
    ],
    ids=range(1, 8),
)
def test_a_gap_is_told_when_it_is_one(looks, told):
    watch = gaps.Watch()
    found = [
        watch.look("attic", Account(missing, explained, waiting), 0, 1000 + at)
        for at, missing, explained, waiting in looks
    ]
    assert found == told


def test_a_gap_is_told_once_and_again_when_it_has_grown():
    watch = gaps.Watch()
    assert [watch.look("a", Account(3, 0, 0), 3, at) for at in (0, 60, 120)] == [None] * 3
    assert [watch.look("a", Account(5, 0, 0), 3, at) for at in (180, 240)] == [None, 5]


def test_nodes_are_looked_at_by_themselves():
    watch = gaps.Watch()
    assert watch.look("a", Account(3, 0, 0), 0, 0) is None
    assert watch.look("b", Account(3, 0, 0), 0, 100) is None
    assert watch.look("a", Account(3, 0, 0), 0, 110) == 3


def test_the_words_name_the_numbers(store):
    put(store, 1, 2, 6, 8)
    assert gaps.words("attic", store.account("attic"), gaps.with_gaps(store), store) == (
        "attic: 4 readings are missing that the node does not explain (boot 8: 3-5, 7)."
        " Readings of QoS 0 may be lost; others should not be"
    )


def listed(capsys, *words):
    code = main.main(["gaps", *words])
    return code, capsys.readouterr().out.splitlines()


def test_the_list(store, capsys):
    put(store, 1, 2, 6, 8)
    put(store, 1, 4, node="cellar")
    health(store, node="cellar", outbox=1, dropped=0)
    health(store, node="cellar", outbox=1, dropped=1)
    assert listed(capsys, "--store", str(store.path)) == (
        gaps.LOST,
        [
            "node    boot  life  missing  numbers",
            "attic      8     1        4  3-5, 7",
            "cellar     8     1        2  2-3",
            "attic: 4 missing: the node gave up 0, keeps 0 that wait; 4 lost",
            "cellar: 2 missing: the node gave up 1, keeps 1 that wait; 0 lost",
        ],
    )
    assert listed(capsys, "--store", str(store.path), "--node", "cellar")[0] == 0
    assert listed(capsys, "--store", str(store.path), "--node", "none") == (
        0,
        ["no number is missing"],
    )


def test_a_long_list_is_cut(store, capsys):
    put(store, *range(1, 100, 2))
    (row,) = [line for line in listed(capsys, "--store", str(store.path))[1] if " 2, 4" in line]
    assert row.endswith("2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, …")


def test_no_store(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.main(["gaps"]) == 1
    assert capsys.readouterr().err == "error: there is no readings.sqlite\n"
    assert not list(tmp_path.iterdir())
