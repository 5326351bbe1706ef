"""lib/mqtt over TLS: verified by default, and each way to fail says which it was."""

import contextlib
import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from mqtt_board import run

from sim.broker import Broker
from sim.certificates import Authority

CONNECT = """
    params = args["params"]
    c = Client("t", args["host"], args["port"], ssl=bool(params), ssl_params=params, connect_timeout=5)
    try:
        bring_up(c)
        c.publish("t", b"x" * 3000, qos=2)
        say([c.connected, c.pending])
        c.disconnect()
    except (OSError, ProtocolError) as e:
        say(str(e))
    import os
    say(len(os.listdir("/proc/self/fd")) < 8)
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("mqtt-ca"))


@pytest.fixture
def tls_broker(tmp_path, authority):
    made = []

    def make(hosts=("localhost", "127.0.0.1"), days=30, **options):
        tls = authority.issue("broker", hosts, days)
        made.append(Broker(tmp_path / f"broker{len(made)}", tls=tls, **options).start())
        return made[-1]

    yield make
    for each in made:
        each.stop()


def attempt(port, params, host="localhost", body=CONNECT):
    said = run(body, host=host, port=port, params={k: str(v) for k, v in (params or {}).items()})
    assert said[-1] is True  # no descriptor left
    return said[0]


def test_verified(tls_broker, authority):
    broker = tls_broker()
    assert attempt(broker.port, {"ca": authority.ca}) == [True, 0]
    # an address as the host, the name given apart
    assert attempt(broker.port, {"ca": authority.ca, "server_name": "localhost"}, "127.0.0.1") == [
        True,
        0,
    ]


def test_der_and_umqtts_own_params(tls_broker, authority, tmp_path):
    broker = tls_broker()
    der = tmp_path / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(authority.ca.read_text()))
    assert attempt(broker.port, {"ca": der}) == [True, 0]
    params = {"cadata": authority.ca.read_text(), "server_hostname": "localhost"}
    assert attempt(broker.port, params, "127.0.0.1") == [True, 0]


def test_context_made_by_the_program(tls_broker, authority, tmp_path):
    der = tmp_path / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(authority.ca.read_text()))
    body = CONNECT.replace(
        "    c = Client",
        """
    import tls
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    with open(args["params"]["ca"], "rb") as f:
        context.load_verify_locations(f.read())
    c = Client""",
    ).replace("ssl=bool(params), ssl_params=params", "ssl=context")
    assert attempt(tls_broker().port, {"ca": der}, body=body) == [True, 0]


def test_wrong_ca(tls_broker, tmp_path):
    other = Authority(tmp_path / "other")
    assert "not signed by this CA" in attempt(tls_broker().port, {"ca": other.ca})


def test_wrong_name(tls_broker, authority):
    broker = tls_broker(hosts=("elsewhere.example",))
    assert "for another name" in attempt(broker.port, {"ca": authority.ca})


def test_expired(tls_broker, authority):
    broker = tls_broker(days=-1)
    assert "has expired" in attempt(broker.port, {"ca": authority.ca})


def test_clock_not_set(tls_broker, authority):
    # the unix port's clock cannot be set: a `time` that is in the year 2000 stands before it
    past = "    import mqtt.transport\n    mqtt.transport.time = type('', (), {'gmtime': lambda: (2000, 1, 1)})\n"
    body = past + CONNECT.lstrip("\n")
    assert "clock is not set" in attempt(tls_broker().port, {"ca": authority.ca}, body=body)


def test_no_ca_is_the_programs_mistake(tls_broker):
    body = CONNECT.replace("except (OSError, ProtocolError)", "except ValueError")
    body = body.replace("ssl=bool(params)", "ssl=True")
    assert "ca" in attempt(tls_broker().port, {}, body=body)


def test_ca_that_is_none(tls_broker, tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    assert f"{bad} holds no CERTIFICATE that can be read" in attempt(1, {"ca": bad})
    absent = tmp_path / "absent.pem"
    assert f"{absent} is not on the board" in attempt(1, {"ca": absent})


def test_each_file_is_what_it_is_for(authority, tmp_path):
    mine = authority.issue("node")
    whole = {"ca": authority.ca, "cert": mine.cert, "key": mine.key}
    said = attempt(1, {"ca": mine.key})
    assert f"{mine.key} holds EC PRIVATE KEY and no CERTIFICATE" in said
    assert f"{mine.cert} holds CERTIFICATE and no PRIVATE KEY" in attempt(
        1, whole | {"key": mine.cert}
    )
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    for form in ("PKCS8", "TraditionalOpenSSL"):
        locked.write_bytes(_pem(key, form, serialization.BestAvailableEncryption(b"x")))
        assert f"{locked} holds an encrypted key" in attempt(1, whole | {"key": locked})
    cut = tmp_path / "cut.pem"
    cut.write_bytes(mine.cert.read_bytes()[:-30])
    assert f"{cut} holds CERTIFICATE without an end" in attempt(1, whole | {"cert": cut})


def _pem(key, form, encryption=None):
    return key.private_bytes(
        serialization.Encoding.PEM,
        getattr(serialization.PrivateFormat, form),
        encryption or serialization.NoEncryption(),
    )


def test_a_key_in_each_of_its_forms(tls_broker, authority, tmp_path):
    broker = tls_broker(client_certs=True)
    mine = authority.issue("node")
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    for form in ("PKCS8", "TraditionalOpenSSL"):
        text = tmp_path / f"{form}.key"
        # as openssl and its users write it: Windows line ends, words around it
        text.write_bytes(
            b"Bag Attributes: x\r\n" + _pem(key, form).replace(b"\n", b"\r\n") + b"end: x\n"
        )
        params = {"ca": authority.ca, "cert": mine.cert, "key": text}
        assert attempt(broker.port, params) == [True, 0]


def test_a_certificate_with_one_between_it_and_the_ca(tls_broker, authority, tmp_path):
    broker = tls_broker(client_certs=True)
    between = Authority(tmp_path / "between", authority)
    mine = between.issue("node")
    params = {"ca": authority.ca, "cert": mine.cert, "key": mine.key}
    assert attempt(broker.port, params) != [True, 0]  # the broker knows only the CA
    chain = tmp_path / "chain.pem"
    chain.write_bytes(mine.cert.read_bytes() + between.ca.read_bytes())
    assert attempt(broker.port, params | {"cert": chain}) == [True, 0]


def test_several_cas_in_one_file(tls_broker, authority, tmp_path):
    """A bundle: the right one may be the last."""
    bundle = tmp_path / "bundle.pem"
    other = Authority(tmp_path / "other")
    for first, last in ((other, authority), (authority, other)):
        bundle.write_bytes(first.ca.read_bytes() + b"\nthe other:\n" + last.ca.read_bytes())
        assert attempt(tls_broker().port, {"ca": bundle}) == [True, 0]


def test_ports_that_are_for_something_else(tls_broker, authority, tmp_path):
    """Each says what it is, and not what was found in which byte."""
    broker = Broker(tmp_path / "plain").start()
    try:
        said = attempt(broker.port, {"ca": authority.ca})
    finally:
        broker.stop()
    assert "one without TLS" in said or "does not speak TLS" in said, said
    said = attempt(tls_broker().port, None)
    assert "speaks TLS" in said or "one for TLS" in said, said
    with _answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as port:
        assert "speaks HTTP, as web servers and websockets do" in attempt(port, None, "127.0.0.1")
        assert "does not speak TLS" in attempt(port, {"ca": authority.ca}, "127.0.0.1")
    with _answering(b"") as port:
        assert "may be one for TLS, or for websockets" in attempt(port, None, "127.0.0.1")
        assert "the port may be one without TLS" in attempt(
            port, {"ca": authority.ca}, "127.0.0.1"
        )


@contextlib.contextmanager
def _answering(data):
    """A server that answers whatever it hears with these bytes, and closes."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_client_certificate(tls_broker, authority):
    broker = tls_broker(client_certs=True)
    mine = authority.issue("node")
    params = {"ca": authority.ca, "cert": mine.cert, "key": mine.key}
    assert attempt(broker.port, params) == [True, 0]
    said = attempt(broker.port, {"ca": authority.ca})
    # TLS 1.3 tells it after the handshake, when the peer may have gone already (32: EPIPE)
    assert "refused this node's certificate" in said or said == "32" or "RESET" in said, said


def test_client_certificate_of_another_ca(tls_broker, authority, tmp_path):
    stranger = Authority(tmp_path / "other").issue("node")
    params = {"ca": authority.ca, "cert": stranger.cert, "key": stranger.key}
    said = attempt(tls_broker(client_certs=True).port, params)
    assert "refused this node's certificate" in said or said == "32" or "RESET" in said, said


def test_silent_handshake_ends(authority):
    """Somebody accepts the connection and never says a word: the handshake has the connection's deadline."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        threading.Thread(target=lambda: held.append(server.accept()), daemon=True).start()
        said = attempt(server.getsockname()[1], {"ca": authority.ca}, "127.0.0.1")
        assert "no TLS connection in time" in said
        held[0][0].close()


def test_link_lost_within_tls(tls_broker, authority):
    from sim.proxy import Proxy

    broker = tls_broker()
    with Proxy(broker.port) as proxy:
        body = """
        c = Client("t", "localhost", args["port"], ssl=args["params"], timeout=2)
        bring_up(c)
        say("up")
        sent = acked = 0
        begin = ticks_ms()
        while acked < 200 and ticks_diff(ticks_ms(), begin) < 20000:
            try:
                if c.sock is None:
                    c.start(ticks_ms())
                acked += len(c.step(ticks_ms())[0])
                while sent < 200 and c.send(b"t", b"x" * 300, qos=2) is not None:
                    sent += 1
                if c.sock:
                    c._poll(min(20, c.poll_ms(ticks_ms())))
            except OSError:
                sleep_ms(100)
        say([acked, c.pending])
        """
        from mqtt_board import Board

        with Board(body, port=proxy.port, params={"ca": str(authority.ca)}) as board:
            assert board.hear() == "up"
            for count in (700, 5000, 9000):
                proxy.after(count, "up", "reset")
            assert board.hear(40) == [200, 0]
