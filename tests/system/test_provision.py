"""`provision` from a board without anything to a node that a subscriber sees, and what it says when that cannot be."""

import csv
import json
import os
import pty
import select
import sys
import time

import pytest
from outside import NODE, SECRETS, sensors

from tests.host.ptyhost import PtyBoard
from tools import ROOT
from tools.__main__ import main
from tools.boards import boardtrial, deploy, newnode, ports
from tools.image import image
from tools.settings.judge import BAD_CONFIG

AIR = [
    {"at_s": 0, "do": "access_point", "ssid": "attic", "key": SECRETS[2], "rssi": -50},
    {"at_s": 0, "do": "access_point", "ssid": "neighbour", "key": "x" * 8, "rssi": -81},
    {"at_s": 0, "do": "access_point", "ssid": "guests", "key": "", "rssi": -70},
]


@pytest.fixture(scope="module")
def firmware():
    return deploy.build()


@pytest.fixture(scope="module")
def installed(firmware):
    """What an earlier deploy has put on a board."""
    slot = {"slots/a": image.of(firmware).data, "state/slot": b'{"good": "slots/a"}'}
    return deploy.started(firmware) | slot


@pytest.fixture
def board_in(tmp_path):
    """board_in("a") makes a board in a folder of its own, with networks in the air."""
    scenario = tmp_path / "air.json"
    scenario.write_text(json.dumps(AIR))

    def make(name="a", **kind):
        folder = tmp_path / name
        folder.mkdir()
        board = PtyBoard(
            folder, fakes=True, env={"OUTPOST_SCENARIO": f"/outside{scenario}"}, **kind
        )
        board.port = str(folder / f"tty-{name}")
        return board

    return make


@pytest.fixture
def call(tmp_path, capsys, monkeypatch, firmware):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploy, "build", lambda: dict(firmware))

    def run(*words):
        status = main(["provision", "--wait", "40", *(str(word) for word in words)])
        said = "".join(capsys.readouterr())
        assert not [secret for secret in SECRETS if secret in said]
        return status, said

    return run


def answers(broker, **changes):
    return {
        "name": "n1",
        "ssid": "attic",
        "password": SECRETS[2],
        "host": "127.0.0.1",
        "port": broker.port,
        "user": NODE[0],
        "broker_password": NODE[1],
    } | changes


def written(tmp_path, found):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize(("model", "usb"), [("esp32", False), ("pico_w", True)])
def test_from_nothing_to_a_node_that_is_online(model, usb, board_in, call, broker, seen, tmp_path):
    with board_in(board=model, usb=usb) as board:
        status, said = call("--port", board.port, "--answers", written(tmp_path, answers(broker)))
        assert status == 0, said
        assert "settings to begin with: none" in said
        assert "  good: joined attic, address 192.168.1.57\n" in said
        assert f"  good: broker 127.0.0.1:{broker.port} accepts the node\n" in said
        assert "outpost/n1 is online" in said
        seen.wait_for("n1/status", "online")
    files = board.files()
    assert json.loads(files["state/slot"]) == {"good": "slots/a"}
    assert json.loads(files["config.json"])["wifi"] == {
        "networks": [{"ssid": "attic", "password": SECRETS[2]}]
    }
    assert "config.json.new" not in files


def test_the_files_that_ran_before_go_when_it_was_online(
    board_in, call, broker, firmware, tmp_path
):
    board = board_in()
    board.put(firmware)
    with board:
        status, said = call("--port", board.port, "--answers", written(tmp_path, answers(broker)))
        assert status == 0, said
        assert said.index("  good: broker") < said.index("files that ran before are not needed")
        assert "outpost/n1 is online" in said
    files = board.files()
    assert "slots/a" in files and not [
        path for path in files if path.startswith(("firmware/", "lib/"))
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ssid": "nowhere"}, "Wi-Fi nowhere: network not found, check its name"),
        ({"password": "wrong-password"}, "Wi-Fi attic: "),
        ({"port": 1}, "broker 127.0.0.1:1: nothing listens on that port; check it"),
        ({"broker_password": "wrong"}, "check user and password"),
    ],
)
def test_what_does_not_work_is_not_kept(change, text, board_in, call, broker, installed, tmp_path):
    there = {
        "wifi": {"networks": [{"ssid": "attic", "password": SECRETS[2]}]},
        "mqtt": {"brokers": [{"host": "127.0.0.1"}]},
        "sensors": sensors()[:1],
    }
    board = board_in()
    board.put(installed | {"config.json": json.dumps(there).encode()})
    with board:
        path = written(tmp_path, answers(broker, **change))
        status, said = call("--port", board.port, "--answers", path)
        assert status == newnode.UNTRIED, said
        assert text in said
        assert "the board's settings are as they were" in said
        assert "the firmware is there\n" in said
    files = board.files()
    assert json.loads(files["config.json"]) == there
    assert "config.json.new" not in files


def test_kept_all_the_same(board_in, call, broker, installed, tmp_path):
    board = board_in()
    board.put(installed)
    with board:
        path = written(tmp_path, answers(broker, port=1))
        status, said = call("--port", board.port, "--answers", path, "--keep-anyway")
        assert status == 0, said
        assert "kept, though it did not work" in said
    assert json.loads(board.files()["config.json"])["mqtt"]["brokers"][0]["port"] == 1


def test_stopped_in_mid_trial(board_in, call, broker, installed, tmp_path, monkeypatch):
    def stop(link, settings, line):
        assert link.answer(
            f"import os\nprint('@' + repr({boardtrial.CANDIDATE!r} in os.listdir()))"
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(boardtrial, "run", stop)
    board = board_in()
    board.put(installed)
    with board:
        status, said = call("--port", board.port, "--answers", written(tmp_path, answers(broker)))
        assert status == 130
        assert "stopped; the node restarts" in said
        time.sleep(1)
    assert board.starts[-1] == "hard"
    assert boardtrial.CANDIDATE not in board.files()


def test_answers_that_no_node_can_use(board_in, call, broker, tmp_path):
    with board_in() as board:
        path = written(tmp_path, answers(broker, password="short", name="a/b"))
        status, said = call("--port", board.port, "--answers", path)
        assert status == BAD_CONFIG
        assert "wifi.networks[0].password: " in said
        assert "node.name: " in said
    assert "slots/a" not in board.files()


def test_two_boards_of_a_csv(board_in, call, brokers, tmp_path):
    from outside import own_topics

    broker = brokers(acl={NODE[0]: own_topics("n1") + own_topics("n2")})
    rows = [
        answers(broker, name="n1", board=""),
        answers(broker, name="n2", board="24:6F:28:A1:B2:C3"),
        answers(broker, name="n3", board=""),
    ]
    path = tmp_path / "nodes.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with board_in("a", board="esp32") as a, board_in("b", board="pico_w") as b:
        status, said = call("--port", f"{a.port},{b.port}", "--csv", path)
        assert status == 0, said
        assert "tty-a: becomes n2\n" in said
        assert "tty-b: becomes n1\n" in said
    results = list(csv.DictReader((tmp_path / "nodes-results.csv").open()))
    assert [(row["name"], row["board"], row["result"]) for row in results] == [
        ("n1", "e661640843a1b2c3", "good"),
        ("n2", "246f28a1b2c3", "good"),
    ]
    assert not [
        secret for secret in SECRETS if secret in (tmp_path / "nodes-results.csv").read_text()
    ]


class Terminal:
    """The command at a terminal of its own, and who types there."""

    def __init__(self, folder, *words):
        self.said = ""
        self.seen = 0
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
            command = [sys.executable, "-m", "tools", "provision", *words]
            os.execve(sys.executable, command, environment)
        self.pid = pid

    def until(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.said[self.seen :]:
            assert time.monotonic() < deadline, f"no {text!r} in {self.said}"
            if select.select([self.fd], [], [], 0.2)[0]:
                self._read()
        self.seen = self.said.index(text, self.seen) + len(text)

    def _read(self):
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # the end, on Linux
            data = b""
        assert data, f"it ended: {self.said}"
        self.said += data.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def status(self):
        while True:
            try:
                self._read()
            except AssertionError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_questions_at_a_terminal(board_in, broker, seen, tmp_path):
    with board_in() as board:
        terminal = Terminal(tmp_path, "--port", board.port, "--wait", "40")
        try:
            terminal.until("Wi-Fi network, number or name: ", 90)
            assert "1  attic  -50 dBm, good" in terminal.said
            assert "4  neighbour  -81 dBm, weak" in terminal.said
            assert "guests  -70 dBm, fair, open" in terminal.said
            terminal.type("1")
            terminal.until("its password (not shown; empty: none): ")
            terminal.type("wrong-password")
            terminal.until("broker, name or address: ")
            terminal.type("127.0.0.1")
            terminal.until("its port (empty: the usual one): ")
            terminal.type(str(broker.port))
            terminal.until("user name there: ")
            terminal.type(NODE[0])
            terminal.until("its password (not shown; empty: none): ")
            terminal.type(NODE[1])
            terminal.until("name of the node [esp32-a1b2c3]: ")
            terminal.type("n1")
            terminal.until("that does not work: Wi-Fi attic: ", 120)
            terminal.until("leave the board as it was (l)? ")
            terminal.type("a")
            terminal.until("Wi-Fi network, number or name [attic]: ")
            terminal.type("")
            terminal.until("its password (not shown; empty: as it is): ")
            terminal.type(SECRETS[2])
            for question in ("address [127.0.0.1]: ", f"port [{broker.port}]: ", f"[{NODE[0]}]: "):
                terminal.until(question)
                terminal.type("")
            terminal.until("empty: as it is): ")
            terminal.type("")
            terminal.until("[n1]: ")
            terminal.type("")
            terminal.until("outpost/n1 is online", 120)
            assert terminal.status() == 0
        finally:
            os.close(terminal.fd)
        seen.wait_for("n1/status", "online")
    assert not [secret for secret in (*SECRETS, "wrong-password") if secret in terminal.said]


def test_without_a_terminal_there_are_no_questions(call, monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    status, said = call()
    assert status == 2
    assert "give ANSWERS=file.json or CSV=nodes.csv" in said
