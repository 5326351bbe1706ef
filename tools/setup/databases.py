"""Real databases for tests and benchmarks, in `.toolchain/databases`: PostgreSQL with TimescaleDB, and InfluxDB, from Debian, without root.

Of what PostgreSQL depends on only the libraries are unpacked that its server links: LLVM, Perl and the tools of Debian's clusters would
be three quarters of it. About 45 MB are fetched, 140 MB are kept; half a minute.
"""

import re
import shlex
import shutil
from pathlib import Path

from tools import CommandError, toolchain
from tools.setup import debs
from tools.shell import command, output, say, show

FOLDER = toolchain.DATABASES
_WANTED = "postgresql-17-timescaledb", "influxdb"
_TAKEN = re.compile(r"lib(?!llvm|z3|perl|gdbm|.*-perl$)|zlib1g$|postgresql-\d+|influxdb$|tzdata$")
# What starts the others by their paths, too: each is a script beside the true one, which runs it by the loader of its own libraries.
_POSTGRES = ("postgres", "initdb")


def ready() -> bool:
    """True when all is there. Where it could not be had, it is tried again the next time."""
    stamp = FOLDER / "stamp"
    return stamp.exists() and stamp.read_text() == _recipe()


def make() -> None:
    """Fetch and unpack them. What cannot be had is told, and its tests are skipped."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "bin").mkdir(parents=True)
    try:
        _fetch()
    except CommandError as e:
        told = str(e).splitlines()[-1]
        say(f"      note: without PostgreSQL and InfluxDB ({told}) their tests are skipped")
        shutil.rmtree(FOLDER)
        return
    (FOLDER / "stamp").write_text(_recipe())


def _recipe() -> str:
    return " ".join((*debs.SUITES, *_WANTED))


def _fetch() -> None:
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise CommandError(f"{program} is not here (not a Debian?)")
    architecture = output(["dpkg", "--print-architecture"]).strip()
    if architecture not in debs.LOADERS:
        raise CommandError(f"no way known to run Debian's {architecture} packages")
    root = FOLDER / architecture
    with debs.private_apt(FOLDER, debs.mirror(), debs.SUITES[0], architecture) as (apt, folder):
        planned = output([*apt, "--simulate", "install", *_WANTED])
        names = [name for name in re.findall(r"^Inst (\S+)", planned, re.M) if _TAKEN.match(name)]
        if not names:
            raise CommandError(f"{debs.SUITES[0]} has no {' or no '.join(_WANTED)}")
        archives = folder / "cache" / "archives"
        command([*apt, "download", *names], debs.apt_progress("databases"), cwd=archives)
        for package in sorted(archives.glob("*.deb")):
            show(f"      unpacking {package.name.partition('_')[0]}")
            command(["dpkg", "-x", package, root])
    _wrap(root, *debs.LOADERS[architecture])


def _wrap(root: Path, triplet: str, loader: str) -> None:
    """Have each program run by the loader and the libraries that came with it."""
    (programs,) = (root / "usr" / "lib" / "postgresql").glob("*/bin")
    for name in _POSTGRES:
        own = programs / f"{name}.own"
        (programs / name).rename(own)
        up = "../" * 4
        _script(programs / name, f"{up}lib/{triplet}", loader, f"{name}.own")
    _script(
        FOLDER / "bin" / "influxd",
        f"../{root.name}/usr/lib/{triplet}",
        loader,
        f"../{root.name}/usr/bin/influxd",
    )


def _script(path: Path, libraries: str, loader: str, program: str) -> None:
    place = f'"${{0%/*}}"/{shlex.quote(libraries)}'
    words = f'{place}/{loader} --library-path {place} --argv0 "$0" "${{0%/*}}"/{program} "$@"'
    path.write_text(f"#!/bin/sh\nexec {words}\n")
    path.chmod(0o755)
