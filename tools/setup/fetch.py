"""Fetch one sdist from PyPI and check it: `python -m tools.setup.fetch PROJECT VERSION SHA256 FILE`. A part of `make setup`.

The index and the CA file are those pip is configured with.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from pypi_simple import PYPI_SIMPLE_ENDPOINT, NoSuchProjectError, PyPISimple
from requests import RequestException


def pip_setting(name):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
        check=False,  # not set: it fails and prints nothing
        capture_output=True,
        text=True,
    )
    return os.environ.get("PIP_" + name.upper().replace("-", "_")) or done.stdout.strip()


def main(project, version, digest, file):
    try:
        fetch(project, version, digest, file)
    except (RequestException, NoSuchProjectError) as e:
        sys.exit(f"{project} cannot be fetched: {e}")


def fetch(project, version, digest, file):
    with PyPISimple(pip_setting("index-url") or PYPI_SIMPLE_ENDPOINT) as client:
        client.s.verify = pip_setting("cert") or True
        page = client.get_project_page(project)
        name = f"{project}-{version}.tar.gz"
        packages = [package for package in page.packages if package.filename == name]
        if not packages:
            sys.exit(f"{name} is not on {client.endpoint}")
        # the digest below is ours, not the index's
        client.download_package(packages[0], file, verify=False)
    found = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if found != digest:
        sys.exit(f"{name} is not the file that was expected (SHA-256 {found})")


if __name__ == "__main__":
    main(*sys.argv[1:])
