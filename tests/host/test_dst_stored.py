"""The simulator's checker and the collector agree on what a reading is: what its brokers took, stored, is what the chips had."""

import functools
import json
import random
import subprocess

import pytest
import stores

from station import messages
from station.store.contract import Batch, Outcome
from station.store.opening import open_store
from tools import mpy
from tools.torture import dst

CLOCK_MS = 2300  # sim/dst/truth.py


@pytest.fixture(scope="session")
def device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    mpy.compile_tree(folder)
    return folder


@functools.cache
def recorded(device, seed):
    """(messages in the order in which subscribers got them, what the checker knows of each reading)."""
    out = subprocess.check_output(
        list(map(str, dst.words(device, [seed], dst.RECORD, "-"))),
        env=dst.environment(seed),
        text=True,
        timeout=100,
    )
    lines = out.splitlines()
    result = json.loads(next(line[1:] for line in lines if line[:1] == "@"))
    assert result["faults"] == []
    return [json.loads(line[1:]) for line in lines if line[:1] == ">"], result["taken"]


def stored(store, came, chance):
    """Store messages as a collector does, in batches of any size; some come again, later."""
    total = Outcome()
    readings = []
    for topic, payload in came:
        found = messages.read("outpost", topic, payload.encode(), False, 1_796_000_000_000)
        assert not isinstance(found, messages.Bad), found
        if isinstance(found, messages.Reading):
            readings.append(found)
            if chance.random() < 0.1:
                readings.append(chance.choice(readings))
    while readings:
        size = chance.randint(1, 60)
        outcome = store.append(Batch(readings=readings[:size]))
        del readings[:size]
        total.stored += outcome.stored
        total.doubled += outcome.doubled
        total.told += outcome.told
    return total


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "timescaledb"])
@pytest.mark.parametrize("seeds", [(1, 3, 39), (2, 4, 16)], ids=["esp32", "pico_w"])
def test_what_is_stored_is_what_the_chips_had(device, seeds, kind, databases, tmp_path):
    chance = random.Random(7)
    several = 0
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        address = databases.address(kind, folder)
        store = open_store(address, "outpost")
        came, taken = recorded(device, seed)
        total = stored(store, came, chance)
        store.close()
        known = {tuple(key): rest for key, *rest in taken}
        rows = stores.rows(address, "node, boot, seq, life, channel, quantities, ts")
        assert len(rows) == len(known) == total.stored
        assert {row[:3] for row in rows} == set(known)
        assert [text for text in total.told if "new life" in text] == []
        for *key, life, channel, quantities, ts in rows:
            name, quantity, text, sent, at = known[tuple(key)]
            assert (life, name or channel) == (1, channel)
            assert json.loads(quantities) == {quantity: json.loads(text)}
            if quantity != "error":
                assert ts == sent
                assert None in (ts, at) or abs(ts - at) <= CLOCK_MS
        several += total.doubled
    assert several > 20
