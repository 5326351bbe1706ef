"""A node on the emulated Pico with a Pico W's heap reaches its broker by TLS, with the mbedTLS of MicroPython's own build."""

import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from outside import Seen, until
from pico import CONFIG, EIGHT, TWELVE, put, put_in_slot

from emulator import build
from sim.broker import Broker
from sim.certificates import Authority
from sim.ntp import TimeServer
from tools import ROOT, mpy
from tools.boards.serialboard import BoardError, Link
from tools.image import image

NAME = "emulated"
PATIENCE_S = 300  # a handshake takes seconds on the emulated chip
RESTARTS = 10


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def broker(tmp_path, authority):
    certificate = authority.issue("broker.test", ["127.0.0.1"])
    with Broker(tmp_path / "broker", tls=certificate, persistent=True) as broker:
        yield broker


@pytest.fixture
def seen(broker, authority):
    seen = Seen(broker.port, user=None, tls={"ca_certs": str(authority.ca)}).start()
    yield seen
    seen.stop()


@pytest.fixture
def in_place(boards):
    """A board with a network and an image in its first slot, not yet started; its files are boot.py and main.py."""
    board = boards(attach=["modem="], firmware=build.PICO_W_HEAP)
    board.start()  # makes its file system
    with Link(board.url) as link:
        link.enter()
    board.stop()
    put(board.flash, {name: (ROOT / name).read_bytes() for name in mpy.STARTED})
    put_in_slot(board.flash, image.build().data)
    return board


def der(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_its_heap_is_a_pico_ws_and_it_reads_certificates_as_a_pico_w_does(boards, authority):
    board = boards(firmware=build.PICO_W_HEAP)
    board.start()
    with Link(board.url) as link:
        link.enter()
        free = link.answer("import gc\ngc.collect()\nprint('@' + repr(gc.mem_free()))")
        assert 198_000 < free < 204_000  # an official Pico W has 201,300
        link.run("import tls\ncontext = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)")
        link.run(f"context.load_verify_locations({der(authority.ca)!r})")
        with pytest.raises(BoardError, match="invalid cert"):
            link.run(f"context.load_verify_locations({authority.ca.read_bytes()!r})")


# Free, while connected: they had 87,700 and 76,800.
@pytest.mark.parametrize(
    ("sensors", "least"), [(EIGHT, 80_000), (TWELVE, 70_000)], ids=["eight", "twelve"]
)
def test_a_node_comes_back_when_its_broker_does(sensors, least, in_place, broker, seen, authority):
    entry = {"host": "127.0.0.1", "port": broker.port, "tls": {"ca": "ca.der"}}
    config = CONFIG | {
        "node": {"name": NAME},
        "mqtt": {"brokers": [entry]},
        "publish": {"health_s": 5},
        "sensors": sensors,
    }
    files = {"ca.der": der(authority.ca)}

    def health(name):
        return [json.loads(text)[name] for text in seen.texts(f"{NAME}/health")]

    with TimeServer() as clock:
        config["ntp"] = {"host": clock.host, "port": clock.port}
        files["config.json"] = json.dumps(config).encode()
        # A time of today is believed at once. Else three answers must agree, and on a busy machine the board's clock is slow.
        files["state/time"] = b"%d" % time.time()
        put(in_place.flash, files)
        in_place.start()
        for times in range(1, RESTARTS + 2):
            until(
                lambda n=times: max(health("connects"), default=0) >= n,
                PATIENCE_S,
                f"{times} connections",
                in_place.printed,
            )
            if times <= RESTARTS:
                broker.restart()
    assert "ENOMEM" not in in_place.printed()
    assert min(health("heap_free")) > least
