"""Passwords, topics and certificates: what must be refused is, and the log says why."""

import time

import pytest
from outside import NAME, NODE, OTHER, READER, SECRETS, complete, own_topics, settings, stream

WRONG = "wrong-Secret-1"


def attempts(broker):
    return broker.log.read_text().count(" New connection from ")


def test_a_wrong_password(broker, nodes, seen):
    account = {"host": "127.0.0.1", "port": broker.port, "user": NODE[0], "password": WRONG}
    known = attempts(broker)
    node = nodes(settings([account], sensors=stream())).start()
    node.wait_for(f"mqtt: cannot reach 127.0.0.1:{broker.port}: not authorised", 15)
    time.sleep(5)
    assert WRONG not in node.output
    # trying fast again is pointless, and locks accounts
    assert attempts(broker) - known == 1
    assert not seen.messages


def test_no_account_at_a_broker_that_wants_one(broker, nodes):
    account = {"host": "127.0.0.1", "port": broker.port}
    node = nodes(settings([account], sensors=stream())).start()
    node.wait_for("not authorised", 15)


def test_a_node_may_be_kept_to_its_own_topics(brokers, nodes, listen):
    """With an ACL for its own topics and no more a node works; what it would not need is refused."""
    broker = brokers(acl={NODE[0]: own_topics(NAME), READER[0]: ("read #",)})
    seen = listen(broker)
    node = nodes(settings([broker.port]))
    node.start()
    seen.wait_readings("bme280", 2)
    node.kill()
    seen.wait_for(f"{NAME}/status", "offline", 10)
    assert "Denied" not in broker.log.read_text()

    # the same node under another name: the broker takes nothing of it
    config = settings([broker.port], node={"name": "n3"})
    nodes(config).start().wait_for("mqtt: connected", 15)
    time.sleep(3)
    assert not [m for m in seen.messages if "/n3/" in m.topic]
    assert "Denied PUBLISH from n3" in broker.log.read_text()


# TLS: with a CA, and the name in the certificate; the node says nothing to a broker that cannot prove who it is


@pytest.fixture
def secure(brokers, authority):
    """Make a TLS broker with a certificate, and the settings of a node for it."""

    def make(certificate, ca=None, server_name="broker.test", client=None):
        broker = brokers(tls=certificate, client_certs=client is not None)
        entry = {
            "host": "127.0.0.1",
            "port": broker.port,
            "user": NODE[0],
            "password": NODE[1],
            "tls": {"ca": "ca.pem", "server_name": server_name},
        }
        files = {"ca.pem": ca or authority.ca}
        if client:
            entry["tls"] |= {"cert": "node.pem", "key": "node.key"}
            files |= {"node.pem": client.cert, "node.key": client.key}
        return broker, entry, files

    return make


def start(nodes, entry, files, board="esp32", **changes):
    node = nodes(settings([entry], board, sensors=stream(board), **changes), board)
    for name, source in files.items():
        (node.flash / name).write_bytes(source.read_bytes())
    return node.start()


def test_tls(secure, nodes, listen, authority):
    broker, entry, files = secure(authority.issue("server", ["broker.test"]))
    seen = listen(broker, tls={"ca_certs": str(authority.ca)}, insecure=True)
    for name, board in ((NAME, "esp32"), (OTHER, "pico_w")):
        start(nodes, entry, files, board, node={"name": name})
    for name in (NAME, OTHER):
        seen.wait_live("fast", 25, name)
        complete(seen.readings("fast", name))


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_tls_with_a_certificate_of_the_node(secure, nodes, listen, authority, board):
    client = authority.issue(NODE[0])
    broker, entry, files = secure(authority.issue("server", ["broker.test"]), client=client)
    reader = authority.issue(READER[0])
    tls = {"ca_certs": str(authority.ca), "certfile": str(reader.cert), "keyfile": str(reader.key)}
    seen = listen(broker, tls=tls, insecure=True)
    node = start(nodes, entry, files, board)
    seen.wait_for(f"{NAME}/status", "online", 20)
    assert "u'node'" in broker.log.read_text()
    node.kill()
    seen.wait_for(f"{NAME}/status", "offline", 10)
    known = len(seen.messages)
    # without it the broker does not let the node in
    del entry["tls"]["cert"], entry["tls"]["key"]
    other = start(nodes, entry, files, board)
    other.wait_for(f"mqtt: cannot reach 127.0.0.1:{broker.port}: TLS: the broker refused", 20)
    assert "mqtt: connected" not in other.output
    assert len(seen.messages) == known


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("another CA", "TLS: the broker's certificate is not signed by this CA"),
        ("another name", "TLS: the broker's certificate is for another name"),
        ("expired", "TLS: the broker's certificate has expired"),
        ("not TLS", "TLS: refused, or cut in the handshake; the port may be one without TLS"),
    ],
)
def test_tls_refuses(secure, brokers, nodes, authority, tmp_path, fault, said):
    server = authority.issue("server", ["broker.test"])
    if fault == "another CA":
        from sim.certificates import Authority

        broker, entry, files = secure(server, ca=Authority(tmp_path / "other").ca)
    elif fault == "another name":
        broker, entry, files = secure(server, server_name="other.test")
    elif fault == "expired":
        broker, entry, files = secure(authority.issue("old", ["broker.test"], days=-1))
    else:
        broker = brokers()
        _, entry, files = secure(server)
        entry["port"] = broker.port
    node = start(nodes, entry, files)
    node.wait_for(f"mqtt: cannot reach 127.0.0.1:{broker.port}: {said}", 20)
    assert "connected to" not in node.output
    log = broker.log.read_text()
    assert f" as {NAME} " not in log and not any(secret in log for secret in SECRETS)


def test_tls_waits_for_the_time(secure, nodes, listen, authority):
    """Without a clock no certificate can be checked: it waits, it does not look away."""
    broker, entry, _ = secure(authority.issue("server", ["broker.test"]))
    seen = listen(broker, tls={"ca_certs": str(authority.ca)}, insecure=True)
    off = {"at_s": 0, "do": "internet", "on": False}
    on = {"at_s": 20, "do": "internet", "on": True}  # a name server that fails is asked for 7 s
    node = nodes(settings([entry], sensors=stream()), scenario=[off, on])
    (node.flash / "ca.pem").write_bytes(authority.ca.read_bytes())
    node.start()
    node.wait_for("clock: no time from", 10)
    assert not seen.messages and "cannot reach" not in node.output
    seen.wait_for(f"{NAME}/status", "online", 25)
