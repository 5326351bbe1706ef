"""Debian's packages in a folder of ours, without root: apt with a state of its own, `dpkg -x`, each program through its own loader.

On Debian the mirror and the keys are the machine's. On a relative of Debian (Ubuntu, Raspberry Pi OS, Mint) both come out of packages that
it has from Debian itself, and that its own apt checks: the keys of `debian-archive-keyring`, the address that `debootstrap` knows.
"""

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tools import CommandError, toolchain
from tools.shell import command, output, say, show

# trixie is the first Debian with MicroPython >= 1.25; bytecode and API of the boards' 1.25 and later. A mirror in the
# middle of a synchronisation may have one name of a suite whole and the other not.
SUITES = ("trixie", "stable")
PACKAGES = ("micropython", "mosquitto", "mosquitto-clients")
# What a test needs and nothing else: one program each, named as its package, that needs the C library alone.
EXTRAS = ("nats-server",)
_NAMES = (*toolchain.PROGRAMS, *EXTRAS)
_PLACES = {"mosquitto": "sbin", "nats-server": "sbin"}  # else bin
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
# What to try on each machine, best first: 32 bits are what a board has.
ARCHITECTURES = {"amd64": ("i386", "amd64"), "arm64": ("armhf", "arm64")}
LOADERS = {
    # Debian's architecture: (library folder, loader in it)
    "i386": ("i386-linux-gnu", "ld-linux.so.2"),
    "amd64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "armhf": ("arm-linux-gnueabihf", "ld-linux-armhf.so.3"),
    "arm64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


def programs(folder, runs):
    """Unpack Debian's packages into `folder`; {program: words that start it}.

    runs(words): whether MicroPython, started so, runs here. CommandError: there is no Debian to have them from, or none runs.
    """
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise CommandError(f"{program} is not here (not a Debian?)")
    keyring()  # missing, it would be missing for each suite
    address = mirror()
    machine = output(["dpkg", "--print-architecture"]).strip()
    for architecture in ARCHITECTURES.get(machine, (machine,)):
        if architecture not in LOADERS:
            raise CommandError(f"no way known to run Debian's {architecture} packages")
        root = folder / architecture
        unpack_any(address, architecture, root)
        triplet, loader = LOADERS[architecture]
        libraries = root / "usr" / "lib" / triplet
        start = [str(libraries / loader), "--library-path", str(libraries)]
        if runs([*start, root / "usr" / "bin" / "micropython"]):
            paths = {name: root / "usr" / _PLACES.get(name, "bin") / name for name in _NAMES}
            return {
                name: [*start, str(path)]
                for name, path in paths.items()
                if name not in EXTRAS or path.exists()
            }
        shutil.rmtree(root)
    raise CommandError("Debian's MicroPython does not run on this machine")


def mirror():
    """The address of the Debian mirror this machine already uses, else of the one that debootstrap uses."""
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
    script = system_file(DEBOOTSTRAP, "debootstrap").read_text(errors="replace")
    found = re.search(r'^\s*(?:DEF_MIRROR=|default_mirror )"?(http\S+/debian)"?$', script, re.M)
    if not found:
        raise CommandError(
            "apt knows no Debian mirror: name one in the environment variable DEBIAN_MIRROR"
        )
    return found[1]


def keyring():
    """Path of the keys that Debian signs with."""
    return system_file(KEYRING, "debian-archive-keyring")


def system_file(path, package):
    """A file of one of this system's own packages: where it is installed, else in a copy that apt has fetched and checked."""
    if path.exists():
        return path
    copy = toolchain.FOLDER / "own" / path.relative_to("/")
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=copy.parent) as folder:
                command(["apt-get", "-q", "download", package], cwd=folder)
                for deb in Path(folder).glob("*.deb"):
                    command(["dpkg", "-x", deb, toolchain.FOLDER / "own"])
        except CommandError as e:
            told = str(e).splitlines()[-1]
            raise CommandError(
                f"{path} is missing ({told}): sudo apt-get update && sudo apt-get install {package}"
            ) from None
        if not copy.exists():
            raise CommandError(f"{path} is missing, and this system's {package} has none")
    return copy


def unpack_any(address, architecture, root):
    """unpack() from the first suite that the mirror has whole."""
    for suite in SUITES:
        try:
            return unpack(address, suite, architecture, root)
        except CommandError as e:
            shutil.rmtree(root, ignore_errors=True)
            if suite == SUITES[-1]:
                raise
            say(f"      {suite}: {str(e).splitlines()[-1]}")


def unpack(address, suite, architecture, root):
    """Debian's PACKAGES and all they need, of one architecture, unpacked into `root`."""
    with private_apt(root.parent, address, suite, architecture) as (apt, folder):
        command(
            [*apt, "--download-only", "install", *PACKAGES],
            apt_progress(f"packages ({architecture})"),
        )
        archives = folder / "cache" / "archives"
        for name in EXTRAS:
            try:
                command([*apt, "download", name], cwd=archives)
            except CommandError as e:
                say(f"      note: without {name} ({str(e).splitlines()[-1]}) its test is skipped")
        for package in sorted(archives.glob("*.deb")):
            show(f"      unpacking {package.name.partition('_')[0]}")
            command(["dpkg", "-x", package, root])


@contextmanager
def private_apt(parent, address, suite, architecture, kinds=("deb",)):
    """An apt-get with a state of its own in a folder below `parent`; the system's stays as it is. Yields (its words, that folder).

    kinds: of packages it knows, "deb" and "deb-src". All Debian's packages, but none is installed.
    """
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True)
        lines = [f"{kind} [signed-by={keyring()}] {address} {suite} main\n" for kind in kinds]
        (folder / "sources.list").write_text("".join(lines))
        config = folder / "apt.conf"
        config.write_text(APT_CONF.format(folder=folder, architecture=architecture))
        apt = ["apt-get", "-c", str(config), "-q", "-y", "-o", "APT::Status-Fd=1"]
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
