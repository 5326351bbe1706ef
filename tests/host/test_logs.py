"""`logs` and `repl` on a board behind a pseudo-terminal: they do not disturb what runs."""

import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.host.ptyhost import PtyBoard
from tools import ROOT, ports, serialboard
from tools.__main__ import main

TICKS = b"""\
import machine, time
for n in range(1000):
    print("tick", n)
    time.sleep(0.1)
    if n == RESET:
        machine.reset()
"""


def ticking(folder, reset_at=-1, **kind):
    board = PtyBoard(folder, **kind)
    board.put({"main.py": TICKS.replace(b"RESET", str(reset_at).encode())})
    return board


def test_logs_do_not_stop_the_node(tmp_path, capsys):
    with ticking(tmp_path) as board:
        board.wait_for(lambda: b"tick" in board.said)
        assert main(["logs", "--port", board.port, "--seconds", "1"]) == 0
        ticks = board.said.count(b"tick")
        board.wait_for(lambda: board.said.count(b"tick") > ticks)  # and it goes on
    said = capsys.readouterr().out
    assert re.search(r"^tick \d+$", said, re.M)
    assert "KeyboardInterrupt" not in said
    assert board.heard == 0
    assert board.starts == ["hard"]


@pytest.mark.slow
@pytest.mark.parametrize("usb", [False, True])
def test_logs_outlast_a_reset(usb, tmp_path, capsys):
    with ticking(tmp_path, reset_at=8, usb=usb) as board:
        assert main(["logs", "--port", board.port, "--seconds", "3"]) == 0
    said = capsys.readouterr().out
    assert "tick 8\n" in said
    assert said.count("tick 5\n") >= 2


@pytest.mark.slow
def test_logs_end_when_the_board_stays_away(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(serialboard, "_ABSENT_S", 0.5)
    board = ticking(tmp_path)
    board.power_on()
    try:
        with serialboard.Link(ports.find(board.port)) as link:
            lines = link.lines()
            assert next(line for line in lines if line)
            board.power_off()
            with pytest.raises(serialboard.LinkLost, match="did not come back"):
                list(lines)
    finally:
        board.power_off()


@pytest.mark.slow
def test_logs_end_with_ctrl_c(tmp_path):
    with ticking(tmp_path) as board:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools", "logs", "--port", board.port],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "what the board prints" in process.stdout.readline()
        assert "tick" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        assert process.returncode == 0


@pytest.mark.parametrize("command", ["logs", "repl"])
def test_no_board(command, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(ports.list_ports, "comports", list)
    assert main([command]) == ports.NO_BOARD
    assert "no board found" in capsys.readouterr().err


def test_repl_needs_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(["repl", "--port", "/dev/null"]) == 1
    assert "needs a terminal" in capsys.readouterr().err


@pytest.mark.slow
def test_repl(tmp_path):
    """A person types: the node runs on until Ctrl-C, then a line is answered, Ctrl-] leaves."""
    with ticking(tmp_path) as board:
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "tools", "repl", "--port", board.port])
        said = b""

        def until(text):
            nonlocal said
            deadline = time.monotonic() + 60
            while text not in said and time.monotonic() < deadline:
                said += os.read(terminal, 1000)
            assert text in said

        until(b"tick 9")
        os.write(terminal, b"\x03")
        until(b">>> ")
        os.write(terminal, b"print(6 * 7)\r")
        until(b"42")
        os.write(terminal, b"\x1d")
        assert os.waitpid(child, 0)[1] == 0
        os.close(terminal)
    assert board.starts == ["hard"]
