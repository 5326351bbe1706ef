"""`make broker`, asked at a real mosquitto: who may do what, what waits, what a revoked node may still do."""

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from outside import settings as node_settings
from outside import stream, until

from sim.broker import free_port
from station.__main__ import main
from station.broker import accounts, proof, rights, server, settings, setup
from station.broker.accounts import Account
from station.broker.settings import LOOPBACK, Listeners
from station.broker.site import Site
from tools import ROOT, toolchain

HOST = "127.0.0.1"
ROLES = tuple(rights.ROLES)


class Someone:
    """A user at the broker; what came is in `got`, {(topic, payload)}."""

    def __init__(self, port, account, name=None, keeps=False):
        self.got, self.lost, self.granted, self.count = set(), [], 0, 0
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            name or f"test-{account.user}",
            clean_session=not keeps,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(*account)
        self.client.max_inflight_messages_set(500)
        self.client.on_message = self._message
        self.client.on_subscribe = self._subscribed
        self.client.on_disconnect = lambda *words: self.lost.append(time.monotonic())
        self.client.connect(HOST, port)
        self.client.loop_start()
        until(self.client.is_connected, 5, f"{account.user} to be let in")

    def _message(self, client, data, message):
        self.count += 1
        self.got.add((message.topic, message.payload.decode()))

    def _subscribed(self, *words):
        self.granted += 1

    def listen(self, *topics):
        for topic in topics:
            self.client.subscribe(topic, 1)
        until(lambda: self.granted >= len(topics), 5, "the subscriptions")
        return self

    def publish(self, topic, payload):
        return self.client.publish(topic, payload, 1)

    def say(self, *messages):
        sent = [self.publish(*message) for message in messages]
        until(lambda: all(each.is_published() for each in sent), 20, "the acknowledgements")

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tools.__main__.signal.signal", lambda *args: None)
    Path("nodes").mkdir()
    return tmp_path


@pytest.fixture
def made(folder):
    """Make a broker's folder for these nodes: made("attic", …)."""

    def made(*names, words=(), **patch):
        for name in names:
            path = Path(f"nodes/{name}.json")
            if not path.exists():
                path.write_text(json.dumps({"sensors": []} | patch))
        given = [] if Path("broker").exists() else ports()
        assert main(["broker", "--host", HOST, *given, *words]) == 0
        return Site(Path("broker"))

    return made


@contextmanager
def started(folder=Path("broker"), **options):
    """The broker of a folder, as `RUN=1` starts it; `.port` has TLS, `.local` has not."""
    memory = Site(folder).memory
    listeners = Listeners(LOOPBACK, memory.port, memory.local)
    text = settings.conf(
        listeners, options.pop("queue_mb", 64), options.pop("bridge", None), server.as_root()
    )
    (folder / "run.conf").write_text(text)
    with server.Server(
        toolchain.mosquitto(), folder.resolve(), "run.conf", folder.resolve() / "data" / "log"
    ) as broker:
        broker.port, broker.local = listeners.port, listeners.local
        yield broker


@pytest.fixture
def come(request):
    """Let users of the folder come: come(broker, "attic")."""

    def come(broker, user, **options):
        someone = Someone(broker.local, account(user), **options)
        request.addfinalizer(someone.leave)
        return someone

    return come


def account(name, folder=Path()):
    """What a node's file, or a program's, says."""
    path = folder / f"nodes/{name}.json"
    if not path.exists():
        path = folder / f"broker.private/{name}.json"
    entry = json.loads(path.read_text())["mqtt"]["brokers"][0]
    return Account(entry["user"], entry["password"])


# Who may publish on each kind of topic, and who hears it. attic is a node, cellar another. Topics of docs/topics.md.
STAFF = {"page", "operator", "homeassistant"}  # read all of a base, and send commands
STORED = STAFF | {"attic", "collector"}
# fmt: off
TABLE = {
    # topic                               publish                        hear
    "outpost/attic/status":               ({"attic", "operator"},                    STORED | {"releaser"}),
    "outpost/attic/reading/air":          ({"attic"},                    STORED),
    "outpost/attic/history/air":          ({"attic"},                    STORED),
    "outpost/attic/value/air/humidity":   ({"attic", "operator"},                    STAFF | {"attic"}),
    "outpost/attic/health":               ({"attic"},                    STORED),
    "outpost/attic/info":                 ({"attic", "operator"},                    STORED | {"releaser"}),
    "outpost/attic/log":                  ({"attic"},                    STORED),
    "outpost/attic/output/lamp":          ({"attic", "operator"},                    STORED),
    "outpost/attic/reply":                ({"attic"},                    STORED | {"releaser"}),
    "outpost/attic/update":               ({"attic", "releaser"},        STAFF | {"attic", "releaser"}),
    "outpost/attic/output/lamp/set":      (STAFF | {"attic"},            STAFF | {"attic"}),
    "outpost/attic/cmd/restart":          (STAFF | {"attic"},            STAFF | {"attic"}),
    "outpost/attic/cmd/update":           (STAFF | {"attic", "releaser"}, STAFF | {"attic"}),
    "outpost/all/cmd/identify":           (STAFF,                        STAFF | {"attic", "cellar"}),
    "outpost/release/4711/0":             ({"releaser"},                 STAFF | {"attic", "cellar", "releaser"}),
    "homeassistant/device/attic/config":  ({"attic", "operator", "homeassistant"}, {"operator", "homeassistant"}),
    "homeassistant/sensor/attic/t/config": ({"attic", "operator", "homeassistant"}, {"operator", "homeassistant"}),
    "homeassistant/status":               ({"operator", "homeassistant"}, {"operator", "homeassistant", "attic", "cellar"}),
    "outpost/collector/probe/1":          ({"collector"},                STAFF | {"collector"}),
    "outpost/collector/reading/air":      (set(),                        set()),
    "outpost/page/reading/air":           (set(),                        set()),
    "outpost/status":                     (set(),                        set()),
    "elsewhere/attic":                    (set(),                        set()),
}
# fmt: on


def test_who_may_do_what(made, come):
    made("attic", "cellar")
    users = ("attic", "cellar", *ROLES)
    with started() as broker:
        people = {user: come(broker, user).listen("#") for user in users}
        for user, someone in people.items():
            someone.say(*((topic, user) for topic in TABLE))
        people["operator"].say(("outpost/all/cmd/end", "end"))
        until(lambda: ("outpost/all/cmd/end", "end") in people["cellar"].got, 10, "the end")
        time.sleep(0.5)
        assert not any(someone.lost for someone in people.values())
    for topic, (publish, hear) in TABLE.items():
        # whoever hears it, hears those who may publish it and nobody else
        for user, someone in people.items():
            heard = {payload for at, payload in someone.got if at == topic}
            assert heard == (publish if user in hear else set()), (topic, user)


def test_each_topic_of_the_page_is_in_the_table():
    page = (ROOT / "docs" / "topics.md").read_text()
    shown = re.findall(r"^\| `((?:<base>|homeassistant)/[^`]*)`(?:, `([^`]*)`)? \|", page, re.M)
    topics = [topic for row in shown for topic in row if topic]
    assert len(topics) >= 12
    for topic in topics:
        pattern = re.escape(topic).replace("<base>", "outpost").replace("<node>", "attic")
        pattern = re.sub(r"<\w+>", "[^/]+", pattern)
        assert any(re.fullmatch(pattern, each) for each in TABLE), topic


def test_who_may_see_how_the_broker_is(made, come):
    made("attic")
    with started() as broker:
        people = {user: come(broker, user).listen("$SYS/#") for user in ("attic", *ROLES)}
        time.sleep(1)
        seen = {user for user, someone in people.items() if someone.got}
        assert seen == {"collector", "page", "operator"}


ODD = (
    "at",
    "attic",
    "attic2",
    "Süd Seite",
    "it's",
    "%u",
    "%c",
    "-t",
    "user x",
    "read",
    "a:b",
    "100%",
)


def test_names_that_are_beginnings_of_others_or_odd(made, come):
    """What mosquitto's files separate by, and what has a meaning in its patterns, is a name here."""
    made(*ODD)
    with started() as broker:
        collector = come(broker, "collector").listen("outpost/+/reading/#")
        people = {name: come(broker, name, name=f"c{i}") for i, name in enumerate(ODD)}
        for name, someone in people.items():
            someone.listen("outpost/#")
            someone.say(*((f"outpost/{other}/reading/air", name) for other in ODD))
        until(lambda: len(collector.got) >= len(ODD), 10, "the readings")
        time.sleep(0.5)
        assert collector.got == {(f"outpost/{name}/reading/air", name) for name in ODD}
        for name, someone in people.items():
            assert {topic for topic, _ in someone.got} == {f"outpost/{name}/reading/air"}
            assert not someone.lost


def test_a_base_of_several_levels(made, come):
    """Two bases, one of which begins as the other."""
    made("attic")
    made("cellar", node={"base": "outpost2/ground"}, discovery={"prefix": "ha"})
    with started() as broker:
        operator = come(broker, "operator").listen("#")
        places = ("outpost/attic", "outpost2/ground/cellar", "outpost/cellar", "outpost2/attic")
        for user in ("attic", "cellar"):
            topics = [f"{place}/reading/air" for place in places]
            topics += ["homeassistant/device/attic/config", "ha/device/attic/config"]
            topics += [
                f"ha/device/outpost2_ground_cellar_{end}/config" for end in ("52ff8b25", "1")
            ]
            come(broker, user).say(*((topic, user) for topic in topics))
        time.sleep(0.5)
    place = rights.of_node(rights.Place("cellar", "outpost2/ground", "ha"))
    assert {(topic, who) for topic, who in operator.got if "reading" in topic} == {
        ("outpost/attic/reading/air", "attic"),
        ("outpost2/ground/cellar/reading/air", "cellar"),
    }
    described = {topic for topic, who in operator.got if "config" in topic}
    own = {rule.split("/")[2] for rule in place if rule.startswith("write ha/+/")}
    assert "homeassistant/device/attic/config" in described
    assert {topic.split("/")[2] for topic in described if topic.startswith("ha/")} <= own


# ---- what mosquitto does with these settings


def test_a_forbidden_message_does_not_end_the_connection(made, come):
    """It does with `max_queued_messages 0`, up to mosquitto 2.0.21: the node would then set its readings aside."""
    made("attic", "cellar")
    with started() as broker:
        attic = come(broker, "attic")
        for _ in range(5):
            attic.say(("outpost/cellar/reading/air", "forged"))
        assert not attic.lost and attic.client.is_connected()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_waits_for_a_collector_that_is_away(made, come, end):
    """mosquitto keeps 1,000 by itself. A restart keeps them; so does a power cut once they were saved."""
    made("attic")
    count = 2500
    with started() as broker:
        come(broker, "collector", name="c", keeps=True).listen("outpost/+/reading/#").leave()
        attic = come(broker, "attic")
        attic.say(*(("outpost/attic/reading/air", str(number)) for number in range(count)))
        if end == "stop":
            broker.stop()
        else:
            saved = Path("broker/data/mosquitto.db")
            until(lambda: saved.exists() and saved.stat().st_size > count * 20, 12, "the save")
            os.kill(broker.process.pid, signal.SIGKILL)
            broker.process.wait()
        broker.start()
        collector = come(broker, "collector", name="c", keeps=True)
        until(lambda: collector.count >= count, 20, "what waits")
        time.sleep(0.5)
        assert collector.count == count
        assert {int(payload) for _, payload in collector.got} == set(range(count))


def test_what_waits_has_a_bound_in_bytes(made, come):
    made("attic")
    with started(queue_mb=1) as broker:
        come(broker, "collector", name="c", keeps=True).listen("outpost/+/reading/#").leave()
        large = "x" * 1000
        sent = (("outpost/attic/reading/air", f"{number:04}{large}") for number in range(1500))
        come(broker, "attic").say(*sent)
        collector = come(broker, "collector", name="c", keeps=True)
        until(lambda: collector.count > 1000, 20, "what waits")
        time.sleep(1)
        assert 1000 < collector.count < 1100  # 1 MiB of payloads, and the newest are dropped
        assert min(int(payload[:4]) for _, payload in collector.got) == 0


def test_many_wait_for_one_acknowledgement(made, come):
    """With mosquitto's own 20 a collector would commit 20 rows at most."""
    made("attic")
    with started() as broker:
        collector = come(broker, "collector", name="c", keeps=True)
        collector.client.manual_ack_set(True)
        collector.listen("outpost/+/reading/#")
        readings = (("outpost/attic/reading/air", str(number)) for number in range(1500))
        come(broker, "attic").say(*readings)
        until(lambda: collector.count >= 1000, 10, "what may be on its way")
        time.sleep(0.5)
        assert collector.count == 1000


def test_mosquittos_own_passwords_are_known_and_ours_are_taken(made, come, tmp_path):
    site = made("attic")
    path = tmp_path / "own"
    path.write_text("attic:secret\n")
    path.chmod(0o600)
    subprocess.run([toolchain.mosquitto_passwd(), "-U", path], check=True, timeout=20)
    assert accounts.is_hash_of(accounts.parsed(path.read_text())["attic"], "secret")
    lines = accounts.parsed((site.folder / "passwords").read_text())
    assert accounts.is_hash_of(lines["attic"], account("attic").password)
    with started() as broker:
        assert come(broker, "attic").client.is_connected()


# ---- revoke


def test_revoked_while_it_is_connected(made, come, capsys):
    made("attic", "attic2")
    with started() as broker:
        page = come(broker, "page").listen("outpost/+/status")
        gone, stays = come(broker, "attic2"), come(broker, "attic")
        assert main(["revoke", "--node", "attic2"]) == 0
        assert "the broker that runs knows it" in capsys.readouterr().out
        until(lambda: gone.lost, 3, "the end of its connection")
        refused = []
        again = paho.Client(paho.CallbackAPIVersion.VERSION2, "x", reconnect_on_failure=False)
        again.username_pw_set(*account("attic2"))
        again.on_connect = lambda client, data, flags, reason, more: refused.append(reason)
        again.connect(HOST, broker.local)
        again.loop_start()
        until(lambda: refused, 5, "an answer")
        again.loop_stop()
        assert refused[0].is_failure
        stays.say(("outpost/attic/status", "online"))
        until(lambda: ("outpost/attic/status", "online") in page.got, 5, "the other node")
        assert not stays.lost and not page.lost
        # a new node comes without anybody losing the connection, the new password of the old one, too
        made("porch", words=["--node", "attic2"])
        time.sleep(0.5)  # mosquitto looks for signals ten times a second
        come(broker, "porch").say(("outpost/porch/status", "online"))
        come(broker, "attic2").say(("outpost/attic2/status", "online"))
        until(lambda: len(page.got) == 4, 5, "the new node")
        assert ("outpost/attic2/status", "offline") in page.got
        assert not stays.lost and not page.lost


def test_a_renewed_certificate_is_shown_without_a_restart(made):
    made("attic")
    with started() as broker:
        first = ssl.get_server_certificate((HOST, broker.port))
        made(words=["--host", f"{HOST},broker.lan"])
        renewed = Path("broker/server.pem").read_text()
        until(lambda: ssl.get_server_certificate((HOST, broker.port)) == renewed, 5, "the new one")
        assert ssl.get_server_certificate((HOST, broker.port)) != first


# ---- make broker RUN=1


def run(*words, folder=None):
    return subprocess.Popen(
        [sys.executable, "-m", "station", "broker", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        start_new_session=True,
    )


def ports():
    return ["--port", str(free_port()), "--local", str(free_port())]


def test_run_proves_itself_and_ends_by_ctrl_c(made, come):
    made("attic", "cellar")
    memory = Site(Path("broker")).memory
    process = run("--run")
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line.startswith("it runs: "):
            break
    said = "\n".join(lines)
    assert len([line for line in lines if line.startswith("ok ")]) == len(proof.PROOFS), said
    assert f"127.0.0.1:{memory.port}, 127.0.0.1:{memory.local}" in lines[-1]
    collector = Someone(memory.local, account("collector"), name="c", keeps=True)
    collector.listen("outpost/#").leave()
    # a second one is told what is in the way
    second = run("--run")
    assert "a broker runs in broker already" in second.communicate(timeout=60)[0]
    assert second.returncode == 1
    started_at = server.running(Path("broker"))
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "Traceback" not in told
    assert server.running(Path("broker")) is None and started_at is not None
    assert "mosquitto version" in Path("broker/data/mosquitto.log").read_text()
    # nothing of the proof is in its memory
    assert b"proof" not in Path("broker/data/mosquitto.db").read_bytes()


def test_run_without_any_node_yet(folder):
    process = run("--run", "--seconds", "1", "--host", HOST, *ports(), folder=folder)
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 0, said
    assert said.count("  ok ") == len(proof.PROOFS)
    assert "proof" not in Path("broker/passwords").read_text()


def test_a_port_that_is_in_use(folder):
    words = ports()
    import socket

    with socket.socket() as taken:
        taken.bind((HOST, int(words[3])))
        taken.listen()
        process = run("--run", "--host", HOST, *words, folder=folder)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert f"error: port {words[3]} is in use: another broker runs here" in said
    process = run("--run", "--host", HOST, "--listen", "192.0.2.77", folder=folder)
    assert "LISTEN=192.0.2.77 is not this computer's" in process.communicate(timeout=60)[
        0
    ].replace("--listen ", "LISTEN=")


@pytest.mark.parametrize(
    ("file", "old", "new", "failed"),
    [
        ("acl", "topic readwrite outpost/attic/#", "topic readwrite #", "a forged one does not"),
        ("acl", "topic readwrite outpost/attic/#", "topic read #", "a reading of a node arrives"),
        ("acl", "user attic\n", "user attic\ntopic read outpost/#\n", "hears nothing of others"),
        ("mosquitto.conf", "1000000000", "100", "1,200 readings wait"),
        ("mosquitto.conf", "persistence true", "persistence false", "1,200 readings wait"),
        ("mosquitto.conf", "as_clientid true", "as_clientid false", "does not take what waits"),
        ("mosquitto.conf", "false\npassword_file passwords\n", "true\n", "stays out"),
    ],
)
def test_a_proof_fails_where_a_promise_is_broken(
    made, capsys, monkeypatch, file, old, new, failed
):
    site = made("attic", "cellar")
    if file == "acl":
        path = site.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    else:
        conf = settings.conf
        monkeypatch.setattr(settings, "conf", lambda *w, **m: conf(*w, **m).replace(old, new))
    monkeypatch.setattr(proof, "PATIENCE_S", 3)
    place = site.memory.nodes["attic"]
    cast = proof.Cast(account("attic"), place, "cellar", account("collector"))
    capsys.readouterr()
    assert proof.prove(toolchain.mosquitto(), site.folder, 64, cast) is False
    lines = [line for line in capsys.readouterr().out.splitlines() if "  failed " in line]
    assert any(failed in line for line in lines), lines


# ---- beyond this computer


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_a_node_takes_what_it_is_given(made, nodes, come, board):
    """A whole node, with the settings that were written for it: account, port, certificate."""
    made("n1")
    with started() as broker:
        entry = json.loads(Path("nodes/n1.json").read_text())["mqtt"]["brokers"][0]
        assert entry["tls"] == {"ca": "broker/ca.pem", "server_name": "outpost-broker"}
        collector = come(broker, "collector", name="c").listen("outpost/+/reading/#")
        operator = come(broker, "operator").listen("outpost/#")
        node = nodes(node_settings([entry], board, sensors=stream(board)), board)
        (node.flash / "broker").mkdir()
        shutil.copy("broker/ca.pem", node.flash / "broker" / "ca.pem")
        node.start()
        until(lambda: len(collector.got) > 3, 25, "readings", lambda: node.output[-2000:])
        operator.say(("outpost/n1/cmd/identify", '{"id": 7}'))
        until(
            lambda: any(topic == "outpost/n1/reply" for topic, _ in operator.got), 10, "the reply"
        )
        assert "forbids" not in node.output and "lets this node" not in node.output
        main(["revoke", "--node", "n1"])
        node.wait_for("not authorised", 20)
        until(lambda: ("outpost/n1/status", "offline") in operator.got, 5, "that it is offline")


def test_two_sites(folder, made, come):
    """What is published at one is published at the other, commands the other way; an outage between them loses nothing."""
    made("attic")
    far = folder / "far"
    (far / "nodes").mkdir(parents=True)
    (far / "nodes" / "barn.json").write_text('{"sensors": []}')
    assert main(["broker", "--host", HOST, "--accounts", "site-far"]) == 0
    with started() as here:
        # `far` reaches this one over TLS, with the file that was made for it
        shutil.copytree("broker.private", far / "given")
        os.chdir(far)
        assert main(["broker", "--host", HOST, "--bridge", "given/site-far.json", *ports()]) == 0
        conf = Path("broker/mosquitto.conf").read_text()
        assert main(["broker"]) == 0  # it is remembered
        assert Path("broker/mosquitto.conf").read_text() == conf
        site = Site(Path("broker"))
        places = [*site.memory.nodes.values()]
        bridge = setup.bridge_of(site, None, places)
        os.chdir(folder)
        with started(far / "broker", bridge=bridge) as there:
            collector = come(here, "collector", name="c").listen("outpost/+/reading/#")
            barn = Someone(there.local, account("barn", far))
            barn.listen("outpost/barn/cmd/+")
            barn.say(("outpost/barn/reading/air", "1"))
            until(lambda: ("outpost/barn/reading/air", "1") in collector.got, 15, "the reading")
            come(here, "page").say(("outpost/barn/cmd/restart", "x"))
            until(lambda: barn.got, 10, "the command")
            collector.leave()
            collector = come(here, "collector", name="d", keeps=True)
            collector.listen("outpost/+/reading/#").leave()
            here.stop()
            waiting = {("outpost/barn/reading/air", str(number)) for number in range(2, 1500)}
            barn.say(*waiting)
            here.start()
            collector = come(here, "collector", name="d", keeps=True)
            until(lambda: collector.got >= waiting, 40, "what waited")
            barn.leave()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_understands_the_unit(made):
    made("attic")
    unit = Path("broker") / settings.UNIT_NAME
    text = re.sub("ExecStart=\\S+", "ExecStart=/bin/true", unit.read_text())
    unit.write_text(text.replace("User=mosquitto", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit.resolve()],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert settings.UNIT_NAME not in done.stderr, done.stderr
