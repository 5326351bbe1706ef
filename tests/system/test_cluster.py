"""`make cluster`: three real NATS servers, a simulated node, two collectors; one server dies, one is cut off, one is restarted."""

import re
import sqlite3
from contextlib import ExitStack, closing

import pytest

from station.cluster import command, nats, proof
from tools import CommandError
from tools.__main__ import answered

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    try:
        nats.program()
    except CommandError as e:
        pytest.skip(str(e))
    with ExitStack() as stack:
        yield proof.Stand(tmp_path_factory.mktemp("cluster"), 1, stack)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strike", [proof.dies, proof.is_cut_off, proof.is_restarted])
def test_nothing_is_lost_or_doubled_when_the_server_of_the_node_fails(stand, strike):
    before = sum(stand.taken().values())
    strike(stand, stand.server_of_the_node(), 8)
    counted = stand.count()
    assert counted.taken > before
    assert counted.kept, counted
    for (
        server
    ) in stand.cluster.servers:  # else one of the three could be the only one with something
        assert "with replicas 2" not in (server.folder / "log").read_text()


@pytest.mark.timeout(300)
def test_what_is_missing_or_there_twice_is_counted(stand, monkeypatch):
    """In a copy of a store, so that the count is seen to fail."""
    counted = stand.count()
    copy = stand.folder / "copy.sqlite"
    with closing(sqlite3.connect(stand.stores[0])) as db, closing(sqlite3.connect(copy)) as other:
        db.backup(other)
    with closing(sqlite3.connect(copy)) as db:
        ((seq,),) = db.execute("select min(seq) + 1 from reading").fetchall()
        db.execute("update reading set seq = ?, life = 2 where seq = ?", (seq - 1, seq))
        db.commit()
    monkeypatch.setattr(stand, "stores", [copy])
    monkeypatch.setattr(proof, "_PATIENCE_S", 0)
    assert counted.kept
    assert not stand.count().kept
    assert (stand.count().lost, stand.count().twice) == ([1], [1])


def test_a_fault_that_there_is_not(capsys):
    assert answered(lambda: command._chosen("kill,fire")) == 2
    assert re.search(
        r"FAULTS=fire is no fault: give some of kill,partition,restart",
        "".join(capsys.readouterr()),
    )
