"""macOS and Windows, by the code: what talks to a board needs Python packages and no Unix."""

import subprocess
import sys

import pytest

from tools import ROOT, CommandError, said, toolchain
from tools.__main__ import COMMANDS

BOARD = ("flash", "deploy", "logs", "repl", "provision", "scan", "check-config", "config", "watch")
ALL = sorted(COMMANDS)

# Our own modules see a Python without what Windows has not; libraries (pyserial, mpremote) have code of their own for it.
WITHOUT = """\
import builtins, os, signal, sys
missing = {"fcntl", "termios", "tty", "pty", "pwd", "grp", "resource", "syslog", "readline"}
real = builtins.__import__
def find(name, globals=None, locals=None, fromlist=(), level=0):
    if name.partition(".")[0] in missing and (globals or {}).get("__name__", "").partition(".")[0] in ("tools", "sim", "emulator", "firmware"):
        raise ModuleNotFoundError("No module named " + repr(name), name=name)
    return real(name, globals, locals, fromlist, level)
import subprocess, asyncio, tempfile, shutil, socket, pathlib, ssl  # these were made for the system they are on
builtins.__import__ = find
for name in ("geteuid", "getuid", "uname", "waitid", "killpg", "setsid", "fork", "getpgid", "chown"):
    delattr(os, name)
del signal.SIGHUP, signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGALRM
from tools import __main__ as main
"""


def run(code, *words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *words],
        env={"PYTHONPATH": str(ROOT)},
        check=False,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", BOARD)
def test_a_command_is_imported_without_unix(name):
    done = run(f"main.main([{name!r}, '--help'])")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.parametrize("name", ["flash", "deploy", "logs", "provision", "scan"])
def test_a_command_runs_without_unix(name, tmp_path):
    """As far as it goes without a board, and in the words of who has no make."""
    more = {
        "flash": ["--board", "pico_w", "--dry-run", "--firmware", "x.uf2"],
        "provision": ["--csv", "nodes.csv", "--port", "COM7"],
    }
    (tmp_path / "nodes.csv").write_text("name,ssid\na,b\n")
    port = [] if name in ("flash", "provision") else ["--port", "COM7"]
    done = run(f"sys.exit(main.main({[name, *more.get(name, port)]!r}))", cwd=tmp_path)
    assert done.returncode, done.stdout
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr, done.stderr


def test_check_config_runs_without_unix(tmp_path):
    (tmp_path / "config.json").write_bytes((ROOT / "config.json.example").read_bytes())
    done = run("sys.exit(main.main(['check-config']))", cwd=tmp_path)
    assert done.returncode == 1
    assert "is still the example's" in done.stdout


def test_a_port_that_is_no_file(monkeypatch):
    from types import SimpleNamespace

    from tools.boards import ports

    monkeypatch.setattr(
        ports.list_ports, "comports", lambda: [SimpleNamespace(device="COM3", vid=None)]
    )
    assert ports.find("COM3") == "COM3"
    with pytest.raises(CommandError, match="COM4 is not there"):
        ports.find("COM4")


def test_windows_is_told_wsl(monkeypatch):
    monkeypatch.setattr(toolchain.os, "name", "nt")
    try:
        toolchain.needs_unix()
    except CommandError as e:
        told = str(e)
    finally:
        monkeypatch.undo()
    assert "wsl --install -d Debian" in told
    assert "sudo apt install git make python3-venv" in told


@pytest.mark.parametrize(
    ("made", "ours"),
    [
        ("run `make flash` with ERASE=1", "run `python -m tools flash` with --erase"),
        ("make flash PORT=COM3 BOARD=esp32", "python -m tools flash --port COM3 --board esp32"),
        ("choose one with PORT=:\n  a", "choose one with --port:\n  a"),
        ("give ANSWERS=file.json or CSV=nodes.csv", "give --answers file.json or --csv nodes.csv"),
        ("DRY=1 KEEP=1, or GO_ON=1", "--dry-run --keep, or --go-on"),
        ("make sure that it runs", "make sure that it runs"),
    ],
)
def test_messages_are_in_the_words_of_who_typed(monkeypatch, made, ours):
    assert said(made) == made  # these tests stand for make
    monkeypatch.delenv("OUTPOST_MAKE")
    assert said(made) == ours


def test_no_message_names_an_option_that_make_has(capsys):
    """Texts are written in make's words; `said` makes others of them."""
    import ast
    import re

    from tools import variables

    names = {
        name.lower().replace("_", "-")
        for names in variables.taken((ROOT / "Makefile").read_text()).values()
        for name in names
    }
    wrong = []
    packages = ("tools", "sim", "emulator", "station")
    for path in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            function = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if function not in (
                "CommandError",
                "print",
                "say",
                "BadConfig",
                "LinkLost",
                "refused",
            ):
                continue
            for text in (node.value for node in ast.walk(call) if isinstance(node, ast.Constant)):
                found = re.findall(r"(?<!\w)--([a-z-]+)", text) if isinstance(text, str) else []
                wrong += [(path.name, text) for name in found if name in names]
    assert wrong == []
