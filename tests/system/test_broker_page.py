"""docs/broker.md: its access rules let a node do what it has to, and nobody else."""

import re
import subprocess

import pytest
from mqtt_board import Listener

from tools import ROOT, toolchain

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs" / "broker.md").read_text()
RULES = re.findall(r"```text\n(user .*?)```", PAGE, re.DOTALL)


@pytest.fixture
def broker(brokers, tmp_path):
    """With all sets of rules of the page, and a user who is in none."""
    rules = tmp_path / "rules"
    rules.write_text("\n".join(RULES))
    rules.chmod(0o600)
    users = dict.fromkeys(("node", "me", "attic", "graph", "stranger"), "secret")
    return brokers(users=users, acl=None, settings=[f"acl_file {rules}"])


def publish(broker, user, topic):
    words = ["-h", broker.host, "-p", str(broker.port), "-u", user, "-P", "secret", "-q", "1"]
    subprocess.run(
        [toolchain.mosquitto_pub(), *words, "-t", topic, "-m", user], check=True, timeout=20
    )


def test_who_may_do_what(broker):
    assert len(RULES) == 3
    with Listener(broker.port, "#", user="me", password="secret") as listener:
        for user, topic in (
            ("stranger", "outpost/attic/reading/air"),
            ("attic", "outpost/cellar/reading/air"),
            ("attic", "outpost/attic/reading/air"),
            ("attic", "homeassistant/device/attic/config"),
            ("node", "homeassistant/device/cellar/config"),
            ("node", "outpost/cellar/reading/air"),
            ("graph", "outpost/cellar/reading/air"),
            ("me", "outpost/all/cmd/identify"),
        ):
            publish(broker, user, topic)
        assert listener.wait(5) == [b"attic", b"attic", b"node", b"node", b"me"]
    for user in ("node", "attic"):
        with Listener(broker.port, "outpost/all/cmd/#", user=user, password="secret") as listener:
            publish(broker, "me", "outpost/all/cmd/identify")
            assert listener.wait(1) == [b"me"]


def test_who_draws_graphs_sees_readings_only(broker):
    with Listener(broker.port, "#", user="graph", password="secret") as listener:
        for name in ("status", "log", "reading/air", "history/air", "output/lamp", "cmd/restart"):
            publish(broker, "me", "outpost/attic/" + name)
        listener.wait(2)
        assert [m.topic for m in listener.messages] == [
            "outpost/attic/" + name for name in ("reading/air", "history/air")
        ]
