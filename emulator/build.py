"""Builds what an emulated Pico is made of, once, into `.toolchain/rp2040`.

- the firmware: Outpost's own MicroPython for the Pico (`boards/pico`), from Debian's source packages, with what `manifest.py` freezes;
  and once more with the heap of a Pico W, whose radio takes the rest
- the emulator of the chip: rp2040js from npm, locked by hash in `package-lock.json`

The compiler, cmake, ninja, node and npm are the machine's; Debian's are installed where that is possible (as root, as in CI).
"""

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from emulator import workplace
from tools import ROOT, CommandError, shell, toolchain
from tools.setup import debian, debs, setup

RECIPE = ROOT / "emulator"
FROZEN = ("manifest.py", "modules", "cxx")  # what of it goes into the firmware
BOARDS = ROOT / "boards"
BOARD = "pico"
DEFINED = (BOARD, "common")  # what of the board definitions its build reads
FOLDER = toolchain.FOLDER / "rp2040"
FIRMWARE = FOLDER / "firmware.bin"
PICO_W_HEAP = FOLDER / "firmware-pico-w-heap.bin"
NPM = FOLDER / "npm"

_SOURCES = ("micropython", "lwip", "mbedtls")  # as released; tar archives
# Debian has the sources of these as packages to build against: NAME-source
_UNPACKED = ("pico-sdk", "tinyusb")
# What to leave to C, whose heap is taken from Python's, to have the 201,300 bytes free at the prompt of an official Pico W.
_C_HEAP = {FIRMWARE.name: 0, PICO_W_HEAP.name: 40960}
_OLDEST_NODE = 18

_PROGRAMS = {
    # program: Debian's package
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "arm-none-eabi-g++": "gcc-arm-none-eabi",
    "cmake": "cmake",
    "ninja": "ninja-build",
    "make": "make",
    "gcc": "gcc",
    "node": "nodejs",
    "npm": "npm",
}
_NEWLIB = "libnewlib-arm-none-eabi"


def build():
    """Make what is missing, and print each step. If nothing is missing, print and touch nothing."""
    steps = (
        ("compiler, cmake, ninja, node", _programs_ready, _install_programs),
        ("MicroPython's sources, from Debian", _sources_ready, _fetch_sources),
        ("MicroPython for the Pico", _firmware_ready, _build_firmware),
        ("rp2040js, from npm", _npm_ready, _fetch_rp2040js),
    )
    if all(ready() for _, ready, _ in steps[2:]) and shutil.which("node"):
        return
    with shell.locked():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for number, (what, ready, make) in enumerate(steps, 1):
            if not ready():
                shell.say(f"[{number}/{len(steps)}] {what}")
                make()


def _stamped(name, recipe):
    stamp = FOLDER / name
    return stamp.exists() and stamp.read_text() == recipe


def _stamp(name, recipe):
    setup.write(FOLDER / name, recipe.encode())


# ---- programs


def _missing():
    """Debian's packages of the programs that are not here."""
    missing = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    if "gcc-arm-none-eabi" in missing or not Path(_newlib()).is_file():
        missing.add(_NEWLIB)
    if "gcc" in missing:
        missing.add("libc6-dev")  # which it only recommends
    return sorted(missing)


def _newlib():
    # gcc answers with the name alone when it does not know the place
    return shell.output(["arm-none-eabi-gcc", "-print-file-name=libc.a"]).strip()


def _programs_ready():
    return not _missing()


def _install_programs():
    debian.install(_missing(), "the emulated board")
    version = shell.output(["node", "--version"]).strip()
    if int(version.strip("v").partition(".")[0] or 0) < _OLDEST_NODE:
        raise CommandError(f"node {version} is too old for rp2040js: {_OLDEST_NODE} or newer")


# ---- sources


def sources_recipe():
    return repr((debs.SUITES, _SOURCES, _UNPACKED))


def _sources_ready():
    return _stamped("sources.stamp", sources_recipe())


def sources():
    """Return the folder of MicroPython's sources, fetched if they are not there."""
    if not _sources_ready():
        FOLDER.mkdir(parents=True, exist_ok=True)
        _fetch_sources()
    return FOLDER / "sources" / "micropython"


def _fetch_sources():
    if not shutil.which("apt-get"):
        raise CommandError(
            "apt-get is not here (not a Debian?): the firmware is built from Debian's sources"
        )
    mirror = debs.mirror()
    for suite in debs.SUITES:
        try:
            _fetch_from(mirror, suite)
            break
        except CommandError as e:
            if suite == debs.SUITES[-1]:
                raise
            shell.say(f"      {suite}: {str(e).splitlines()[-1]}")
    _stamp("sources.stamp", sources_recipe())


def _fetch_from(mirror, suite):
    tree = FOLDER / "sources"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(FOLDER / "build", ignore_errors=True)  # cmake's, of other sources
    tree.mkdir()
    architecture = shell.output(["dpkg", "--print-architecture"]).strip()
    with debs.private_apt(FOLDER, mirror, suite, architecture, ("deb", "deb-src")) as (
        apt,
        folder,
    ):
        progress = debs.apt_progress("sources")
        shell.command([*apt, "--download-only", "source", *_SOURCES], progress, cwd=folder)
        packages = [f"{name}-source" for name in _UNPACKED]
        # without what they depend on: the C++ library alone is 440 MB, and the firmware needs nothing of it
        shell.command([*apt, "download", *packages], progress, cwd=folder)
        for package in folder.glob("*.deb"):
            shell.command(["dpkg", "-x", package, folder / "root"])
        micropython = _untar(folder, "micropython", tree / "micropython")
        for name in _SOURCES[1:]:
            _untar(folder, name, micropython / "lib" / name)
        for name in _UNPACKED:
            _replace(folder / "root" / "usr" / "src" / name, micropython / "lib" / name)
    # the build looks whether the submodules are there; of this one it needs nothing
    (micropython / "lib" / "micropython-lib" / "README.md").touch()


def _untar(folder, name, place):
    """Unpack the one release archive of that name, whose files are in one folder, to `place`."""
    shell.show(f"      unpacking {name}")
    (archive,) = folder.glob(f"{name}_*.orig.tar.*")
    unpacked = folder / name
    with tarfile.open(archive) as tar:
        # a filter is newer than the oldest Python this runs on; apt has checked the archive's signature
        safe = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
        tar.extractall(unpacked, **safe)
    (inside,) = unpacked.iterdir()
    return _replace(inside, place)


def _replace(source, place):
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.move(source, place))


# ---- firmware


def _firmware_recipe():
    digest = hashlib.sha256(sources_recipe().encode())
    files = [
        RECIPE / "manifest.py",
        *(RECIPE / "cxx").iterdir(),
        *(RECIPE / "modules").glob("*.py"),
        *(path for name in DEFINED for path in (BOARDS / name).iterdir()),
    ]
    # not by the whole path: what is above these folders, and which comes first, is the machine's
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(repr([_cmake(Path(), c_heap) for c_heap in _C_HEAP.values()]).encode())
    return digest.hexdigest()


def _firmware_ready():
    there = FIRMWARE.exists() and PICO_W_HEAP.exists()
    return there and _stamped("firmware.stamp", _firmware_recipe())


def _cmake(folder, c_heap):
    return [
        *("cmake", "-G", "Ninja", "-B", folder / "build"),
        *("-S", folder / "sources" / "micropython" / "ports" / "rp2"),
        f"-DMICROPY_BOARD={BOARD}",
        f"-DMICROPY_BOARD_DIR={folder / 'recipe' / BOARD}",
        f"-DMICROPY_FROZEN_MANIFEST={folder / 'recipe' / 'manifest.py'}",
        f"-DMICROPY_C_HEAP_SIZE={c_heap}",
        *("-DPICO_CLIB=newlib", "-DPICO_NO_PICOTOOL=1"),
        # The first two are what it would have been: they choose which of the libraries are linked.
        f"-DCMAKE_CXX_FLAGS=-mcpu=cortex-m0plus -mthumb -isystem {folder / 'recipe' / 'cxx'}",
        f"-DCMAKE_EXE_LINKER_FLAGS=-L{folder / 'cxx'}",
    ]


def _build_firmware():
    recipe = _firmware_recipe()
    with workplace.within(FOLDER, ["sources"]) as folder:
        _copy_recipe(folder / "recipe")
        environment = os.environ | {
            "OUTPOST_MANIFEST": str(folder / "recipe" / "manifest.py"),
            "GIT_CEILING_DIRECTORIES": str(folder),  # else it takes our commit for MicroPython's
        }
        cross = folder / "sources" / "micropython" / "mpy-cross"
        shell.command(["make", f"-j{os.cpu_count()}", "-C", cross], compiling, env=environment)
        (folder / "cxx").mkdir(exist_ok=True)
        for name in ("libstdc++.a", "libsupc++.a"):  # linked by the pico-sdk, and not needed
            shell.command(["arm-none-eabi-ar", "cr", folder / "cxx" / name])
        place = repr(_cmake(folder, 0))
        if not _stamped("cmake.stamp", place):
            shutil.rmtree(folder / "build", ignore_errors=True)  # of a checkout that was elsewhere
        for name, c_heap in _C_HEAP.items():  # the second time it only links
            shell.command(_cmake(folder, c_heap), env=environment)
            _stamp("cmake.stamp", place)
            shell.command(
                ["ninja", "-C", folder / "build", "firmware"], compiling, env=environment
            )
            setup.write(FOLDER / name, (folder / "build" / "firmware.bin").read_bytes())
    _stamp("firmware.stamp", recipe)


def _copy_recipe(place):
    """What the build reads of ours, in a folder with a plain name. What has not changed keeps its time, or all would be compiled anew."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for source in [*(RECIPE / name for name in FROZEN), *(BOARDS / name for name in DEFINED)]:
        copy = place / source.name
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy2(source, copy)


def compiling(line):
    if line.startswith(("CC ", "GEN ", "LINK ")):
        return f"      mpy-cross: {line.split()[1]}"
    if line.startswith("[") and "] " in line:
        return f"      {line.partition('] ')[0][1:]} {line.rstrip().rpartition('/')[2]}"
    return None


# ---- rp2040js


def _npm_recipe():
    return setup.sha256((RECIPE / "package-lock.json").read_bytes())


def _npm_ready():
    return _stamped("npm.stamp", _npm_recipe())


def _fetch_rp2040js():
    NPM.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(RECIPE / name, NPM)
    shell.command(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NPM)
    _stamp("npm.stamp", _npm_recipe())


def node():
    """Path of node; CommandError if it is not there."""
    found = shutil.which("node")
    if not found:
        raise CommandError("node is not there: run `make board`")
    return found
