"""The broker of `make run` and the tests is a real one; what Broker promises is tried with mosquitto's own clients."""

import os
import subprocess
import sys

import pytest

from sim.broker import Broker, free_port
from sim.certificates import Authority
from tools import CommandError, toolchain

pytestmark = pytest.mark.system

NODE = ("-u", "node", "-P", "s3cret")


def client(program, broker, *words):
    words = [program, "-h", broker.host, "-p", str(broker.port), *words]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=10)


def send(broker, topic, text, *options):
    """Publish a retained message; what the client complains about."""
    done = client(
        toolchain.mosquitto_pub(), broker, "-q", "1", "-r", "-t", topic, "-m", text, *options
    )
    assert bool(done.stderr) == bool(done.returncode), done
    return done.stderr


def retained(broker, *options):
    """What a new subscriber gets, as [topic, text, topic, text …]."""
    words = ("-t", "#", "-v", "--retained-only", "-W", "1")
    return client(toolchain.mosquitto_sub(), broker, *words, *options).stdout.split()


def test_password_is_asked_for(tmp_path):
    with Broker(tmp_path, users={"node": "s3cret"}) as broker:
        assert send(broker, "a", "1", *NODE) == ""
        assert "not authorised" in send(broker, "a", "2", "-u", "node", "-P", "wrong")
        assert "not authorised" in send(broker, "a", "2")
        assert retained(broker, *NODE) == ["a", "1"]


def test_password_is_stored_hashed_and_for_us_alone(tmp_path):
    with Broker(tmp_path, users={"node": "s3cret"}):
        pass
    for path in tmp_path.iterdir():
        assert b"s3cret" not in path.read_bytes(), path
    assert (tmp_path / "passwords").stat().st_mode & 0o077 == 0


def test_acl_keeps_a_user_to_its_topics(tmp_path):
    acl = {"node": ("write outpost/#",), "reader": ("read #",)}
    with Broker(tmp_path, users={"node": "s3cret", "reader": "r"}, acl=acl) as broker:
        send(broker, "elsewhere/a", "no", *NODE)
        send(broker, "outpost/a", "yes", *NODE)
        assert retained(broker, "-u", "reader", "-P", "r") == ["outpost/a", "yes"]


def test_tls_and_client_certificates(tmp_path):
    authority = Authority(tmp_path / "ca")
    server = authority.issue("broker", hosts=("localhost", "127.0.0.1"))
    node = authority.issue("node")
    ca = ("--cafile", node.ca)
    with Broker(tmp_path / "broker", tls=server, client_certs=True) as broker:
        shown = (*ca, "--cert", node.cert, "--key", node.key)
        assert send(broker, "a", "1", *shown) == ""
        assert retained(broker, *shown) == ["a", "1"]
        assert send(broker, "a", "2", *ca) != ""


def test_tls_of_another_authority_is_refused(tmp_path):
    server = Authority(tmp_path / "ca").issue("broker", hosts=("127.0.0.1",))
    other = Authority(tmp_path / "other")
    with Broker(tmp_path / "broker", tls=server) as broker:
        assert send(broker, "a", "1", "--cafile", other.ca) != ""
        assert send(broker, "a", "1", "--cafile", server.ca) == ""


def test_tls_for_another_host_is_refused(tmp_path):
    server = Authority(tmp_path / "ca").issue("broker", hosts=("broker.example",))
    with Broker(tmp_path / "broker", tls=server) as broker:
        assert send(broker, "a", "1", "--cafile", server.ca) != ""


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_same_port_after_a_restart(tmp_path, end):
    with Broker(tmp_path) as broker:
        port, pid = broker.port, broker.process.pid
        assert send(broker, "a", "1") == ""
        getattr(broker, end)()
        assert not broker.alive
        assert "Connection refused" in send(broker, "a", "2")
        broker.start()
        assert broker.port == port
        assert broker.process.pid != pid
        assert send(broker, "a", "3") == ""


def test_nobody_is_given_the_port_of_a_broker_that_is_stopped(tmp_path, monkeypatch):
    """Another test's broker was there when this one came back: Address already in use."""
    if sys.platform != "linux":
        pytest.skip("kept on Linux only")
    with Broker(tmp_path) as broker:
        broker.stop()
        monkeypatch.setattr("random.randrange", lambda *limits: broker.port)
        with pytest.raises(CommandError, match="no port"):
            free_port()
        broker.start()
        assert send(broker, "a", "1") == ""
        broker.stop()
        with pytest.raises(CommandError, match="no port"):
            Broker(tmp_path / "other").start()


@pytest.mark.parametrize("persistent", [True, False])
def test_persistence(tmp_path, persistent):
    with Broker(tmp_path, persistent=persistent) as broker:
        send(broker, "a", "1")
        broker.restart()
        assert retained(broker) == (["a", "1"] if persistent else [])


def test_a_frozen_broker_answers_when_it_thaws_and_can_be_stopped_as_it_is(tmp_path):
    with Broker(tmp_path) as broker:
        broker.freeze()
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(
                [toolchain.mosquitto_pub(), "-p", str(broker.port), "-t", "a", "-m", "1"],
                check=False,
                timeout=0.5,
            )
        broker.thaw()
        assert send(broker, "a", "1") == ""
        broker.freeze()
    assert broker.process.returncode == 0


def test_a_setting_it_refuses_is_told(tmp_path):
    with pytest.raises(CommandError, match="nonsense"):
        Broker(tmp_path, settings=["nonsense 1"]).start()


def test_a_port_in_use_is_told(tmp_path):
    with Broker(tmp_path / "first") as first:
        second = Broker(tmp_path / "second")
        second.port = first.port
        with pytest.raises(CommandError, match="Address already in use"):
            second.start()


def test_nothing_is_left_when_python_ends(tmp_path):
    program = "import sys; from sim.broker import Broker; print(Broker(sys.argv[1]).start().process.pid, flush=True)"
    words = [sys.executable, "-c", program, tmp_path]
    pid = int(subprocess.check_output(words, timeout=20))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
