"""What the emulated Pico is made of, without making it: what is missing, what it depends on. `make test-board` makes it."""

import json
import os
import re
import shutil
from types import SimpleNamespace

import pytest

from emulator import build, emulator, unix_build, workplace
from sim.alone import alone, locked
from tools import CommandError
from tools.__main__ import main


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with nothing but apt-get, and nothing built."""
    apt = shutil.which("apt-get") or pytest.skip("no Debian")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apt-get").symlink_to(apt)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "FIRMWARE", tmp_path / "firmware.bin")
    return tmp_path


def test_who_is_not_root_is_told_what_to_install(bare, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CommandError) as told:
        build.build()
    words = (
        "sudo apt-get install --yes --no-install-recommends cmake gcc gcc-arm-none-eabi libc6-dev"
    )
    assert words in str(told.value)
    assert "libstdc++" not in str(told.value)  # 1.6 GB


# As those of the real build do: names go to a shell as they are. What is built is there afterwards.
TOOL = """#!/bin/sh
sh -ec "for word in $*; do case \\$word in BUILD=*) mkdir -p \\${word#BUILD=}; : > \\${word#BUILD=}/micropython;; esac; done"
[ "$1" = -C ] && mkdir -p "$2" && echo built > "$2/firmware.bin"
exit 0
"""


@pytest.mark.parametrize("name", ["plain", "My clone (neu) ä'x", "n" * 130])
def test_both_are_built_in_a_folder_of_any_name(name, monkeypatch, tmp_path):
    # cmake's words were "C compiler is not able to compile a simple test program".
    folder = tmp_path / name
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("make", "cmake", "ninja", "arm-none-eabi-ar"):
        (programs / program).write_text(TOOL)
        (programs / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(build, "FOLDER", folder)
    monkeypatch.setattr(build, "FIRMWARE", folder / "firmware.bin")
    monkeypatch.setattr(build, "PICO_W_HEAP", folder / build.PICO_W_HEAP.name)
    monkeypatch.setattr(unix_build, "FOLDER", folder / "unix")
    monkeypatch.setattr(unix_build, "MICROPYTHON", folder / "unix" / "micropython")
    (folder / "sources" / "micropython" / "ports" / "unix").mkdir(parents=True)
    build._stamp("sources.stamp", build.sources_recipe())
    build._build_firmware()
    assert (folder / "firmware.bin").read_text() == "built\n" and build._firmware_ready()
    unix_build.build()
    assert unix_build.MICROPYTHON.exists()
    assert not list(temporary.iterdir())


def test_where_no_folder_has_a_plain_name_one_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "a b"))
    monkeypatch.setattr(workplace, "PLACES", (str(tmp_path / "nothing"),))
    with (
        pytest.raises(CommandError, match="environment variable TMPDIR"),
        workplace.within(tmp_path / "a b", []),
    ):
        pass


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    (tmp_path / "a b" / "sources").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_build_that_is_stopped_says_what_it_does(end, temporary, capsys):
    """It seemed to hang: it removed its folder, for up to 44 s, without a word."""
    with pytest.raises(end), workplace.within(temporary.parent / "a b", ["sources"]) as home:
        raise end
    assert capsys.readouterr().out == f"\nstopping; removing {home}\n"
    assert list(temporary.iterdir()) == []


def test_what_a_second_ctrl_c_leaves_goes_with_the_next_build(temporary, monkeypatch, capsys):
    def interrupted(path, **options):
        raise KeyboardInterrupt

    folder = temporary.parent / "a b"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt), workplace.within(folder, ["sources"]) as left:
            raise KeyboardInterrupt
    assert (left / "sources").is_dir()
    (temporary / "outpost-of-somebody").mkdir()
    with workplace.within(folder, ["sources"]) as first, workplace.within(folder, []) as second:
        assert f"removing {left}, which an earlier build left behind\n" in capsys.readouterr().out
        assert (first / "sources").is_dir() and second.is_dir() and not left.exists()
    assert [path.name for path in temporary.iterdir()] == ["outpost-of-somebody"]


def test_the_firmware_is_built_anew_when_what_it_freezes_has_changed(monkeypatch, tmp_path):
    recipe = tmp_path / "rp2040"
    shutil.copytree(build.RECIPE, recipe)
    monkeypatch.setattr(build, "RECIPE", recipe)
    before = build._firmware_recipe()
    assert before == build._firmware_recipe()
    (recipe / "modules" / "another.py").write_text("X = 1\n")
    assert before != build._firmware_recipe()


def test_the_folder_of_the_checkout_does_not_make_another_firmware(monkeypatch, tmp_path):
    """In a folder before the other's in the alphabet the same files had another digest."""
    digests = set()
    for recipe, boards in ("ab", "ba"):
        shutil.copytree(build.RECIPE, tmp_path / recipe / "rp2040", dirs_exist_ok=True)
        shutil.copytree(build.BOARDS, tmp_path / boards / "boards", dirs_exist_ok=True)
        monkeypatch.setattr(build, "RECIPE", tmp_path / recipe / "rp2040")
        monkeypatch.setattr(build, "BOARDS", tmp_path / boards / "boards")
        digests.add(build._firmware_recipe())
    assert len(digests) == 1


@pytest.mark.parametrize("name", build.DEFINED)
def test_the_firmware_is_built_anew_when_the_definition_of_its_board_has_changed(
    name, monkeypatch, tmp_path
):
    boards = tmp_path / "boards"
    shutil.copytree(build.BOARDS, boards)
    before = build._firmware_recipe()
    monkeypatch.setattr(build, "BOARDS", boards)
    assert before == build._firmware_recipe()
    (boards / name / "more.cmake").write_text("set(X 1)\n")
    assert before != build._firmware_recipe()


def test_of_another_board_micropython_says_what_takes_its_definition(monkeypatch, capsys):
    monkeypatch.setattr(build, "build", lambda: pytest.fail("it was built"))
    for board, port in (("pico_w", "rp2"), ("esp32c3", "esp32")):
        assert main(["micropython", "--board", board]) == 0
        said = capsys.readouterr().out
        assert f"  make -C ports/{port} BOARD_DIR={build.BOARDS / board}\n" in said
        assert ("no folder with a space" in said) == (" " in str(build.BOARDS))


def test_the_emulator_is_locked_by_hash_and_names_no_place_to_fetch_it_from():
    lock = (build.RECIPE / "package-lock.json").read_text()
    packages = json.loads(lock)["packages"]
    wanted = json.loads((build.RECIPE / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
        assert packages[f"node_modules/{name}"]["integrity"].startswith("sha512-")
    assert "resolved" not in lock and "://" not in lock


def printed(lines, monkeypatch, tmp_path, capfd):
    """Return what `make board` shows of a board's lines. A text among them is what happens to the board."""
    happened = []

    def stdout():
        for line in lines:
            if isinstance(line, str):
                happened.append(line)
            else:
                yield line

    board = SimpleNamespace(
        url="socket://127.0.0.1:2040",
        start=lambda port: None,
        stop=lambda: None,
        events=lambda: "\n".join(happened),
        process=SimpleNamespace(stdout=stdout(), wait=lambda: 0),
    )
    monkeypatch.setattr(emulator, "EmulatedPico", lambda *args, **options: board)
    monkeypatch.setattr(build, "build", lambda: None)
    args = SimpleNamespace(flash=tmp_path / "flash", build=False, attach=[], port=0)
    with pytest.raises(CommandError):
        emulator.run(args)
    told, _, shown = capfd.readouterr().out.partition("It prints:\n")
    assert "make repl PORT=" in told or "repl --port" in told
    return shown.replace("\r", "").partition("\n\nswitched off")[0].splitlines()


def test_make_board_shows_what_the_board_prints_and_not_what_it_answers_to_a_tool(
    monkeypatch, tmp_path, capfd
):
    """While `make deploy` was at work it showed the raw REPL: >OK@(…), and bytes that are no text."""
    lines = [
        b"raw REPL; CTRL-B to exit\r\n",
        b">OK@('micropython', (1, 25, 0))\r\n",
        b"@('second', 2)\r\n",
        b"\x04\x04>R\x01\x80\x00\x01\x01\x04\x04\x04>OK\x04Traceback (most recent call last):\r\n",
        b"OSError: 2\r\n",
        b"\x04>OK1 info wifi: joined emulated\r\n",
        b"\r\n",
        b">>> 1 > 0 OK\r\n",
    ]
    assert printed(lines, monkeypatch, tmp_path, capfd) == [
        "Traceback (most recent call last):",
        "OSError: 2",
        "1 info wifi: joined emulated",
        "",
        ">>> 1 > 0 OK",
    ]


def test_make_board_shows_a_programs_own_lines_however_they_begin(monkeypatch, tmp_path, capfd):
    # One that began with @ or OK was hidden, or lost its beginning.
    own = [b"@home\r\n", b"OK then\r\n", b"> so\r\n", b"a\x04b\r\n"]
    tool = [b"\r\n", b"raw REPL; CTRL-B to exit\r\n", b">OK@('asked',)\r\n"]
    # It is left by Ctrl-B, by a soft reset, or by a reset, which cuts the last answer short.
    left = [b"\x04\x04>\r\n", b">>> import own\r\n"]
    soft = [b"\x04\x04>OK\r\n", b"MPY: soft reboot\r\n"]
    for reset in ("reset by software 1", "reset by watchdog 2"):
        cut = [reset, b"\x04\x04>R\x01\x80\x00\x01\x04@first\r\n"]
        lines = own + tool + left + own + tool + soft + own + tool + cut + own
        shown = [line for line in printed(lines, monkeypatch, tmp_path, capfd) if line]
        words = [line.decode().strip() for line in own]
        assert shown == [
            *words,
            ">>> import own",
            *words,
            "MPY: soft reboot",
            *words,
            "@first",
            *words,
        ]


@pytest.mark.parametrize("name", ["flash", "link"])
def test_one_flash_one_board(name, monkeypatch, tmp_path):
    """Two emulators wrote the same image, without a word."""
    monkeypatch.setattr(build, "build", lambda: pytest.fail("it was built"))
    (tmp_path / "link").symlink_to("flash")
    place = tmp_path / name
    args = SimpleNamespace(flash=place, build=False, attach=[], port=0)
    told = f"a board runs on {place} already: give another, FLASH=file"
    with (
        locked(tmp_path / "flash.lock", "the test's own"),
        pytest.raises(CommandError, match=re.escape(told)),
    ):
        emulator.run(args)
    monkeypatch.setattr(emulator, "show", lambda args, flash: 0)
    monkeypatch.setattr(build, "build", lambda: None)
    emulator.run(args)  # the first has ended


def test_a_misspelt_folder_is_named_and_not_made(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "build", lambda: pytest.fail("it was built"))
    nowhere = tmp_path / "nope"
    args = SimpleNamespace(flash=nowhere / "x.flash", build=False, attach=[], port=0)
    with pytest.raises(CommandError, match=f"there is no folder {nowhere}: make it, or give"):
        emulator.run(args)
    with pytest.raises(CommandError, match=f"there is no folder {nowhere}"), alone(nowhere / "x"):
        pass
    assert not nowhere.exists()
