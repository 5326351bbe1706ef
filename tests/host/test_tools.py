"""`python -m tools`: the table of commands, and how errors reach the user. And `make`'s own list."""

import errno
import importlib
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from tools import ROOT, CommandError, Stopped
from tools import __main__ as main

SUDO = f"if this checkout was set up with sudo, sudo chown -R $USER {shlex.quote(str(ROOT))}"
MAKE = subprocess.run(
    ["make", "--no-print-directory"], check=False, cwd=ROOT, capture_output=True, text=True
).stdout


def test_make_alone_prints_every_target_for_users():
    makefile = (ROOT / "Makefile").read_text()
    printed = re.findall(r"^  make (\S+) +\S", MAKE, re.M)
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(printed) == targets - {"ready", "packages"}


def test_no_target_is_a_file():
    """`make check` would do nothing where there is a file `check`: they are all said to be none."""
    database = subprocess.run(
        ["make", "--print-data-base", "--dry-run", "help"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    phony = re.search(r"^\.PHONY: (.*)$", database, re.M)[1].split()
    makefile = (ROOT / "Makefile").read_text()
    assert set(phony) == set(re.findall(r"^([a-z-]+):", makefile, re.M))


def test_make_alone_says_where_to_begin():
    assert re.search("^Begin with: make run ", MAKE, re.M)


def test_ci_runs_the_test_commands_of_the_readme_and_nothing_cleverer():
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line.startswith("make ")]
    assert commands == ["make test", "make test-board"]
    readme = (ROOT / "README.md").read_text()
    assert all(f"\n{command} " in readme for command in commands)
    assert "set -euo pipefail" in script


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        main.main([name, "--help"])
    assert end.value.code == 0
    said = "".join(capsys.readouterr().out.split()).lower()
    assert "".join(main.COMMANDS[name][1].split()).lower() in said


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_is_a_module(name):
    module = importlib.import_module(main.COMMANDS[name][0])
    assert callable(module.run)
    assert callable(module.add_arguments)


def test_help_lists_all_commands_and_imports_none():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from tools import __main__\n"
        "try: __main__.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith(('tools.', 'sim', 'emulator'))])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True, timeout=20)
    assert all(re.search(rf"^    {name}\b", out, re.M) for name in main.COMMANDS), out
    assert out.splitlines()[-1] == "['tools.__main__']"


@pytest.fixture
def command(monkeypatch):
    """A command that does what the test says."""

    class Module:
        add_arguments = staticmethod(lambda parser: None)

    monkeypatch.setitem(main.COMMANDS, "try", ("try", "a command"))
    monkeypatch.setattr(main.importlib, "import_module", lambda name: Module)
    monkeypatch.setattr(main.signal, "signal", lambda *args: None)

    def behave(function):
        Module.run = staticmethod(function)
        return main.main(["try"])

    return behave


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("flash --board esp8266", "=esp8266 is not supported, give one of esp32, esp32s2,"),
        ("flash --board esp32c5", "=esp32c5 is not supported, give one of esp32, esp32s2,"),
        ("flash --board ESP32-S3", "=ESP32-S3 is not supported, did you mean esp32s3?"),
        ("check-config --board picow", "=picow is not supported, did you mean pico_w?"),
        ("run --board rp2350", "=rp2350 is not supported, give one of esp32, pico_w\n"),
        ("deploi", "argument command: deploi is not supported, did you mean deploy?\n"),
    ],
)
def test_what_is_not_supported_is_told_with_what_is(words, told, capsys, monkeypatch):
    """Other digits are another chip: esp8266 is no misspelt esp32c6."""
    monkeypatch.setenv("OUTPOST_MAKE", "1")
    with pytest.raises(SystemExit) as end:
        main.main(words.split())
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert told in err and ("BOARD" + told in err or told[0] != "="), err


def test_exit_code_is_the_commands(command):
    assert command(lambda args: 3) == 3


def test_errors_of_users_are_one_line(command, capsys):
    def run(args):
        raise CommandError("no board: plug one in", 4)

    assert command(run) == 4
    assert capsys.readouterr().err == "error: no board: plug one in\n"


@pytest.mark.parametrize(("end", "told"), [(KeyboardInterrupt, "\nstopped\n"), (Stopped, "")])
def test_ctrl_c_is_one_word(end, told, command, capsys):
    def run(args):
        raise end

    assert command(run) == 130
    assert capsys.readouterr() == ("", told)


def test_ctrl_c_while_it_is_loaded_is_quiet():
    """It showed where Python was in the loading of its modules."""
    code = (
        "import importlib, os, runpy, signal, sys\n"
        "sys.argv[1:] = ['size']\n"
        "importlib.import_module = lambda name: os.kill(os.getpid(), signal.SIGINT)\n"
        "runpy.run_module('tools', run_name='__main__', alter_sys=True)\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), OSError(5, "EIO", "/x"), PermissionError(13, "no path")]
)
def test_our_own_bugs_are_not_hidden(command, error):
    def run(args):
        raise error

    with pytest.raises(type(error)):
        command(run)


@pytest.mark.parametrize(
    ("number", "path", "told"),
    [
        (errno.ENOSPC, "/x", "no space is left for /x"),
        (errno.EROFS, "/x", "/x cannot be written: its file system is read-only"),
        (errno.EACCES, "/x", "you may not use /x"),
        (
            errno.EACCES,
            str(ROOT / ".venv/bin/python"),
            f"you may not use {ROOT}/.venv/bin/python: {SUDO}",
        ),
    ],
)
def test_what_the_machine_does_not_allow_is_one_line(command, number, path, told, capsys):
    """A checkout that was set up with sudo answered every target with a traceback."""

    def run(args):
        raise OSError(number, os.strerror(number), path)

    assert command(run) == 1
    assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize(
    ("command", "option", "wrong", "right"),
    [
        # With no jobs or lives it told "nothing lost", and had tried nothing.
        ("dst", "jobs", "0", "a whole number from 1 on"),
        ("dst", "lives", "-1", "a whole number from 1 on"),
        ("torture", "cuts", "0", "a whole number from 1 on"),
        ("torture", "seed", "x", "a whole number from 0 on"),
        ("run", "heap", "-5", "a whole number from 96 to 16384"),
        ("run", "seconds", "-3", "seconds as a number above 0"),
        ("run", "seconds", "nan", "seconds as a number above 0"),
        ("logs", "seconds", "ten", "seconds as a number above 0"),
    ],
)
def test_a_number_that_cannot_be_meant_is_answered_by_one_that_can(
    command, option, wrong, right, capsys, monkeypatch
):
    monkeypatch.setenv("OUTPOST_MAKE", "1")
    with pytest.raises(SystemExit):
        main.main([command, f"--{option}", wrong])
    assert capsys.readouterr().err == f"error: {option.upper()}= give {right}, not '{wrong}'\n"


def test_unknown_command(capsys):
    with pytest.raises(SystemExit) as end:
        main.main(["fly"])
    assert end.value.code == 2
    assert "fly" in capsys.readouterr().err


def test_old_python_is_told(monkeypatch, capsys):
    monkeypatch.setattr(main.sys, "version_info", (3, 9, 2))
    assert main.main(["setup"]) == 1
    assert capsys.readouterr().err == "error: Python 3.11 or newer is needed, this is 3.9\n"


def test_output_into_a_closed_pipe_is_quiet():
    words = f"{sys.executable} -m tools --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", words], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
