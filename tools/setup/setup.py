"""`make setup`: everything the other commands need, without root, each step only when it is not done.

1. `.venv`: the host's Python packages, locked by hash in `requirements.txt`.
2. `lib/umqtt`, `lib/microdot`: umqtt.simple, umqtt.robust and microdot from PyPI, untouched, checked by SHA-256.
3. `.toolchain`: MicroPython's unix port and mosquitto. All from PATH when they serve, else all from Debian's packages (debs.py),
   and with them a NATS server, for a test.

Some commands need more, each by an option: MicroPython's types, a browser, databases, esptool-js for the page that writes an ESP32.

What talks to a board (flash, deploy, logs, …) needs 1 and 2 only: `--packages`, on every system that has Python.

A step's stamp is written last, so a set-up that was interrupted is completed by the next one; when all is there no step
touches the network. The steps up to `.venv` use the standard library alone.
"""

import hashlib
import io
import json
import os
import re
import shlex
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from tools import ROOT, CommandError, toolchain
from tools.setup import databases, debian, debs, npm
from tools.shell import command, is_root, locked, output, say

VENV = ROOT / ".venv"
LIB = ROOT / "lib"

# What a board has of others: PyPI's newest sdists. (pip refuses umqtt.simple's, which has no setup.py.)
LIBRARIES = {
    # file: (project, version, where in the sdist, SHA-256 of the sdist, SHA-256 of the file)
    "umqtt/simple.py": (
        "micropython-umqtt.simple",
        "1.3.4",
        "umqtt/simple.py",
        "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f",
        "8555d2f654deb8eb0d724f79b0811a78cc94029d070f3d96bbd74288653d63a5",
    ),
    "umqtt/robust.py": (
        "micropython-umqtt.robust",
        "1.0",
        "umqtt/robust.py",
        "22a1b8c8e1128281efb13b3020927d07e33c5b747869da2cd77d37983a9ea002",
        "950d64b9aaa369a9bcc30d2142ba6c03f10e7ed6083cdc2d3921cedee747ffff",
    ),
    "microdot/microdot.py": (
        "microdot",
        "2.7.0",
        "src/microdot/microdot.py",
        "e11f39f0f5564bb5db69f728902740ed592d632ae7a03e24ca3a88cd59ad2f53",
        "d9e0bea681d15965e8c683f642e03536fbed34e0bc55fe5000324208924936c1",
    ),
}

BROWSER = {"chromium": "chromium", "chromedriver": "chromium-driver"}  # program: package
SBIN = ("/usr/local/sbin", "/usr/sbin")
MOSQUITTO = set(toolchain.PROGRAMS) - {"micropython"}
MICROPYTHON_OLDEST = (1, 25)
MOSQUITTO_OLDEST = (2, 0)
BY_HAND = "install MicroPython >= 1.25 (unix port, with ffi) and mosquitto >= 2.0 with its clients on PATH, then run make setup again"
# What the simulated board is made of, besides what every MicroPython has: some builds leave it out.
PROBE = """\
import ffi, select, socket, sys, tls, vfs
vfs.VfsLfs2
print(*sys.implementation[1][:2], 64 if sys.maxsize >> 32 else 32)
"""


def add_arguments(parser):
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing when everything is there"
    )
    parser.add_argument(
        "--packages",
        action="store_true",
        help="Python packages only: all that is needed to talk to a board",
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="see that there is Chromium, for the tests of the page for a phone (installed by root, else asked for)",
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="esptool-js, too: for the page that writes an ESP32 from a browser",
    )
    parser.add_argument(
        "--databases",
        action="store_true",
        help="PostgreSQL with TimescaleDB and InfluxDB, too: for the tests of the collector's stores",
    )
    parser.add_argument(
        "--types",
        action="store_true",
        help="MicroPython's types, too: for the check of what runs on a board",
    )


def run(args):
    steps: tuple[tuple, ...] = (
        ("Python packages", "into .venv", venv_ready, make_venv),
        ("umqtt and microdot", "from PyPI, into lib", libraries_ready, fetch_libraries),
    )
    if not args.packages:
        toolchain.needs_unix()
        programs = (
            "MicroPython and mosquitto",
            "into .toolchain",
            toolchain_ready,
            make_toolchain,
        )
        steps = (*steps, programs)
    if args.types:
        steps = (*steps, ("MicroPython's types", "into .toolchain", types_ready, fetch_types))
    if args.page:
        steps = (*steps, ("esptool-js", "into .toolchain", page_ready, fetch_page))
    if args.databases:
        steps = (
            *steps,
            ("PostgreSQL and InfluxDB", "into .toolchain", databases.ready, databases.make),
        )
    if args.browser:
        _find_browser()
    if all(ready() for _, _, ready, _ in steps):
        if not args.quiet:
            say("Everything is in place.")
        return 0
    with locked():
        for number, (what, where, ready, make) in enumerate(steps, 1):
            if not ready():
                say(f"[{number}/{len(steps)}] {what}, {where}")
                make()
    say("Set up.")
    return 0


def _find_browser():
    try:
        with locked():
            debian.need(BROWSER, "the test of the page for a phone")
    except CommandError as e:
        if is_root():
            raise
        say(f"note: {e}; without it that test is skipped")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write(path, data):
    """Write a file whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)


# --- .venv ------------------------------------------------------------------------------------------------------------


def venv_recipe():
    lock = (ROOT / "requirements.txt").read_bytes()
    return sha256(lock)


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def venv_ready():
    stamp = VENV / "stamp"
    # the interpreter itself is looked at too: it vanishes when the system's Python is upgraded
    return stamp.exists() and stamp.read_text() == venv_recipe() and venv_python().exists()


def make_venv():
    stamp = VENV / "stamp"
    if not (stamp.exists() and venv_python().exists()):
        python = sys.executable if sys.prefix == sys.base_prefix else sys._base_executable  # type: ignore[attr-defined]
        command([python, "-m", "venv", "--clear", VENV])
    rows = (ROOT / "requirements.txt").read_text().splitlines()
    packages = sum("==" in row and "'win32'" not in row for row in rows)
    seen = []

    def progress(line):
        found = re.match(r"Collecting (\S+?)[=<>]", line)
        if found:
            seen.append(found[1])
            return f"      {len(seen)}/{packages} {found[1]}"
        return "      installing" if line.startswith("Installing") else None

    _install(ROOT / "requirements.txt", progress=progress)
    write(stamp, venv_recipe().encode())


def _install(requirements, *words, progress=None):
    pip = [venv_python(), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command([*pip, "install", *words, "--require-hashes", "-r", requirements], progress)


# --- .toolchain/stubs -------------------------------------------------------------------------------------------------

TYPES = ROOT / "stubs.txt"
STUBS = toolchain.FOLDER / "stubs"


def types_ready():
    stamp = STUBS / "stamp"
    return stamp.exists() and stamp.read_text() == sha256(TYPES.read_bytes())


def fetch_types():
    shutil.rmtree(STUBS, ignore_errors=True)
    _install(TYPES, "--no-deps", "--target", STUBS)
    write(STUBS / "stamp", sha256(TYPES.read_bytes()).encode())


# --- .toolchain/page --------------------------------------------------------------------------------------------------

NPM = ROOT / "npm.txt"
PAGE_LOCK = Path(__file__).with_name("page")
# What writes an ESP32 from a browser: esptool-js. The other two are in its one file, so their licenses go along.
PAGE = {
    # file in node_modules: its name in .toolchain/page
    "esptool-js/bundle.js": toolchain.ESPTOOL_JS,
    "esptool-js/LICENSE": "esptool-js.txt",
    "pako/LICENSE": "pako.txt",
    "atob-lite/LICENSE.md": "atob-lite.txt",
}


def page_ready():
    stamp = toolchain.PAGE / "stamp"
    return stamp.exists() and stamp.read_text() == sha256(npm.recipe(PAGE_LOCK))


def fetch_page():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        npm.install(
            PAGE_LOCK, folder, lambda target: _install(NPM, "--no-deps", "--target", target)
        )
        shutil.rmtree(toolchain.PAGE, ignore_errors=True)
        toolchain.PAGE.mkdir(parents=True)
        for file, here in PAGE.items():
            shutil.copyfile(folder / "node_modules" / file, toolchain.PAGE / here)
    write(toolchain.PAGE / "stamp", sha256(npm.recipe(PAGE_LOCK)).encode())


# --- lib/umqtt, lib/microdot ------------------------------------------------------------------------------------------


def library_ready(name):
    return (LIB / name).exists() and sha256((LIB / name).read_bytes()) == LIBRARIES[name][-1]


def libraries_ready():
    return all(library_ready(name) for name in LIBRARIES)


def fetch_libraries():
    # pypi-simple lives in .venv, this process may not
    for name, (project, version, place, sdist_digest, digest) in LIBRARIES.items():
        if library_ready(name):
            continue
        (LIB / name).parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            sdist = Path(folder) / "sdist.tar.gz"
            command(
                [
                    venv_python(),
                    "-m",
                    "tools.setup.fetch",
                    project,
                    version,
                    sdist_digest,
                    sdist,
                ],
                cwd=ROOT,
            )
            write(
                LIB / name,
                member(sdist.read_bytes(), f"{project}-{version}/{place}", digest),
            )


def member(sdist, path, digest):
    """One file of a .tar.gz, checked."""
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        file = archive.extractfile(path)
        data = file.read() if file else b""
    if sha256(data) != digest:
        raise CommandError(f"{path} is not the file that was expected (SHA-256 {sha256(data)})")
    return data


# --- .toolchain -------------------------------------------------------------------------------------------------------


def toolchain_ready():
    """True when .toolchain is complete."""
    try:
        stamp = json.loads(toolchain.STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return False
    # What was taken from PATH may have been uninstalled since, and is all of them or none.
    return (
        stamp["suites"] == list(debs.SUITES)
        and len(stamp["system"]) in (0, len(toolchain.PROGRAMS))
        and all(Path(path).exists() for path in stamp["system"])
    )


def make_toolchain():
    folder = toolchain.FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    wrappers = choose(folder)
    for program, words in wrappers.items():
        path = folder / "bin" / program
        path.write_text(wrapper(words))
        path.chmod(0o755)
    bits = micropython_bits([folder / "bin" / "micropython"])
    if bits != 32:
        say("      note: no 32-bit MicroPython runs here; this one gets a heap twice as large")
    system = [words[0] for words in wrappers.values() if not within(words[0])]
    stamp = {"suites": debs.SUITES, "bits": bits, "system": system}
    write(toolchain.STAMP, json.dumps(stamp, indent=1).encode())


def choose(folder):
    """{program: words that start it}: all of them this machine's own, or all Debian's. A broker of one and a plugin of another do not fit."""
    own = programs_on_path()
    missing = [program for program in toolchain.PROGRAMS if program not in own]
    if (
        not missing
        and micropython_bits(own["micropython"]) == 32
        and toolchain.plugin_of(own["mosquitto"][0])
    ):
        return own
    try:
        return debs.programs(folder, micropython_bits)
    except CommandError as e:
        if missing:
            how = "brew install micropython mosquitto" if sys.platform == "darwin" else BY_HAND
            raise CommandError(
                f"{e}; of its own it has no {', '.join(missing)} that would do: {how}"
            ) from None
        return own  # a 64-bit MicroPython is better than none


def within(path):
    return str(path).startswith(f"{toolchain.FOLDER}/")


def wrapper(words):
    """A shell script that starts a program; what is in the toolchain's folder is found from the script's own place."""
    quoted = []
    for word in words:
        if within(word):
            place = Path(word).relative_to(toolchain.FOLDER)
            quoted.append(f'"${{0%/*}}"/../{shlex.quote(str(place))}')
        else:
            quoted.append(shlex.quote(str(word)))
    return f'#!/bin/sh\nexec {" ".join(quoted)} "$@"\n'


def programs_on_path():
    """{program: words that start it} of the programs on this machine that are new enough."""
    # Debian's mosquitto is in /usr/sbin, which is not on everyone's PATH
    path = os.pathsep.join((os.environ.get("PATH", ""), *SBIN))
    found = {name: [shutil.which(name, path=path)] for name in toolchain.PROGRAMS}
    found = {name: words for name, words in found.items() if words[0]}
    if not micropython_bits(found.get("micropython", [""])):
        found.pop("micropython", None)
    # the clients are of the broker's version: all or none
    versions = {
        version(found[name][0]) for name in ("mosquitto", "mosquitto_sub") if name in found
    }
    if (
        len(found.keys() & MOSQUITTO) < len(MOSQUITTO)
        or len(versions) > 1
        or versions.pop() < MOSQUITTO_OLDEST
    ):
        found = {name: words for name, words in found.items() if name not in MOSQUITTO}
    return found


def micropython_bits(words):
    """32 or 64; 0 when it does not run, is too old, or lacks what the simulated board needs."""
    out = output([*words, "-c", PROBE])
    try:
        major, minor, bits = (int(word) for word in out.split())
    except ValueError:
        return 0
    return bits if (major, minor) >= MICROPYTHON_OLDEST else 0


def version(path):
    """Version of mosquitto or one of its clients, as (2, 0, 21)."""
    found = re.search(r"mosquitto\S* version (\d+)\.(\d+)\.(\d+)", output([path, "--help"]))
    return tuple(int(number) for number in found.groups()) if found else (0, 0, 0)
