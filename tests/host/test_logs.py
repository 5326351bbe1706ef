"""`logs` and `repl` on a board behind a pseudo-terminal: they do not disturb what runs."""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.host.ptyhost import Bridge, PtyBoard
from tools import ROOT
from tools.__main__ import main
from tools.boards import logs, ports, serialboard

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
        assert main(["logs", "--port", board.port, "--seconds", "8"]) == 0
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
            # who asks once more hears the same: there was a traceback
            with pytest.raises(serialboard.LinkLost, match="did not come back"):
                list(link.lines())
            with pytest.raises(serialboard.LinkLost, match="lost the board"):
                link.enter()
            link.restart()
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
    monkeypatch.chdir(ROOT)
    assert main(["repl", "--port", "/dev/null"]) == 1
    told = capsys.readouterr().err
    assert "needs a terminal" in told
    # bare mpremote is on nobody's PATH
    command = told.strip().rpartition(": ")[2]
    assert command.endswith("-m mpremote connect /dev/null exec 'print(1)'")
    words = [*shlex.split(command)[:3], "--help"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0 and "connect" in done.stdout


class Typist:
    """`repl` at a terminal of its own, and who types there."""

    def __init__(self, port):
        self.child, self.terminal = pty.fork()
        self.said = b""
        if self.child == 0:
            os.chdir(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "tools", "repl", "--port", port])

    def until(self, text):
        deadline = time.monotonic() + 60
        while text not in self.said and time.monotonic() < deadline:
            try:
                self.said += os.read(self.terminal, 1000)
            except OSError:  # it has ended
                break
        assert text in self.said, self.said

    def type(self, text):
        os.write(self.terminal, text)

    def end(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        os.close(self.terminal)
        return code


@pytest.mark.slow
@pytest.mark.parametrize("url", [False, True])
def test_repl(tmp_path, url):
    """A person types: the node runs on until Ctrl-C, then a line is answered, Ctrl-] leaves. By a URL, as `make board` has it, too."""
    with ticking(tmp_path) as board, Bridge(board) as bridge:
        typist = Typist(bridge.url if url else board.port)
        typist.until(b"tick 9")
        typist.type(b"\x03")
        typist.until(b">>> ")
        typist.type(b"print(6 * 7)\r")
        typist.until(b"42")
        typist.type(b"\x1d")
        assert typist.end() == 0
        assert b"Traceback" not in typist.said.partition(b">>> ")[2]
    assert board.starts == ["hard"]


@pytest.mark.slow
def test_repl_when_the_board_of_a_url_is_switched_off(tmp_path):
    with ticking(tmp_path) as board:
        with Bridge(board) as bridge:
            typist = Typist(bridge.url)
            typist.until(b"tick")
        typist.until(b"lost the board")
        assert typist.end() == ports.LOST
    assert b"Traceback" not in typist.said


def test_logs_of_a_silent_board_say_how_to_see_more(capsys, monkeypatch):
    clock = [0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: clock[0])

    def lines(*said):
        for second, line in said:
            clock[0] = second
            yield line

    logs.follow(lines((0, ""), (60, "60 health {}"), (120, "120 health {}"), (190, "")), "/dev/x")
    assert capsys.readouterr().out == "60 health {}\n120 health {}\n"
    logs.follow(lines((0, "x"), (74, ""), (80, ""), (200, ""), (201, "y")), "/dev/x")
    said = capsys.readouterr().out
    assert said.startswith("x\nnothing for 75 s") and said.endswith("\ny\n")
    assert said.count("nothing for") == 1 and "watch" in said
    assert re.search(r"repl (PORT=|--port )/dev/x\.\n", said)
