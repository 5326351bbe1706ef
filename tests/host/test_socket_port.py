"""A board whose serial port is a TCP one (an emulator, a serial server): `PORT=socket://…` does in all commands."""

import json
import os
import select
import socket
import threading

import pytest
from deploying import CONFIG, FIRMWARE

from tests.host.ptyhost import PtyBoard
from tools import boardtrial, deploy, flash
from tools.__main__ import main
from tools.serialboard import Link


class Bridge:
    """A context manager: `url` is where a PtyBoard's port is, one connection at a time."""

    def __init__(self, board):
        self.board = board

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.url = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"
        self.running = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.thread.join()
        self.listener.close()

    def _serve(self):
        line = os.open(self.board.port, os.O_RDWR | os.O_NOCTTY)
        while self.running:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            with client:
                self._relay(client, line)
        os.close(line)

    def _relay(self, client, line):
        while self.running:
            for ready in select.select([client, line], [], [], 0.05)[0]:
                if ready is line:
                    client.sendall(os.read(line, 4096))
                else:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(line, data)


@pytest.fixture
def board(tmp_path):
    with PtyBoard(tmp_path) as made, Bridge(made) as bridge:
        yield bridge


@pytest.mark.slow
def test_deploy_then_keep(board, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploy, "build", lambda: dict(FIRMWARE))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert main(["deploy", "--port", board.url, "--wait", "10"]) == 0
    assert "is online" in capsys.readouterr().out
    (tmp_path / "config.json").unlink()
    assert main(["deploy", "--port", board.url, "--wait", "10"]) == 0
    said = capsys.readouterr().out
    assert "the board's own is kept" in said
    assert "nothing to copy" in said


@pytest.mark.slow
def test_flash_asks_it_what_it_is(board, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    assert main(["flash", "--port", board.url, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"--chip esp32 --port {board.url}" in said


@pytest.mark.slow
def test_lines_as_they_come(board):
    """What provision needs: lines of a long command, then the next command."""
    code = "import time\nfor n in range(3):\n    print('line', n)\n    time.sleep_ms(50)\n"
    with Link(board.url) as link:
        link.enter()
        assert list(link.stream(code, 20)) == ["line 0", "line 1", "line 2"]
        assert link.answer("print('@7')") == 7
        boardtrial.stage(link, b"{}" * 2000)
        assert (
            link.answer(f"import os\nprint('@' + repr(os.stat({boardtrial.CANDIDATE!r})[6]))")
            == 4000
        )
        boardtrial.forget(link)
        boardtrial.forget(link)
