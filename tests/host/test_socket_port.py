"""A board whose serial port is a TCP one (an emulator, a serial server): `PORT=socket://…` does in all commands."""

import pytest
from deploying import FIRMWARE, settings_file

from tests.host.ptyhost import Bridge, PtyBoard
from tools.__main__ import main
from tools.boards import boardtrial, deploy, flash
from tools.boards.serialboard import Link


@pytest.fixture
def board(tmp_path):
    with PtyBoard(tmp_path) as made, Bridge(made) as bridge:
        yield bridge


@pytest.mark.slow
def test_deploy_then_keep(board, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deploy, "build", lambda: dict(FIRMWARE))
    settings_file(tmp_path)
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
