"""README's commands, as a newcomer would give them."""

import json
import re
import subprocess

import pytest
from deploying import filled_in

from tools import ROOT

pytestmark = pytest.mark.system

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def make(*words, timeout=120):
    return subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout
    )


def test_every_make_target_named_in_the_readme_exists():
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", README))
    assert {"run", "flash", "deploy", "watch", "test", "check"} <= named
    for target in named:
        done = make("--dry-run", target)
        assert done.returncode == 0, f"make {target}: {done.stderr}"


def test_make_alone_lists_the_targets():
    listed = make().stdout
    for target in ("run", "test", "check", "deploy", "flash", "watch", "logs", "repl", "size"):
        assert f"make {target}" in listed


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_make_run_shows_what_the_readme_shows(board):
    assert "make run" in COMMANDS
    done = make("run", "SECONDS=20", f"BOARD={board}")
    assert done.returncode == 0, done.stdout + done.stderr
    received = [
        line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith("outpost/")
    ]
    topics = {topic.split("/", 2)[2] for topic, _ in received}
    example = json.loads((ROOT / "config.json.example").read_text())
    assert {"status", "info", "health"} <= topics
    readings = {"reading/" + sensor["name"] for sensor in example["sensors"]}
    assert readings <= topics
    assert received[0][1] == "online"
    for topic, payload in received:
        if topic.split("/", 2)[2] in readings:
            reading = json.loads(payload)
            assert {"ts", "boot", "seq"} < set(reading) and "error" not in reading, reading
    assert "mosquitto_sub" in done.stdout, "how to subscribe by hand"


def test_the_example_is_a_config_that_passes(tmp_path):
    assert "cp config.json.example config.json" in COMMANDS
    config = tmp_path / "config.json"
    config.write_text(filled_in((ROOT / "config.json.example").read_text()))
    done = make("check-config", f"CONFIG={config}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [("deploy", "/dev/no-such-port"), ("logs", "/dev/no-such-port"), ("repl", "a terminal")],
)
def test_without_a_board_one_clear_line_says_so(command, said, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(filled_in((ROOT / "config.json.example").read_text()))
    settings = [f"CONFIG={config}"] if command == "deploy" else []
    done = make(command, "PORT=/dev/no-such-port", *settings)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
