"""The simulator finds what it is there to find: each fault of the table, planted, breaks the story that the table names, or one near it."""

import shutil

import pytest

from tools import mpy
from tools.torture import dst
from tools.torture.plants import PLANTS, plant

NEAR = 24  # seeds besides the one of the table: what else has changed has made another story of it


@pytest.fixture(scope="session")
def device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    mpy.compile_tree(folder)
    return folder


@pytest.fixture
def planted(device, tmp_path):
    def make(name):
        shutil.copytree(device, tmp_path, dirs_exist_ok=True)
        plant(name, tmp_path)
        return tmp_path

    return make


def seeds(first):
    yield (first,)
    yield tuple(range(first + 2, first + 2 + NEAR, 2))
    yield tuple(range(first + 1, first + 1 + NEAR, 2))


def found(device, first, says):
    """Does a story break as it is to?"""
    for batch in seeds(first):
        for result in dst.play(device, batch):
            if says in "\n".join(result.faults):
                return True
    return False


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PLANTS)
def test_is_found(planted, name):
    assert found(planted(name), PLANTS[name].seed, PLANTS[name].says)


@pytest.mark.parametrize("name", PLANTS)
def test_applies(planted, name):
    planted(name)
