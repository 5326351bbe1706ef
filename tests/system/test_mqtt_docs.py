"""docs/mqtt.md: what it prints runs, what it lists is there, and what is there it lists."""

import ast
import re

import pytest
from mqtt_board import Board, Listener, run

from tools import ROOT

PAGE = (ROOT / "docs" / "mqtt.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def the_program(sign):
    (found,) = [each for each in PROGRAMS if sign in each]
    return found


@pytest.fixture
def broker(brokers):
    return brokers(users={"me": "secret"}, acl=None)


def status(listener, first):
    return [m.payload for m in listener.messages[first:] if m.topic == "attic/status"]


def test_the_example_runs_as_printed(broker):
    """All that is changed is the broker's address."""
    example = PROGRAMS[0]
    assert example.count('"192.168.1.2"') == 1
    here = example.replace('"192.168.1.2"', f'"127.0.0.1", {broker.port}')
    with Listener(broker.port, "attic/#", user="me", password="secret") as listener:
        with Board(here) as board:
            assert listener.wait(2) == [b"online", b"21.3"]
            listener.client.publish("attic/lamp", b"on", qos=1)
            said = board.process.stdout.readline()
            assert said == "b'attic/lamp' b'on'\n"
            broker.restart()
            # which publishes the will, keeps it, and gives it to whoever subscribes: some `offline` before the next
            first = len(listener.messages)
            listener.until(lambda: b"online" in status(listener, first))
        listener.until(lambda: status(listener, first)[-1] == b"offline")


def test_the_stream_example_runs(broker, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(bytes(range(256)) * 40)
    example = the_program("from mqtt import Stream").replace(
        "photo.jpg", str(tmp_path / "photo.jpg")
    )
    body = 'import os\nclient = Client("cam", "127.0.0.1", args["port"], user="me", password="secret")\n'
    with Listener(broker.port, "attic/photo", user="me", password="secret") as listener:
        run(body + "client.connect()\n" + example + "\nclient.disconnect()\n", port=broker.port)
        assert listener.wait(1) == [bytes(range(256)) * 40]


def test_the_matcher_example_runs():
    body = the_program("from mqtt import matches").replace('matches("', 'say(matches("', 1)
    line = next(line for line in body.splitlines() if line.startswith("say("))
    call = line.partition("  #")[0]
    said = run('topic = b"home/attic/temperature"\n' + body.replace(call, call + ")"))
    assert said == [True]


def public_names():
    """Methods, attributes and arguments of Client and of what it stands on."""
    for file in ("blocking.py", "client.py"):
        tree = ast.parse((ROOT / "lib" / "mqtt" / file).read_text())
        (made,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Client"]
        for node in made.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name
                if node.name in ("__init__", "start", "send", "restore"):
                    yield from (a.arg for a in node.args.args + node.args.kwonlyargs)
            if isinstance(node, ast.Assign):
                yield from (t.id for t in node.targets if isinstance(t, ast.Name))
        for node in ast.walk(made):
            stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if stored and getattr(node.value, "id", None) == "self":
                yield node.attr


def test_all_of_the_client_is_described():
    names = {name for name in public_names() if not name.startswith("_")}
    assert {"send", "step", "poll_ms", "fruitless", "window2", "early", "restore"} <= names
    umqtts = {"cb", "lw_topic", "lw_msg", "lw_retain", "lw_qos"}
    inner = umqtts | {"self", "callback_details"}
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    assert names - inner <= code, sorted(names - inner - code)


def test_every_file_is_named():
    section = PAGE.partition("## The files")[2].partition("\n## ")[0]
    named = set(re.findall(r"\w+\.py", section))
    assert named == {path.name for path in (ROOT / "lib" / "mqtt").glob("*.py")}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
