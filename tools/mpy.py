"""The device's files, and compiling them.

What a board holds: `boot.py` and `main.py` as they are (a board starts them by name), `firmware/` and `lib/` as `.mpy`.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import ROOT, CommandError, toolchain

STARTED = ("boot.py", "main.py")
PACKAGES = ("firmware", "lib")


def sources() -> list[Path]:
    """The device's Python files, relative to the repository, sorted."""
    found = [Path(name) for name in STARTED if (ROOT / name).exists()]
    for package in PACKAGES:
        found += sorted(path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))
    return found


def module_name(source: Path) -> str:
    """Name a device imports a source by: firmware/app.py -> firmware.app, lib/drivers/dht22.py -> drivers.dht22."""
    parts = list(source.with_suffix("").parts)
    if parts[0] == "lib":
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    return ".".join(parts)


def compile_file(source: Path, target: Path) -> None:
    """Compile one source (relative to the repository) into the file `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # A traceback names modules and functions. Line numbers (left out by -O3) would be 6 % of all that a node keeps in RAM, and
    # the file's name another 2 KB; the module's is there already, by the import.
    named = ("-s", module_name(source), "-o", target)
    words: list[str | Path] = [*toolchain.mpy_cross(), "-O3", *named, ROOT / source]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CommandError(f"{source} does not compile: {(done.stderr or done.stdout).strip()}")


def compile_tree(folder: Path) -> None:
    """Write into `folder` what a board holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources():
        if source.name in STARTED and source.parent == Path("."):
            shutil.copy(ROOT / source, folder / source)
        else:
            compile_file(source, folder / source.with_suffix(".mpy"))


def compiled() -> dict[str, bytes]:
    """What a board holds, as {path on the board: contents}."""
    (ROOT / ".build").mkdir(exist_ok=True)
    # a folder of its own: another command may be compiling
    with tempfile.TemporaryDirectory(prefix="device-", dir=ROOT / ".build") as name:
        folder = Path(name)
        compile_tree(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
