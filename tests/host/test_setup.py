"""`make setup`, without the network: what it decides, and that a half set-up is not taken for a whole one."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools import ROOT, CommandError, setup, toolchain


def program(folder, name, text):
    """A program that prints a text."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {shlex.quote(text)}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty toolchain folder, and an empty PATH before the system's."""
    monkeypatch.setattr(toolchain, "FOLDER", tmp_path / "toolchain")
    monkeypatch.setattr(toolchain, "STAMP", tmp_path / "toolchain" / "stamp.json")
    monkeypatch.setattr(setup, "SBIN", (str(tmp_path / "sbin"),))
    for name in ("path", "sbin"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def own(place, micropython="1 25 32", mosquitto="mosquitto version 2.0.21"):
    """Programs of the machine itself."""
    if micropython:
        program(place / "path", "micropython", micropython)
    if mosquitto:
        program(place / "sbin", "mosquitto", mosquitto)
        for name in ("mosquitto_sub", "mosquitto_pub", "mosquitto_passwd"):
            program(place / "path", name, "")


def debian(names=toolchain.PROGRAMS):
    return {name: [f"{toolchain.FOLDER}/i386/{name}"] for name in names}


def test_second_run_does_nothing_and_needs_no_network():
    # no PATH: it cannot even call apt, pip or git
    words = [sys.executable, "-m", "tools", "setup"]
    done = subprocess.run(
        words, check=False, cwd=ROOT, env={}, capture_output=True, text=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Everything is in place.\n", "")
    done = subprocess.run(
        [*words, "--quiet"], check=True, cwd=ROOT, env={}, capture_output=True, timeout=20
    )
    assert done.stdout == b""


def test_every_package_is_locked_with_its_hash():
    lock = (ROOT / "requirements.txt").read_text()
    rows = lock.replace("\\\n", "").splitlines()
    assert rows
    for row in rows:
        assert re.match(r"\S+==\S+ .*--hash=sha256:", row), row
    locked = {row.partition("==")[0] for row in rows}
    wanted = {
        line for line in (ROOT / "requirements.in").read_text().splitlines() if line[:1] != "#"
    }
    assert wanted <= locked


# --- the machine's own programs


@pytest.mark.parametrize(
    ("programs", "found"),
    [
        ({}, set(toolchain.PROGRAMS)),
        ({"micropython": "1 24 32"}, setup.MOSQUITTO),  # too old
        ({"micropython": "1 9 64"}, setup.MOSQUITTO),  # older, though its text is greater
        ({"micropython": "2 0 32"}, set(toolchain.PROGRAMS)),
        ({"micropython": "Segmentation fault"}, setup.MOSQUITTO),
        ({"micropython": None}, setup.MOSQUITTO),
        ({"mosquitto": "mosquitto version 1.6.9"}, {"micropython"}),
        ({"mosquitto": "mosquitto version 2.1.0"}, set(toolchain.PROGRAMS)),
        ({"mosquitto": None}, {"micropython"}),
    ],
)
def test_own_programs_are_used_when_new_enough(place, programs, found):
    own(place, **programs)
    assert setup.programs_on_path().keys() == found


def test_own_broker_without_its_clients_is_not_used(place):
    own(place)
    (place / "path" / "mosquitto_passwd").unlink()
    assert setup.programs_on_path().keys() == {"micropython"}


def test_own_32_bit_micropython_is_preferred(place, monkeypatch):
    own(place, mosquitto=None)
    monkeypatch.setattr(setup, "debian_programs", lambda folder: debian())
    chosen = setup.choose(toolchain.FOLDER)
    assert chosen == debian(setup.MOSQUITTO) | {
        "micropython": [str(place / "path" / "micropython")]
    }


def test_own_64_bit_micropython_is_used_when_there_is_no_other(place, monkeypatch):
    own(place, micropython="1 25 64")
    monkeypatch.setattr(setup, "debian_programs", lambda folder: debian())
    assert setup.choose(toolchain.FOLDER)["micropython"] == debian()["micropython"]

    def not_a_debian(folder):
        raise CommandError("no apt")

    monkeypatch.setattr(setup, "debian_programs", not_a_debian)
    assert setup.choose(toolchain.FOLDER)["micropython"] == [str(place / "path" / "micropython")]
    (place / "path" / "micropython").unlink()
    with pytest.raises(CommandError, match="no apt"):
        setup.choose(toolchain.FOLDER)


def test_64_bits_are_told_and_double_the_heap(place, capsys):
    own(place, micropython="1 25 64")
    setup.make_toolchain()
    assert "heap twice as large" in capsys.readouterr().out
    assert toolchain.bits() == 64
    assert toolchain.micropython("160k")[1:] == ["-X", "heapsize=320k"]


def test_32_bits_are_taken_as_they_are(place, capsys):
    own(place)
    setup.make_toolchain()
    assert capsys.readouterr().out == ""
    assert toolchain.micropython("160k")[1:] == ["-X", "heapsize=160k"]


# --- what Debian has


def test_not_a_debian(place):
    with pytest.raises(CommandError, match=r"apt-get is not here.*install MicroPython >= 1\.25"):
        setup.debian_programs(toolchain.FOLDER)


@pytest.fixture
def apt(place, monkeypatch):
    program(place / "path", "apt-get", "")
    program(place / "path", "dpkg", "")
    monkeypatch.setattr(setup, "KEYRING", place)
    monkeypatch.setattr(setup, "debian_mirror", lambda: "mirror")
    monkeypatch.setattr(setup, "output", lambda words: "amd64\n")
    unpacked = []

    def unpack(mirror, suite, architecture, root):
        unpacked.append(architecture)
        root.mkdir(parents=True)

    monkeypatch.setattr(setup, "unpack", unpack)
    return unpacked


def test_keyring_missing(apt, monkeypatch):
    monkeypatch.setattr(setup, "KEYRING", Path("/nowhere/keyring.gpg"))
    with pytest.raises(CommandError, match="install debian-archive-keyring"):
        setup.debian_programs(toolchain.FOLDER)


def test_32_bits_come_first(apt, monkeypatch):
    monkeypatch.setattr(setup, "micropython_bits", lambda words: 32)
    words = setup.debian_programs(toolchain.FOLDER)["mosquitto"]
    root = toolchain.FOLDER / "i386"
    libraries = str(root / "usr/lib/i386-linux-gnu")
    assert words == [
        f"{libraries}/ld-linux.so.2",
        "--library-path",
        libraries,
        str(root / "usr/sbin/mosquitto"),
    ]
    assert apt == ["i386"]


def test_a_mirror_that_has_a_suite_under_one_name_only(apt, monkeypatch, capsys):
    tried = []

    def unpack(mirror, suite, architecture, root):
        tried.append(suite)
        root.mkdir(parents=True)
        if suite == "trixie":
            raise setup.CommandError("apt-get failed\nMirror sync in progress?")
        assert list(root.iterdir()) == []

    monkeypatch.setattr(setup, "unpack", unpack)
    monkeypatch.setattr(setup, "micropython_bits", lambda words: 32)
    setup.debian_programs(toolchain.FOLDER)
    assert tried == ["trixie", "stable"]
    assert "trixie: Mirror sync in progress?" in capsys.readouterr().out


def test_a_kernel_that_runs_no_32_bit_programs(apt, monkeypatch):
    monkeypatch.setattr(setup, "micropython_bits", lambda words: 64 if "amd64" in words[0] else 0)
    words = setup.debian_programs(toolchain.FOLDER)["micropython"]
    assert words[0].endswith("amd64/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    assert apt == ["i386", "amd64"]
    assert not (toolchain.FOLDER / "i386").exists()


def test_nothing_of_debian_runs(apt, monkeypatch):
    monkeypatch.setattr(setup, "micropython_bits", lambda words: 0)
    with pytest.raises(CommandError, match="does not run on this machine"):
        setup.debian_programs(toolchain.FOLDER)


def test_an_architecture_without_a_row(apt, monkeypatch):
    monkeypatch.setattr(setup, "output", lambda words: "sparc64\n")
    with pytest.raises(CommandError, match="sparc64"):
        setup.debian_programs(toolchain.FOLDER)


@pytest.mark.parametrize(
    ("targets", "mirror"),
    [
        (
            "Debian|Debian-Security|http://s/debian-security/\nDebian|Debian|http://m/debian/",
            "http://m/debian/",
        ),
        ("Other|Other|http://o/\nDebian|Debian|http://m/d/", "http://m/d/"),
        ("||http://s/debian-security/\n||http://m/debian/", "http://m/debian/"),
    ],
)
def test_mirror_is_the_one_the_machine_uses(monkeypatch, targets, mirror):
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(setup, "output", lambda words: targets)
    assert setup.debian_mirror() == mirror


def test_mirror_may_be_named(monkeypatch):
    monkeypatch.setattr(setup, "output", lambda words: "")
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    with pytest.raises(CommandError, match="DEBIAN_MIRROR"):
        setup.debian_mirror()
    monkeypatch.setenv("DEBIAN_MIRROR", "http://mine/debian")
    assert setup.debian_mirror() == "http://mine/debian"


# --- stamps and wrappers


def test_toolchain_is_ready_only_with_its_stamp_and_its_programs(place):
    own(place)
    assert not setup.toolchain_ready()
    setup.make_toolchain()
    assert setup.toolchain_ready()
    stamp = toolchain.STAMP.read_text()
    toolchain.STAMP.write_text(stamp[:10])
    assert not setup.toolchain_ready()
    toolchain.STAMP.write_text(json.dumps(json.loads(stamp) | {"suites": ["buster"]}))
    assert not setup.toolchain_ready()
    toolchain.STAMP.write_text(stamp)
    assert setup.toolchain_ready()
    (place / "path" / "micropython").unlink()  # uninstalled
    assert not setup.toolchain_ready()


def test_interrupted_toolchain_is_made_anew(place, monkeypatch):
    own(place)

    def interrupted(folder):
        (folder / "bin" / "half").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setup, "choose", interrupted)
        with pytest.raises(KeyboardInterrupt):
            setup.make_toolchain()
    assert not setup.toolchain_ready()
    setup.make_toolchain()
    assert setup.toolchain_ready()
    assert {path.name for path in (toolchain.FOLDER / "bin").iterdir()} == set(toolchain.PROGRAMS)


def test_wrapper_goes_where_the_checkout_goes(place):
    folder = toolchain.FOLDER
    (folder / "bin").mkdir(parents=True)
    script = folder / "bin" / "says"
    script.write_text(setup.wrapper([program(folder, "it's", "hello"), "an argument"]))
    script.chmod(0o755)
    moved = place / "with a space"
    folder.rename(moved)
    environment = {"PATH": os.defpath}
    assert subprocess.check_output([moved / "bin" / "says"], env=environment) == b"hello\n"
    environment["PATH"] += f":{moved}/bin"
    assert subprocess.check_output(["sh", "-c", "says"], env=environment) == b"hello\n"


def test_wrapper_hands_arguments_on(place):
    script = place / "echo"
    script.write_text(setup.wrapper(["/bin/echo", "a"]))
    script.chmod(0o755)
    assert subprocess.check_output([script, "b  c", "*"]) == b"a b  c *\n"


@pytest.mark.parametrize("changed", list(setup.LIBRARIES))
def test_a_library_that_was_changed_is_not_taken(tmp_path, monkeypatch, changed):
    assert setup.libraries_ready()
    for name in setup.LIBRARIES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((setup.LIB / name).read_bytes())
    monkeypatch.setattr(setup, "LIB", tmp_path)
    assert setup.libraries_ready()
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    assert not setup.libraries_ready()
    (tmp_path / changed).unlink()
    assert not setup.libraries_ready()


def test_a_file_that_is_not_the_expected_one_is_refused():
    data = b"import os"
    sdist = io.BytesIO()
    with tarfile.open(fileobj=sdist, mode="w:gz") as archive:
        entry = tarfile.TarInfo("p-1/umqtt/simple.py")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    args = (sdist.getvalue(), "p-1/umqtt/simple.py")
    assert setup.member(*args, setup.sha256(data)) == data
    with pytest.raises(CommandError, match="is not the file that was expected"):
        setup.member(*args, setup.sha256(b"import sys"))


def test_venv_of_another_lock_or_half_made_is_not_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "VENV", tmp_path)
    assert not setup.venv_ready()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    assert not setup.venv_ready()
    (tmp_path / "stamp").write_text("0123")
    assert not setup.venv_ready()
    (tmp_path / "stamp").write_text(setup.venv_recipe())
    assert setup.venv_ready()
    (tmp_path / "bin" / "python").unlink()
    assert not setup.venv_ready()


def test_a_step_that_fails_shows_its_last_lines_and_keeps_them_all(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "LOG", tmp_path / "log")
    with pytest.raises(CommandError) as failure:
        setup.command(["sh", "-c", "seq 100; echo no route to host >&2; exit 3"])
    lines = str(failure.value).splitlines()
    assert lines[0].startswith("sh failed (3")
    assert lines[-2:] == ["100", "no route to host"]
    assert len(lines) < 12
    assert (tmp_path / "log").read_text().startswith("1\n2\n")


def test_one_set_up_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "LOCK", tmp_path / "lock")
    code = (
        "import sys, pathlib; from tools import setup; setup.LOCK = pathlib.Path(sys.argv[1])\n"
        "with setup.locked(): print('in', flush=True)"
    )
    with setup.locked():
        other = subprocess.Popen(
            [sys.executable, "-c", code, setup.LOCK], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "Waiting for another set-up of this checkout.\n"
    assert other.communicate(timeout=20)[0] == "in\n"
