"""A node on the emulated Pico with a Pico W's heap reaches its broker by TLS, with the mbedTLS of MicroPython's own build."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from outside import Seen, until
from pico import CONFIG, EIGHT, put

from emulator import build
from sim.broker import Broker
from sim.certificates import Authority
from sim.ntp import TimeServer
from tools.boards.serialboard import BoardError, Link

NAME = "emulated"
PATIENCE_S = 300  # a handshake takes seconds on the emulated chip
RESTARTS = 3
LEAST_FREE = 20_000


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def small(boards, first_deploy):
    """A board with the checkout on its flash, and a network."""
    result, flash = first_deploy
    assert result["code"] == 0, result["said"]
    return boards(flash, ["modem="], firmware=build.PICO_W_HEAP)


def der(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_its_heap_is_a_pico_ws_and_it_reads_certificates_as_a_pico_w_does(boards, authority):
    board = boards(firmware=build.PICO_W_HEAP)
    board.start()
    with Link(board.url) as link:
        link.enter()
        free = link.answer("import gc\ngc.collect()\nprint('@' + repr(gc.mem_free()))")
        assert 198_000 < free < 204_000  # an official Pico W has 201 KB
        link.run("import tls\ncontext = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)")
        link.run(f"context.load_verify_locations({der(authority.ca)!r})")
        with pytest.raises(BoardError, match="invalid cert"):
            link.run(f"context.load_verify_locations({authority.ca.read_bytes()!r})")


def test_a_node_with_eight_sensors_comes_back_when_its_broker_does(small, authority, tmp_path):
    certificate = authority.issue("broker.test", ["127.0.0.1"])
    with (
        Broker(tmp_path / "broker", tls=certificate, persistent=True) as broker,
        TimeServer() as clock,
    ):
        seen = Seen(broker.port, user=None, tls={"ca_certs": str(authority.ca)}).start()
        entry = {"host": "127.0.0.1", "port": broker.port, "tls": {"ca": "ca.der"}}
        config = CONFIG | {
            "node": {"name": NAME},
            "mqtt": {"brokers": [entry]},
            "ntp": {"host": clock.host, "port": clock.port},
            "publish": {"health_s": 5},
            "sensors": EIGHT,
        }
        put(small.flash, {"config.json": json.dumps(config).encode(), "ca.der": der(authority.ca)})
        small.start()

        def health():
            return [json.loads(text) for text in seen.texts(f"{NAME}/health")]

        for _ in range(RESTARTS + 1):
            reports = len(health())
            until(
                lambda reports=reports: len(health()) > reports,
                PATIENCE_S,
                "health",
                small.printed,
            )
            broker.restart()
        seen.stop()
        print([each["heap_free"] for each in health()], small.printed())
    assert "ENOMEM" not in small.printed()
    assert health()[-1]["reconnects"] >= RESTARTS
    assert min(each["heap_free"] for each in health()) > LEAST_FREE
