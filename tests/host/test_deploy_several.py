"""`deploy` to several boards at once: each its own lines and result, one table, one exit code."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from deploying import CONFIG, FIRMWARE, SECRETS, port, settings_file

from tests.host.ptyhost import PtyBoard
from tools import ROOT
from tools.__main__ import main
from tools.boards import deploy, ports, serialboard

IDS = ("240ac4000001", "240ac4000002", "240ac4000003")


@pytest.fixture
def boards(tmp_path):
    """Three boards, each in a folder of its own."""
    made = []
    for number, board_id in enumerate(IDS):
        folder = tmp_path / f"board{number}"
        folder.mkdir()
        made.append(PtyBoard(folder, board_id=board_id))
        made[-1].port = str(folder / f"tty{number}")
    yield made
    for board in made:
        board.power_off()


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """Run `deploy` where config.json is: (exit code, what it said)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploy, "build", lambda: dict(FIRMWARE))
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.6)
    settings_file(tmp_path)

    def run(*words):
        status = main(["deploy", "--wait", "8", *words])
        said = "".join(capsys.readouterr())
        assert not [secret for secret in SECRETS if secret in said]
        return status, said

    return run


def power_on(boards):
    for board in boards:
        board.power_on()
    return ",".join(board.port for board in boards)


def rows(said):
    """The table at the end: {board: (node, result)}."""
    lines = said[said.index("board  ") :].splitlines()[1:]
    cells = [re.split(r"  +", line, maxsplit=2) for line in lines if line]
    return {cell[0]: tuple(cell[1:]) for cell in cells if len(cell) == 3}


def test_all_there_are(boards, call, monkeypatch):
    power_on(boards[:2])
    listed = [port(board.port) for board in boards[:2]] + [port("/dev/ttyS0", vid=None)]
    monkeypatch.setattr(ports.list_ports, "comports", lambda: listed)
    status, said = call("--port", "all")
    assert status == 0, said
    for number in (0, 1):
        node, result = rows(said)[f"tty{number}"]
        assert node == "esp32-a1b2c3"
        assert re.fullmatch(r"online, copied 4 files, [\d,]+ bytes, in \d+ s", result)
        assert f"tty{number}: settings: config.json\n" in said
        assert re.search(rf"^tty{number}: 100 % of [\d,]+ bytes$", said, re.M)
    assert boards[0].files() == boards[1].files()
    assert set(boards[0].files()) == {"boot.py", "main.py", "config.json", "slots/a", "state/slot"}


@pytest.mark.slow
def test_one_that_fails_stops_no_other(boards, call):
    boards[1].setup["version"] = (1, 20, 0)
    boards[2].cut_bytes = 9000
    status, said = call("--port", power_on(boards))
    assert status == ports.UNSUITABLE  # the first one's in the table
    table = rows(said)
    assert list(table) == ["tty0", "tty1", "tty2"]
    assert table["tty0"][1].startswith("online, copied")
    assert "MicroPython is 1.20.0, Outpost needs 1.25" in table["tty1"][1]
    assert "lost the board" in table["tty2"][1]
    assert "tty1: error: the board's MicroPython is 1.20.0" in said
    assert boards[1].files() == {}


def test_all_of_none(call, monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    status, said = call("--port", "all")
    assert status == ports.NO_BOARD
    assert "no board found" in said


@pytest.mark.slow
def test_the_firmware_is_compiled_once(boards, call, monkeypatch):
    built = []
    monkeypatch.setattr(deploy, "build", lambda: built.append(1) or dict(FIRMWARE))
    assert call("--port", power_on(boards[:2]), "--wait", "0")[0] == 0
    assert built == [1]


def test_several_are_not_made_one_node(boards, call, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "node": {"name": "attic"}}))
    status, said = call("--port", power_on(boards[:2]))
    assert status == deploy.BAD_CONFIG
    assert "node.name: is one for 2 boards" in said
    assert "nodes/<name>.json" in said
    assert [board.heard for board in boards[:2]] == [0, 0]


@pytest.mark.slow
def test_a_dry_run_of_several(boards, call):
    status, said = call("--port", power_on(boards[:2]), "--dry-run")
    assert status == 0
    assert "tty0:   would write   slots/a" in said
    assert rows(said)["tty1"][1].startswith("would copy 4 files")
    for board in boards[:2]:
        board.wait_for(lambda board=board: board.starts[-1] == "hard" and board.ready)
    assert boards[0].files() == {}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_mid_copy_all_nodes_start_again(number, boards, tmp_path):
    """As a process of its own: the whole firmware takes long enough to be interrupted."""
    settings_file(tmp_path)
    for board in boards[:2]:
        board.put(
            {"main.py": b"import time\nprint('node runs')\nwhile True:\n    time.sleep(1)\n"}
        )
    words = [sys.executable, "-m", "tools", "deploy", "--port", power_on(boards[:2])]
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = ""
        for line in process.stdout:
            said += line
            if "25 %" in line:
                process.send_signal(number)
                break
        said += process.stdout.read()
    assert process.returncode == 128 + number, said
    assert "stopping; the nodes restart" in said
    assert [row[1] for row in rows(said).values()] == ["stopped", "stopped"]
    for board in boards[:2]:
        board.wait_for(lambda board=board: board.starts[-1] == "hard")
        board.wait_until_said(b"node runs")


HANGS = """
import os, time
from tools.__main__ import answered
from tools.boards import several

def work(port, line, stopped):
    os.write(1, b"works\\n")  # in one piece: two threads do
    stopped.wait()
    os.write(1, b"stopped\\n")
    time.sleep(60)

answered(lambda: several.run(["/dev/a", "/dev/b"], work))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_waits_for_no_board(number):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    code = f"import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n{HANGS}"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            for word, lines in (("works\n", 2), ("stopped\n", 4)):
                assert word in [process.stdout.readline() for _ in range(lines)]
                process.send_signal(number)
            said = process.stdout.read()
            assert process.wait(20) == 128 + number, said
        finally:
            process.kill()
    assert rows(said) == {"a": ("-", "stopped"), "b": ("-", "stopped")}
