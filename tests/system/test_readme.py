"""README's commands, as a newcomer would give them."""

import contextlib
import json
import os
import pty
import re
import subprocess
import termios

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


def on_a_terminal(*words, timeout=120):
    """Run make on a terminal of 110 columns. Return what it shows, without colours."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 110))
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "110"}
    process = subprocess.Popen(
        ["make", *words], cwd=ROOT, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the last one has let go of the terminal
        while more := os.read(master, 4096):
            shown += more
    os.close(master)
    assert process.wait(timeout) == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "")


def shapes(text):
    """The messages in a text, any number for a number: {line}."""
    lines = [line.rstrip() for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d  ", line)]
    return {re.sub(r"-?\d+", "0", line) for line in lines}


def test_make_run_shows_what_the_readme_shows():
    assert "make run" in COMMANDS
    (example,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    promised = shapes(example)
    assert len(promised) == len(example.splitlines()) > 5
    assert promised - shapes(on_a_terminal("run", "SECONDS=20")) == set()


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_make_run_into_a_pipe_is_what_mosquitto_sub_prints(board, tmp_path):
    done = make("run", "SECONDS=20", f"BOARD={board}", f"FOLDER={tmp_path}")
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


def test_the_config_that_is_written_is_one_that_passes(tmp_path):
    config = tmp_path / "config.json"
    (command,) = [line for line in COMMANDS if line.startswith("make config ")]
    done = make(*command.split()[1:], f"OUT={config}")
    assert done.returncode == 0, done.stdout + done.stderr
    config.write_text(filled_in(config.read_text()))
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
