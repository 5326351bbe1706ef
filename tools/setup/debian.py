"""Programs of Debian that only some commands need: installed where that is possible, else asked for."""

import os
import shutil
import subprocess

from tools import CommandError, shell


def need(programs, what):
    """See that programs, {name on PATH: Debian's package}, are there. CommandError: how to get them.

    what: the beginning of a sentence that ends with "needs …". Root on a Debian gets them installed.
    """
    missing = sorted({package for name, package in programs.items() if not shutil.which(name)})
    if missing:
        install(missing, what)


def install(packages, what):
    """Install packages of Debian; `what` as above."""
    words = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if not shell.is_root() or not shutil.which("apt-get"):
        raise CommandError(f"{what} needs {', '.join(packages)}: sudo {' '.join(words)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # One of several mirrors may be half way through a change: what there is of the lists is often enough.
    for command in (["apt-get", "update"], words):
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment
        )
    if done.returncode:
        told = (done.stdout + done.stderr)[-500:].strip()
        raise CommandError(f"{what} needs {', '.join(packages)}, and apt-get failed:\n{told}")
