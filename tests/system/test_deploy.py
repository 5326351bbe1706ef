"""`make deploy` from an empty board to a node that a subscriber sees."""

import json

import pytest
from outside import NAME, SECRETS, sensors, settings

from tests.host.ptyhost import PtyBoard
from tools.__main__ import main
from tools.boards import deploy


@pytest.mark.parametrize(("model", "usb"), [("esp32", False), ("pico_w", True)])
def test_from_an_empty_board_to_a_reading(model, usb, broker, seen, tmp_path, capsys, monkeypatch):
    files = deploy.build()
    # twice the same, also while somebody edits
    monkeypatch.setattr(deploy, "build", lambda: dict(files))
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(settings([broker.port], model, sensors=sensors(model, interval_s=3)))
    )
    with PtyBoard(tmp_path, board=model, usb=usb, fakes=True) as board:
        status = main(["deploy", "--port", board.port, "--config", str(config), "--wait", "30"])
        said = "".join(capsys.readouterr())
        assert status == 0, said
        assert f"outpost/{NAME} is online" in said
        assert not any(secret in said for secret in SECRETS)
        seen.wait_for(f"{NAME}/status", "online")
        seen.wait_readings("bme280", 2, 15)

        # the node runs, its watchdog is armed or will be: again, into the running node
        status = main(["deploy", "--port", board.port, "--config", str(config), "--wait", "30"])
        said = "".join(capsys.readouterr())
        assert status == 0, said
        assert "nothing to copy" in said
    assert board.lives == ["hard", "raw", "hard", "raw", "hard"]
