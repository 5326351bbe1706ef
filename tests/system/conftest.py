"""The product whole: boot.py and main.py on a simulated board, a real mosquitto, a fault proxy between, paho beyond.

    node = nodes(broker, keepalive_s=5)          # a board with its flash, not yet powered
    node.start()
    seen.wait_for("n1/status", "online")         # what a subscriber got

Every wait has an end. What a test asserts is what a subscriber received, or what the board's console shows.
"""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from sim import certificates
from sim.broker import KEEP_ALL, Broker
from sim.proxy import Proxy
from tools import ROOT, mpy

sys.path.insert(0, str(Path(__file__).parent))

from collecting import COLLECTOR, Process, Publisher
from outside import NAME, NODE, OTHER, READER, SECRETS, Node, Seen, own_topics

# A plain kill of the test run is a Ctrl-C: boards and brokers end with it.
signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)


@pytest.fixture
def brokers(tmp_path):
    """Make brokers: password, ACL, sessions that survive a restart. Others by the arguments of sim.broker.Broker."""
    made = []

    def make(**options):
        folder = tmp_path / f"broker{len(made)}"
        options = {
            "users": dict((NODE, READER)),
            "acl": {NODE[0]: own_topics(NAME) + own_topics(OTHER), READER[0]: ("read #",)},
            "persistent": True,
        } | options
        made.append(Broker(folder, **options).start())
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def broker(brokers):
    return brokers()


@pytest.fixture
def proxy(broker):
    with Proxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def nodes(tmp_path, compiled):
    """Make nodes: nodes(config, board="esp32"). They are off, and have on their flash what `make deploy` puts there."""
    made = []

    def make(config, board="esp32", **options):
        options.setdefault("files", compiled)
        made.append(Node(tmp_path / f"node{len(made)}", config, board, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()
        console = each.log.read_text(errors="replace") if each.log.exists() else ""
        sys.stdout.write(console[-4000:])  # shown when the test failed
        for secret in SECRETS:
            assert secret not in console


@pytest.fixture
def listen():
    """Make subscribers: listen(broker)."""
    made = []

    def make(broker, **options):
        made.append(Seen(broker.port, **options).start())
        return made[-1]

    yield make
    for each in made:
        each.stop()
        for message in each.messages:
            assert not any(secret in message.text for secret in SECRETS), message.topic


@pytest.fixture
def seen(broker, listen):
    return listen(broker)


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """The device's files as they are now: what is edited meanwhile does not reach a running test."""
    folder = tmp_path_factory.mktemp("py")
    for source in mpy.sources():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, folder / source)
    return folder


@pytest.fixture(scope="session")
def compiled(once):
    """The device's files as `make deploy` puts them on a board."""
    _, folder = once("compiled", lambda folder: mpy.compile_tree(folder / "tree"))
    return folder / "tree"


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def mosquitto(tmp_path):
    """A broker whose sessions outlive it."""
    with Broker(tmp_path / "broker", persistent=True, settings=KEEP_ALL) as broker:
        yield broker


@pytest.fixture
def publisher(mosquitto):
    publisher = Publisher(mosquitto)
    yield publisher
    publisher.stop()


@pytest.fixture
def collectors(tmp_path):
    made = []

    def make(*words, **options):
        made.append(Process(tmp_path, *words, **options))
        return made[-1]

    yield make
    for each in made:
        each.end(signal.SIGKILL)
        sys.stdout.write(each.said()[-4000:])
        for _, secret in (COLLECTOR, NODE):
            assert secret not in each.said()


@pytest.fixture
def collector(collectors, mosquitto):
    return collectors(mosquitto).start()
