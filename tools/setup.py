"""`make setup`: everything the other commands need, without root, each step only when it is not done.

1. `.venv`: the host's Python packages, locked by hash in `requirements.txt`.
2. `lib/umqtt`, `lib/microdot`: umqtt.simple, umqtt.robust and microdot from PyPI, untouched, checked by SHA-256.
3. `.toolchain`: MicroPython's unix port and mosquitto. What is on PATH when it serves, else Debian's packages, unpacked
   into a folder of our own (apt with a private state, `dpkg -x`), each started through its own loader.

A step's stamp is written last, so a set-up that was interrupted is completed by the next one; when all is there no step
touches the network. The steps up to `.venv` use the standard library alone.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import ROOT, CommandError, debian, toolchain

VENV = ROOT / ".venv"
LIB = ROOT / "lib"
LOCK = ROOT / ".build" / "setup.lock"
LOG = ROOT / ".build" / "setup.log"

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

# trixie is the first Debian with MicroPython >= 1.25; bytecode and API of the boards' 1.25 and later. A mirror in the
# middle of a synchronisation may have one name of a suite whole and the other not.
SUITES = ("trixie", "stable")
PACKAGES = ("micropython", "mosquitto", "mosquitto-clients")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What to try on each machine, best first: 32 bits are what a board has.
ARCHITECTURES = {"amd64": ("i386", "amd64"), "arm64": ("armhf", "arm64")}
LOADERS = {
    # Debian's architecture: (library folder, loader in it)
    "i386": ("i386-linux-gnu", "ld-linux.so.2"),
    "amd64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "armhf": ("arm-linux-gnueabihf", "ld-linux-armhf.so.3"),
    "arm64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
BROWSER = {"chromium": "chromium", "chromedriver": "chromium-driver"}  # program: package
SBIN = ("/usr/local/sbin", "/usr/sbin")
MOSQUITTO = set(toolchain.PROGRAMS) - {"micropython"}
MICROPYTHON_OLDEST = (1, 25)
MOSQUITTO_OLDEST = (2, 0)
BY_HAND = "install MicroPython >= 1.25 (unix port) and mosquitto >= 2.0 with its clients on PATH, then run make setup again"


def add_arguments(parser):
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing when everything is there"
    )
    parser.add_argument(
        "--browser",
        action="store_true",
        help="see that there is Chromium, for the tests of the page for a phone (installed by root, else asked for)",
    )


def run(args):
    steps = (
        ("Python packages", "into .venv", venv_ready, make_venv),
        ("umqtt and microdot", "from PyPI, into lib", libraries_ready, fetch_libraries),
        ("MicroPython and mosquitto", "into .toolchain", toolchain_ready, make_toolchain),
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
        if not os.geteuid():
            raise
        say(f"note: {e}; without it that test is skipped")


def say(text):
    print(text, flush=True)


@contextmanager
def locked():
    """One set-up at a time in one checkout."""
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("Waiting for another set-up of this checkout.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def write(path, data):
    """Write a file whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)


def command(words, progress=None, **options):
    """Run a command and show what `progress(line)` makes of its lines; CommandError with the last others if it fails."""
    lines = []
    with subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    ) as process:
        try:
            for line in process.stdout:
                text = progress and progress(line)
                if text:
                    show(text)
                else:
                    lines.append(line)
        except BaseException:
            process.terminate()
            raise
        finally:
            show("")
    if process.returncode:
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text("".join(lines))
        told = "".join(lines[-8:]).strip()
        name = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
        raise CommandError(f"{name} failed ({process.returncode}; all of it: {LOG}):\n{told}")


def show(text):
    """One line that is written over; nothing where no one watches."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stdout.write("\r\x1b[K" + text[:width])
        sys.stdout.flush()


# --- .venv ------------------------------------------------------------------------------------------------------------


def venv_recipe():
    lock = (ROOT / "requirements.txt").read_bytes()
    return sha256(lock)


def venv_ready():
    stamp = VENV / "stamp"
    # the interpreter itself is looked at too: it vanishes when the system's Python is upgraded
    return (
        stamp.exists()
        and stamp.read_text() == venv_recipe()
        and (VENV / "bin" / "python").exists()
    )


def make_venv():
    stamp = VENV / "stamp"
    if not (stamp.exists() and (VENV / "bin" / "python").exists()):
        python = sys.executable if sys.prefix == sys.base_prefix else sys._base_executable
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

    pip = [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
    command([*pip, "install", "--require-hashes", "-r", ROOT / "requirements.txt"], progress)
    write(stamp, venv_recipe().encode())


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
                    VENV / "bin" / "python",
                    "-m",
                    "tools.fetch",
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
        data = archive.extractfile(path).read()
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
    # what was taken from PATH may have been uninstalled since
    return stamp["suites"] == list(SUITES) and all(Path(path).exists() for path in stamp["system"])


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
    stamp = {"suites": SUITES, "bits": bits, "system": system}
    write(toolchain.STAMP, json.dumps(stamp, indent=1).encode())


def choose(folder):
    """{program: words that start it} for all programs: this machine's own if they serve, else Debian's."""
    own = programs_on_path()
    chosen = {program: words for program, words in own.items() if serves(program, words)}
    if len(chosen) < len(toolchain.PROGRAMS):
        try:
            debian = debian_programs(folder)
        except CommandError:
            if len(own) < len(toolchain.PROGRAMS):
                raise
            return own  # a 64-bit MicroPython is better than none
        chosen = debian | chosen
    return chosen


def serves(program, words):
    return program != "micropython" or micropython_bits(words) == 32


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
    if (
        len(found.keys() & MOSQUITTO) < len(MOSQUITTO)
        or mosquitto_version(found["mosquitto"][0]) < MOSQUITTO_OLDEST
    ):
        found = {name: words for name, words in found.items() if name not in MOSQUITTO}
    return found


def micropython_bits(words):
    """32 or 64; 0 when it does not run or is too old."""
    program = "import sys; print(*sys.implementation[1][:2], 64 if sys.maxsize >> 32 else 32)"
    out = output([*words, "-c", program])
    try:
        major, minor, bits = (int(word) for word in out.split())
    except ValueError:
        return 0
    return bits if (major, minor) >= MICROPYTHON_OLDEST else 0


def mosquitto_version(path):
    found = re.search(r"mosquitto version (\d+)\.(\d+)", output([path, "-h"]))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def output(words):
    """What a command prints; "" when it cannot run."""
    options = {"capture_output": True, "text": True, "errors": "replace", "timeout": 20}
    try:
        done = subprocess.run(words, check=False, **options)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def debian_programs(folder):
    """Unpack Debian's packages; {program: words that start it}."""
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise CommandError(f"{program} is not here (not a Debian?): {BY_HAND}")
    if not KEYRING.exists():
        raise CommandError(f"{KEYRING} is missing: install debian-archive-keyring, or {BY_HAND}")
    mirror = debian_mirror()
    machine = output(["dpkg", "--print-architecture"]).strip()
    for architecture in ARCHITECTURES.get(machine, (machine,)):
        if architecture not in LOADERS:
            raise CommandError(f"no way known to run Debian's {architecture} packages: {BY_HAND}")
        root = folder / architecture
        unpack_any(mirror, architecture, root)
        triplet, loader = LOADERS[architecture]
        libraries = root / "usr" / "lib" / triplet
        start = [str(libraries / loader), "--library-path", str(libraries)]
        if micropython_bits([*start, root / "usr" / "bin" / "micropython"]):
            places = {"mosquitto": "sbin"}
            return {
                program: [*start, str(root / "usr" / places.get(program, "bin") / program)]
                for program in toolchain.PROGRAMS
            }
        shutil.rmtree(root)
    raise CommandError(f"Debian's MicroPython does not run on this machine: {BY_HAND}")


def debian_mirror():
    """The address of the Debian mirror this machine already uses."""
    named = os.environ.get("DEBIAN_MIRROR")
    if named:
        return named
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    targets = output(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    rows = [line.split("|", 2) for line in targets.splitlines()]
    for origin, label, address in rows:
        if (origin, label) == ("Debian", "Debian"):
            return address
    # a fresh container: no lists were fetched yet, so origins are not known, but addresses are
    for *_, address in rows:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise CommandError(f"apt knows no Debian mirror: name one in DEBIAN_MIRROR, or {BY_HAND}")


def unpack_any(mirror, architecture, root):
    """unpack() from the first suite that the mirror has whole."""
    for suite in SUITES:
        try:
            return unpack(mirror, suite, architecture, root)
        except CommandError as e:
            shutil.rmtree(root, ignore_errors=True)
            if suite == SUITES[-1]:
                raise
            say(f"      {suite}: {str(e).splitlines()[-1]}")


def unpack(mirror, suite, architecture, root):
    """Debian's PACKAGES and all they need, of one architecture, unpacked into `root`."""
    with private_apt(root.parent, mirror, suite, architecture) as (apt, folder):
        command(
            [*apt, "--download-only", "install", *PACKAGES],
            apt_progress(f"packages ({architecture})"),
        )
        for package in sorted((folder / "cache" / "archives").glob("*.deb")):
            show(f"      unpacking {package.name.partition('_')[0]}")
            command(["dpkg", "-x", package, root])


@contextmanager
def private_apt(parent, mirror, suite, architecture, kinds=("deb",)):
    """An apt-get with a state of its own in a folder below `parent`; the system's stays as it is. Yields (its words, that folder).

    kinds: of packages it knows, "deb" and "deb-src". All Debian's packages, but none is installed.
    """
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        lines = [f"{kind} [signed-by={KEYRING}] {mirror} {suite} main\n" for kind in kinds]
        (folder / "sources.list").write_text("".join(lines))
        config = folder / "apt.conf"
        config.write_text(APT_CONF.format(folder=folder, architecture=architecture))
        apt = ["apt-get", "-c", config, "-q", "-y", "-o", "APT::Status-Fd=1"]
        command([*apt, "update"], apt_progress("package lists"))
        yield apt, folder


APT_CONF = """\
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::State::extended_states "{folder}/extended_states";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}";
Debug::NoLocking "1";
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
APT::Sandbox::User "root";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
"""


def apt_progress(what):
    def progress(line):
        found = re.match(r"dlstatus:\d+:(\d+)", line)
        return f"      {what} {found[1]} %" if found else None

    return progress
