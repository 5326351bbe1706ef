"""docs/broker.md: its access rules let a node do what it has to, and nobody else; its certificates are ones that a node believes."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import paho.mqtt.client as paho
import pytest
from mqtt_board import Listener, run
from otherbrokers import Nats
from outside import until

from sim.broker import free_port
from tools import ROOT, toolchain

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs" / "broker.md").read_text()
FILES = {"ca": "ca.pem", "cert": "broker.pem", "key": "broker.key"}
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
            ("attic", "homeassistant/sensor/attic/air_temperature/config"),
            ("node", "homeassistant/device/cellar/config"),
            ("node", "outpost/cellar/reading/air"),
            ("graph", "outpost/cellar/reading/air"),
            ("me", "outpost/all/cmd/identify"),
        ):
            publish(broker, user, topic)
        assert listener.wait(6) == [b"attic", b"attic", b"attic", b"node", b"node", b"me"]
    for user in ("node", "attic"):
        with Listener(broker.port, "outpost/all/cmd/#", user=user, password="secret") as listener:
            publish(broker, "me", "outpost/all/cmd/identify")
            assert listener.wait(1) == [b"me"]


def test_the_page_of_home_assistant_gives_a_node_the_same_rights():
    """The list of one page dropped in silence what `per_entity` publishes."""
    page = (ROOT / "docs" / "home-assistant.md").read_text()
    (there,) = re.findall(r"```text\n(user attic.*?)```", page, re.DOTALL)
    (here,) = (rules for rules in RULES if rules.startswith("user attic"))
    assert sorted(here.splitlines()) == sorted(there.splitlines())


def test_who_draws_graphs_sees_readings_only(broker):
    with Listener(broker.port, "#", user="graph", password="secret") as listener:
        for name in ("status", "log", "reading/air", "history/air", "output/lamp", "cmd/restart"):
            publish(broker, "me", "outpost/attic/" + name)
        listener.wait(2)
        assert [m.topic for m in listener.messages] == [
            "outpost/attic/" + name for name in ("reading/air", "history/air")
        ]


def test_the_rules_for_nats(tmp_path):
    """A node writes its own topics and no other's; the collector hears it, and what comes while it is away."""
    [text] = re.findall(r"```text\n(server_name.*?)```", PAGE, re.DOTALL)

    class Page(Nats):
        def configure(self):
            own = text.replace("127.0.0.1:4222", f"127.0.0.1:{free_port()}")
            own = own.replace("0.0.0.0:1883", f"127.0.0.1:{self.port}")
            (self.folder / "nats.conf").write_text(own.replace('"data"', f'"{self.folder}/data"'))
            return ["-c", str(self.folder / "nats.conf")], {}

    with Page(tmp_path / "nats") as server:
        topics = ("outpost/+/reading/#", "outpost/+/history/#", "outpost/+/status")
        collector = Account(server.port, "collector", topics)
        own = ("outpost/attic/status", "outpost/attic/cmd/+", "outpost/attic/output/+/set")
        own += ("outpost/all/cmd/+", "homeassistant/status")
        attic = Account(server.port, "attic", own)
        assert collector.refused == attic.refused == 0
        readings = ("outpost/attic/reading/air", "outpost/cellar/reading/air")
        attic.say(*readings, "homeassistant/device/attic/config", own[0])
        until(lambda: len(collector.got) == 2 and attic.got, 10, "the reading and the status")
        collector.leave()
        attic.say(*[readings[0]] * 50, readings[1])
        again = Account(server.port, "collector", ())
        until(lambda: len(again.got) >= 50, 10, "what waited")
        attic.leave()
        again.leave()
        assert {*collector.got, *again.got} == {readings[0], own[0]}
        assert {*attic.got} == {own[0]}


class Account:
    def __init__(self, port, user, topics):
        self.got, self.refused, answered = [], 0, []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, user, clean_session=False)
        self.client.username_pw_set(user, "its password")
        self.client.on_message = lambda client, data, message: self.got.append(message.topic)
        self.client.on_subscribe = lambda client, data, mid, codes, more: answered.extend(codes)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        until(self.client.is_connected, 10, user)
        for topic in topics:
            self.client.subscribe(topic, 1)
        until(lambda: len(answered) == len(topics), 10, "the subscriptions")
        self.refused = sum(code.is_failure for code in answered)

    def say(self, *topics):
        sent = [self.client.publish(topic, "1", 1) for topic in topics]
        until(lambda: all(each.is_published() for each in sent), 10, "the acknowledgements")

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


CONNECT = """
    try:
        c = Client("t", args["host"], args["port"], ssl=True, ssl_params=args["tls"], connect_timeout=5)
        bring_up(c)
        say(c.connected)
    except OSError as e:
        say(str(e))
"""


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")
def test_certificates_as_the_page_makes_them(brokers, tmp_path):
    commands = re.search(r"```sh\n(openssl .*?)```", PAGE, re.DOTALL)[1]
    subprocess.run(["bash", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    broker = brokers(
        users=None,
        acl=None,
        tls=SimpleNamespace(**{name: tmp_path / file for name, file in FILES.items()}),
    )
    [settings] = re.findall(r"```json\n(.*?tls.*?)```", PAGE.partition("## TLS")[2], re.DOTALL)
    tls = json.loads(f"{{{settings}}}")["mqtt"]["brokers"][0]["tls"]
    tls["ca"] = str(tmp_path / tls["ca"])
    assert run(CONNECT, host="127.0.0.1", port=broker.port, tls=tls) == [True]
    del tls["server_name"]
    [refused] = run(CONNECT, host="127.0.0.1", port=broker.port, tls=tls)
    assert "for another name" in refused
