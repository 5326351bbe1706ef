"""`make watch`: a subscriber with a config's broker and credentials."""

import json
import os
import pty
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sim.broker import Broker, free_port
from sim.certificates import Authority
from tools import ROOT, CommandError, toolchain
from tools.settings.judge import BAD_CONFIG
from tools.simulate import greeting, watch

pytestmark = pytest.mark.system

# Spaces and dashes are part of it. Of this process: another test publishes with its own on a command line.
PASSWORD = f"a s3cret -t / {os.getpid()}"


@pytest.fixture
def config(tmp_path):
    def write(*brokers, **rest):
        wifi = {"networks": [{"ssid": "x", "password": "12345678"}]}
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"wifi": wifi, "mqtt": {"brokers": brokers}, **rest}))
        return path

    return write


def account(broker, **more):
    return {"host": broker.host, "port": broker.port, "user": "node", "password": PASSWORD, **more}


@pytest.fixture
def start():
    started = []

    def run(config, *words):
        words = [sys.executable, "-m", "tools", "watch", "--config", config, *words]
        process = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=10)


def first_line(process):
    """The first line received; the one before says where from."""
    assert process.stdout.readline().startswith("outpost/#"), process.stderr.read()
    return process.stdout.readline()


def publish(broker, topic, text, *options):
    words = [
        toolchain.mosquitto_pub(),
        "-h",
        broker.host,
        "-p",
        str(broker.port),
        "-r",
        "-t",
        topic,
        "-m",
        text,
    ]
    subprocess.run([*words, "-u", "node", "-P", PASSWORD, *options], check=True, timeout=10)


def test_shows_what_comes_and_keeps_the_password_off_the_command_line(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "outpost/a", "1")
        publish(broker, "elsewhere", "2")
        process = start(config(account(broker)))
        assert first_line(process) == "outpost/a 1\n"
        words = b"".join(
            path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)
        )
        assert b"tools\0watch\0" in words
        assert not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        assert PASSWORD.encode() not in words.replace(b"\0", b" ")
        publish(broker, "outpost/b", "3")
        assert process.stdout.readline() == "outpost/b 3\n"


def test_it_ends_when_no_one_reads_any_more(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "outpost/a", "1")
        process = start(config(account(broker)))
        assert first_line(process) == "outpost/a 1\n"
        process.stdout.close()
        publish(broker, "outpost/b", "2")
        process.wait(timeout=10)
        assert (process.returncode, process.stderr.read()) == (128 + signal.SIGPIPE, "")
        process.stdout = None  # nothing is left to read, for who clears up


def test_on_a_terminal_messages_are_lines_with_units(tmp_path, config):
    reading = '{"ts":1795917130051,"boot":7,"seq":3,"temperature":20.50}'
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "garden/attic/room", reading)
        master, slave = pty.openpty()
        settings = config(account(broker), node={"base": "garden"})
        words = [sys.executable, "-m", "tools", "watch", "--config", settings]
        with subprocess.Popen(words, cwd=ROOT, stdout=slave, stderr=slave) as process:
            os.close(slave)
            shown = b""
            while b"temperature" not in shown or not shown.endswith(b"\n"):
                shown += os.read(master, 4096)
            process.terminate()
        os.close(master)
    line = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()[-1]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  attic/room  temperature 20.50 °C", line.rstrip()), shown


def readable(path):
    try:
        return path.read_bytes() is not None
    except OSError:
        return False


def test_the_next_broker_when_the_first_is_away(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "outpost/a", "1")
        away = account(broker) | {"port": free_port()}
        assert first_line(start(config(away, account(broker)))) == "outpost/a 1\n"


@pytest.mark.parametrize("form", ["pem", "der"])
def test_tls_with_a_client_certificate(tmp_path, config, start, form):
    authority = Authority(tmp_path / "ca")
    server, node = authority.issue("broker", hosts=("127.0.0.1",)), authority.issue("node")
    files = {"ca": node.ca, "cert": node.cert, "key": node.key}
    for key, path in files.items():
        data = path.read_bytes() if form == "pem" else der(path)
        (tmp_path / f"{key}.{form}").write_bytes(data)
    tls = {key: f"/{key}.{form}" for key in files}
    with Broker(tmp_path / "broker", tls=server, client_certs=True) as broker:
        publish(
            broker, "outpost/a", "1", "--cafile", node.ca, "--cert", node.cert, "--key", node.key
        )
        assert first_line(start(config(account(broker, tls=tls)))) == "outpost/a 1\n"


def test_the_name_in_the_certificate_need_not_be_the_host(tmp_path, config, start):
    """As in the broker page's example: make watch said that the certificate cannot be trusted."""
    server = Authority(tmp_path / "ca").issue("broker", hosts=("broker",))
    (tmp_path / "ca.pem").write_bytes(server.ca.read_bytes())
    with Broker(tmp_path / "broker", tls=server) as broker:
        publish(broker, "outpost/a", "1", "--cafile", server.ca, "--insecure")
        tls = {"ca": "ca.pem", "server_name": "broker"}
        assert first_line(start(config(account(broker, tls=tls)))) == "outpost/a 1\n"


def test_it_connects_again_when_the_broker_is_back(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "outpost/a", "1")
        process = start(config(account(broker)))
        assert first_line(process) == "outpost/a 1\n"
        broker.stop()
        broker.start()
        publish(broker, "outpost/b", "2")
        assert process.stdout.readline() == "outpost/b 2\n"


def der(path):
    text = path.read_text()
    return ssl.PEM_cert_to_DER_cert(text) if "CERTIFICATE" in text else key_to_der(text)


def key_to_der(text):
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(text.encode(), None)
    return key.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())


def test_other_topics(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        publish(broker, "elsewhere", "2")
        process = start(config(account(broker), node={"base": "garden"}), "--topic", "else#")
        assert process.wait(10) == 1
        assert process.stderr.read().startswith("error: TOPIC=else# is no topic filter: `#` ")
        process = start(config(account(broker)), "--topic", "elsewhere")
        process.stdout.readline()
        assert process.stdout.readline() == "elsewhere 2\n"


def test_no_broker_answers(config, start):
    port = free_port()
    out, err = start(config({"host": "127.0.0.1", "port": port})).communicate(timeout=10)
    assert (out, err) == ("", f"error: no broker answers: 127.0.0.1:{port}: Connection refused\n")


def refused(process):
    """Why it does not begin. It is over at once, and nothing is shown."""
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", 1)
    return err.removeprefix("error: no broker answers: 127.0.0.1:").partition(": ")[2]


def test_wrong_credentials(tmp_path, config, start):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        for wrong in (
            {"password": "another one"},
            {"user": "nobody"},
            {"user": "", "password": ""},
        ):
            said = refused(start(config(account(broker, **wrong))))
            assert said.startswith("it refuses user or password"), said


def test_tls_that_does_not_fit(tmp_path, config, start):
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server, stranger = authority.issue("broker", hosts=("127.0.0.1",)), other.issue("node")
    for name, path in (("ca.pem", authority.ca), ("other.pem", other.ca)):
        (tmp_path / name).write_bytes(path.read_bytes())
    for name, path in (("cert.pem", stranger.cert), ("key.pem", stranger.key)):
        (tmp_path / name).write_bytes(path.read_bytes())
    tls = {"ca": "ca.pem"}
    with Broker(tmp_path / "broker", tls=server) as broker:
        assert "the port may be one for TLS: give" in refused(start(config(account(broker))))
        said = refused(start(config(account(broker, tls={"ca": "other.pem"}))))
        assert said.startswith("its certificate cannot be trusted"), said
    with Broker(tmp_path / "certs", tls=server, client_certs=True) as broker:
        own = {"cert": "cert.pem", "key": "key.pem"}
        for given in (tls, tls | own):
            said = refused(start(config(account(broker, tls=given))))
            assert "cert" in said, said
    with Broker(tmp_path / "plain", users={"node": PASSWORD}) as broker:
        said = refused(start(config(account(broker, tls=tls))))
        assert said.startswith("does not speak TLS on this port: the one for TLS is often"), said


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "speaks HTTP"),
        (b"\x15\x03\x01\0\2", "speaks TLS: the port may be one for TLS: give"),
        (b"220 mail", "is no MQTT broker: MQTT has a port of its own"),
        (b"\x20\2\0\3", "it serves nobody for now"),
        (b"\x20", "is no MQTT broker"),
        (b"", "closed the connection without an answer: the port may be one for TLS"),
        (None, "connected, but nothing answers in MQTT: MQTT has a port of its own"),
    ],
)
def test_a_port_that_is_for_something_else(monkeypatch, answer, told):
    """It said where it watched, and nothing more, for ever."""
    if answer is None:
        monkeypatch.setattr(greeting, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve, args=(server, answer))
        serving.start()
        host, port = server.getsockname()
        try:
            broker = {"host": host, "port": port, "user": "", "password": "", "tls": None}
            with pytest.raises(CommandError, match=told):
                watch.reachable([broker], Path())
        finally:
            serving.join()


def serve(server, answer):
    """One client: it is heard, answered, and left, or with None held until it goes."""
    link, _ = server.accept()
    with link:
        link.recv(1000)
        if answer is None:
            link.recv(1000)
        else:
            link.sendall(answer)


def test_a_long_password_and_its_length_in_two_bytes():
    packet = greeting._connect("node", "x" * 256)
    assert packet[:3] == bytes((0x10, (len(packet) - 3) % 128 | 128, (len(packet) - 3) // 128))
    packet = greeting._connect("", "")
    assert packet[1] == len(packet) - 2 and packet[9] == 2


def test_a_config_with_faults(config, start):
    process = start(config())
    out, err = process.communicate(timeout=10)
    assert out == ""
    assert "mqtt.brokers" in err
    assert "Traceback" not in err
    assert process.returncode == BAD_CONFIG


def test_the_untouched_example_is_refused(start):
    out, err = start(ROOT / "config.json.example").communicate(timeout=10)
    assert out == ""
    assert "is still the example's" in err


def test_no_config(tmp_path, start):
    _, err = start(tmp_path / "nothing.json").communicate(timeout=10)
    assert err.startswith("error: ")
    assert "nothing.json: make config BOARD=pico_w OUT=" in err


def test_the_subscriber_ends_with_the_block(tmp_path):
    with Broker(tmp_path / "broker", users={"node": PASSWORD}) as broker:
        account_ = account(broker, tls=None)
        with watch.subscriber(account_, "#", stdout=subprocess.PIPE) as process:
            time.sleep(0.1)
            assert process.poll() is None
        assert process.poll() is not None
