"""The product on the emulated Pico: the true firmware and file system, the real commands. `make test-board` runs it."""

import shutil
import sys
from pathlib import Path

import pytest

from emulator import build
from emulator.emulator import EmulatedPico
from sim.broker import Broker

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "system"))

from outside import Seen
from pico import Checkout, contents


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.board)
            # It has half the speed of a Pico, less on a busy machine, and the test that comes first deploys.
            item.add_marker(pytest.mark.timeout(900))
    # The longest first: whoever gets one of them last would keep the other processors waiting.
    items.sort(key=lambda item: item.path.stem not in ("test_tls", "test_deploy_image"))


@pytest.fixture(scope="session")
def firmware():
    """The emulated Pico is built."""
    build.build()


@pytest.fixture(scope="session")
def checkout(once):
    """What is deployed: this checkout as it was when the session began. Not to be changed."""
    _, folder = once("checkout", lambda folder: Checkout.copied(folder / "tree") and None)
    return Checkout(folder / "tree")


@pytest.fixture(scope="session")
def first_deploy(once, firmware, checkout):
    """What happened when the checkout was deployed onto an empty board: exit code, text; and the image of its flash."""

    def make(folder):
        with EmulatedPico(folder / "flash") as board:
            code, said = checkout.deploy(board)
        return {"code": code, "said": said}

    result, folder = once("deployed", make)
    return result, folder / "flash"


@pytest.fixture
def boards(tmp_path, firmware):
    """boards(flash=None, **options) -> an emulated Pico with a copy of that flash, not yet started."""
    made = []

    def make(flash=None, attach=(), **options):
        path = tmp_path / f"flash{len(made)}"
        if flash:
            shutil.copy(flash, path)
        made.append(EmulatedPico(path, attach, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def board(boards, first_deploy):
    """An emulated Pico that has the checkout on its flash, not yet started."""
    result, flash = first_deploy
    assert result["code"] == 0, result["said"]
    return boards(flash)


@pytest.fixture
def node(board):
    """The same with a modem whose network is in reach."""
    board.attach.append("modem=")
    return board


@pytest.fixture
def deployed(first_deploy):
    """{path: bytes} on the flash after the first deploy."""
    return contents(first_deploy[1])


@pytest.fixture
def changed(checkout, tmp_path):
    """A copy of the checkout that may be changed."""
    return Checkout.copied(tmp_path / "changed", checkout.folder)


@pytest.fixture
def broker(tmp_path):
    with Broker(tmp_path / "broker", persistent=True) as broker:
        yield broker


@pytest.fixture
def seen(broker):
    """A subscriber to everything."""
    seen = Seen(broker.port, user=None).start()
    yield seen
    seen.stop()
