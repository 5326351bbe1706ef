"""Which settings `deploy` brings to a board: a file, a node's overlay, or those that are there."""

import json
import re

import pytest
from deploying import CONFIG, FIRMWARE, SECRETS, filled_in

from tests.host.ptyhost import PtyBoard
from tools import ROOT
from tools.__main__ import main
from tools.boards import deploy, online, serialboard
from tools.settings import overlays

BOARD_ID = "240ac4a1b2c3"
THERE = CONFIG | {"node": {"name": "cellar"}}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The user's folder; write("nodes/attic.json", {…}) puts JSON there."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    return write


@pytest.fixture
def call(here, capsys, monkeypatch):
    monkeypatch.setattr(deploy, "build", lambda: dict(FIRMWARE))
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.6)

    def run(command, *words):
        status = main([command, *words])
        said = "".join(capsys.readouterr())
        assert not [secret for secret in SECRETS if secret in said]
        return status, said

    return run


@pytest.fixture
def deployed(tmp_path, call):
    """deployed({files there}, words…): (exit code, what was said, what config.json on the board is then)."""

    def run(there, *words):
        board = PtyBoard(tmp_path, board_id=BOARD_ID)
        if there:
            board.put({path: json.dumps(data).encode() for path, data in there.items()})
        with board:
            status, said = call("deploy", "--port", board.port, "--wait", "0", *words)
        data = board.files().get("config.json")
        return status, said, json.loads(data) if data else None

    return run


def test_without_one_here_the_boards_own_is_kept(deployed):
    status, said, config = deployed({"config.json": THERE})
    assert status == 0, said
    assert "settings: the board's own is kept (there is no config.json here)" in said
    assert config == THERE


@pytest.mark.slow
def test_one_here_replaces_it_unless_it_is_to_be_kept(deployed, here):
    here("config.json", CONFIG)
    status, said, config = deployed({"config.json": THERE}, "--keep")
    assert (status, config) == (0, THERE), said
    assert "the board's own is kept (as asked)" in said
    status, said, config = deployed(None)
    assert (status, config) == (0, CONFIG), said
    assert "settings: config.json\n" in said


@pytest.mark.slow
def test_a_file_that_is_named(deployed, here):
    here("config.json", CONFIG)
    here("other.json", THERE)
    here("nodes/attic.json", {})
    words = ("--config", "other.json", "--wait", "10")
    status, said, config = deployed({"config.json": CONFIG}, *words)
    assert (status, config) == (0, THERE)
    assert "settings: other.json\n" in said
    assert "cellar is online. See what it publishes: make watch CONFIG=other.json\n" in said


@pytest.mark.slow
def test_how_to_watch_a_node_whose_settings_are_only_on_it(deployed):
    status, said, _ = deployed({"config.json": THERE}, "--wait", "10")
    assert status == 0
    assert "cellar is online. See what it publishes: mosquitto_sub -h 192.0.2.1 " in said
    assert "make watch" not in said


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--keep",)])
def test_what_the_firmware_cannot_use_is_not_kept(words, deployed):
    bad = THERE | {
        "log": {"level": "loud"},
        "sensors": [{"name": "d", "type": "input", "pin": 99}],
    }
    status, said, config = deployed({"config.json": bad}, *words)
    assert status == deploy.BAD_CONFIG
    assert "the board's own config cannot be used" in said
    assert "log.level: " in said
    assert "sensors[0].pin: " in said
    assert "CONFIG=file" in said
    assert config == bad


@pytest.mark.slow
def test_a_kept_one_needs_the_files_it_names(deployed):
    tls = CONFIG | {"mqtt": {"brokers": [{"host": "192.0.2.1", "tls": {"ca": "certs/ca.der"}}]}}
    status, said, _ = deployed({"config.json": tls})
    assert status == deploy.BAD_CONFIG
    assert "mqtt.brokers[0].tls.ca: certs/ca.der is not on the board" in said


@pytest.mark.slow
def test_nothing_to_keep(deployed):
    status, said, config = deployed(None)
    assert status == deploy.BAD_CONFIG
    assert "make config BOARD=pico_w writes one" in said
    assert "make provision PORT=/" in said
    assert "on a phone: make deploy KEEP=1" in said
    assert config is None


PAGE = b"""\
import time
print("provisioning: join the Wi-Fi network outpost-a1b2c3, password k7m2q-9xw4t, and open http://192.168.4.1/")
while True:
    time.sleep(1)
"""


@pytest.mark.slow
def test_settings_that_come_from_a_phone(deployed, monkeypatch):
    """A node without settings opens its page: deploy waits for it, and says what the phone has to join."""
    status, said, config = deployed(None, "--keep")
    assert (status, config) == (0, None), said
    assert "settings: there are none: they come from a phone" in said
    assert re.search(r"What a phone has to join: make logs PORT=/", said)
    monkeypatch.setitem(FIRMWARE, "main.py", PAGE)
    status, said, config = deployed(None, "--keep", "--wait", "10")
    assert (status, config) == (0, None), said
    assert "\njoin the Wi-Fi network outpost-a1b2c3, password k7m2q-9xw4t, and open http" in said
    monkeypatch.setitem(FIRMWARE, "main.py", b"print('no radio')")
    status, said, _ = deployed(None, "--keep", "--wait", "5")
    assert status == online.OFFLINE
    assert "the page for a phone is not open after 5 s" in said and "    no radio" in said


@pytest.mark.slow
def test_what_contradicts_itself(deployed):
    status, said, _ = deployed(None, "--keep", "--config", "x.json")
    assert status != 0
    status, said, _ = deployed(None, "--keep", "--node", "attic")
    assert status == 2
    assert "KEEP=1" in said


# ---- overlays

ATTIC = {
    "board": "24:0A:C4:A1:B2:C3",
    "wifi": {"country": "DE"},
    "sensors": [{"name": "room", "type": "dht22", "pin": 27}],
}


def merged(common, patch, name):
    return overlays.merge(overlays.merge(common, patch), {"node": {"name": name}, "board": None})


@pytest.mark.slow
def test_an_overlay_by_name_then_again(deployed, here):
    here("config.json", CONFIG | {"log": {"level": "debug"}})
    here("nodes/attic.json", ATTIC | {"log": None})
    status, said, config = deployed(None, "--node", "attic")
    assert status == 0, said
    assert "settings: nodes/attic.json over config.json" in said
    assert config == CONFIG | {
        "node": {"name": "attic"},
        "wifi": CONFIG["wifi"] | {"country": "DE"},
        "sensors": ATTIC["sensors"],
    }
    assert "nothing to copy" in deployed(None, "--node", "attic")[1]


def test_an_overlay_by_the_boards_id(deployed, here):
    here("config.json", CONFIG)
    here("nodes/attic.json", ATTIC)
    here("nodes/cellar.json", {})
    status, said, config = deployed({"config.json": THERE})  # the id counts, not the name on it
    assert status == 0, said
    assert config["node"]["name"] == "attic"


@pytest.mark.slow
def test_an_overlay_by_the_name_on_the_board(deployed, here):
    here("config.json", CONFIG)
    here("nodes/cellar.json", {"publish": {"qos": 2}})
    status, said, config = deployed({"config.json": THERE})
    assert status == 0, said
    assert "nodes/cellar.json over config.json" in said
    assert config == THERE | {"publish": {"qos": 2}}


@pytest.mark.slow
def test_a_board_with_too_little_ram_is_warned_of(deployed, here):
    """The simulated ESP32 has no PSRAM."""
    here("config.json", CONFIG | {"outbox": {"ram_bytes": 65536}})
    status, said, _ = deployed({})
    assert status == 0
    assert "\nwarning: memory: these settings take about " in said
    assert "an esp32 without PSRAM has 112" in said
    assert "; it may run out of it: take a pico2_w, or an ESP32 with PSRAM\n" in said


def test_a_board_that_is_none_of_them(deployed, here):
    here("config.json", CONFIG)
    here("nodes/cellar.json", {"board": "e6614103e7452d2f"})
    for there in (None, {"config.json": THERE}):  # of that name, but another board
        status, said, config = deployed(there)
        assert status == deploy.BAD_CONFIG
        assert f'put "board": "{BOARD_ID}" into the file of the node it is' in said
        assert config == (there and THERE)


@pytest.mark.slow
def test_the_pins_are_checked_against_the_board(deployed, here):
    here("config.json", CONFIG)
    here("nodes/attic.json", {"sensors": [{"name": "door", "type": "input", "pin": 99}]})
    status, said, config = deployed(None, "--node", "attic")
    assert status == deploy.BAD_CONFIG
    assert "nodes/attic.json over config.json cannot be used" in said
    assert config is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "line 1"),
        ([1], "config: is not an object"),
        ({"node": {"name": "cellar"}}, "node.name: is not that of the file, leave it out"),
        ({"node": "attic"}, "node: is not an object"),
        ({"board": 12}, "board: is not text"),
        ({"sensor": []}, "sensor: unknown"),
    ],
)
def test_an_overlay_that_is_none(content, fault, call, here):
    here("config.json", CONFIG)
    here("nodes/attic.json", content)
    status, said = call("deploy", "--port", "loop://", "--node", "attic")
    assert status == deploy.BAD_CONFIG
    assert fault in said
    status, said = call("check-config", "--node", "attic")
    assert status == 1
    assert fault in said


def test_check_config_of_overlays(call, here):
    here("config.json", CONFIG)
    status, said = call("check-config", "--node", "attic")
    assert status == 1
    assert "nodes/attic.json: is not there; there is none at all" in said
    assert call("check-config", "--node", "all")[0] == 1
    here("nodes/attic.json", ATTIC)
    here("nodes/cellar.json", {"publish": {"qos": 7}})
    status, said = call("check-config", "--node", "attic", "--board", "pico2_w")
    assert status == 0
    assert said.endswith("\nnodes/attic.json over config.json: good\n")
    status, said = call("check-config", "--node", "all")
    assert status == 1
    assert "nodes/attic.json over config.json: good" in said
    assert "nodes/cellar.json over config.json: publish.qos: " in said
    here("nodes/cellar.json", {"board": ATTIC["board"].lower()})
    status, said = call("check-config", "--node", "all")
    assert status == 1
    assert "board: nodes/attic.json has the same" in said


def test_every_bad_overlay_is_told(call, here):
    """It named only the first one that was none."""
    here("config.json", CONFIG)
    here("nodes/attic.json", "{")
    here("nodes/barn.json", ATTIC)
    here("nodes/cellar.json", {"publish": {"qos": 7}})
    here("nodes/door.json", {"node": 1, "board": 2})
    here("nodes/east.json", {"board": ATTIC["board"]})
    status, said = call("check-config", "--node", "all")
    assert status == 1
    for told in (
        "nodes/attic.json: line 1",
        "nodes/barn.json over config.json: good",
        "nodes/cellar.json over config.json: publish.qos: ",
        "nodes/door.json: board: is not text",
        "nodes/door.json: node: is not an object",
        "nodes/east.json: board: nodes/barn.json has the same",
        "4 of 5 cannot be used",
    ):
        assert told in said, said
    status, said = call("deploy", "--port", "loop://")
    assert status == deploy.BAD_CONFIG
    assert "nodes cannot be used:" in said
    for told in ("attic.json: line 1", "door.json: node: is not", "east.json: board: "):
        assert "\n  " + told in said, said


# RFC 7396, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target, patch, result):
    before = json.dumps(target)
    assert overlays.merge(target, patch) == result
    assert json.dumps(target) == before


def test_the_example_of_the_page(call, here):
    page = (ROOT / "docs/deploy.md").read_text()
    here("config.json", filled_in((ROOT / "config.json.example").read_text()))
    here("nodes/attic.json", re.search(r"^```json\n(.*?)^```", page, re.M | re.S)[1])
    status, said = call("check-config", "--node", "attic", "--board", "pico_w")
    assert status == 0
    assert said.endswith("\nnodes/attic.json over config.json: good\n")
