"""Builds MicroPython for this machine with its own mbedTLS, as a Pico W has it, once, into `.toolchain/rp2040/unix`.

Debian's MicroPython is linked with Debian's mbedTLS, which reads PEM where MicroPython's own, up to release 1.28, reads
DER only. From the sources of the emulated Pico (build.py), with the compiler of this machine; about a minute.
"""

import os
import shutil

from emulator import build as pico_build
from emulator import workplace
from tools import shell
from tools.setup import setup

FOLDER = pico_build.FOLDER / "unix"
MICROPYTHON = FOLDER / "micropython"

# Without what needs other libraries, and with nothing frozen: the modules under test are the repository's.
_OPTIONS = (
    "MICROPY_SSL_MBEDTLS=1",
    "MICROPY_PY_BTREE=0",
    "MICROPY_PY_FFI=0",
    "MICROPY_PY_BLUETOOTH=0",
    "MICROPY_USE_READLINE=0",
    "FROZEN_MANIFEST=",
)


def build():
    """Make it unless it is there."""
    with shell.locked():
        recipe = repr((pico_build.sources_recipe(), _OPTIONS))
        stamp = FOLDER / "stamp"
        if stamp.exists() and stamp.read_text() == recipe:
            return
        shell.say("MicroPython for this machine, with its own mbedTLS")
        pico_build.sources()
        FOLDER.mkdir(exist_ok=True)
        with workplace.within(pico_build.FOLDER, ["sources"]) as folder:
            made = folder / "unix"
            port = folder / "sources" / "micropython" / "ports" / "unix"
            # else it takes our commit for MicroPython's
            environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder)}
            words = [
                "make",
                f"-j{os.cpu_count()}",
                "-C",
                port,
                f"BUILD={made}",
                "PROG=micropython",
            ]
            shell.command([*words, *_OPTIONS], pico_build.compiling, env=environment)
            if made != FOLDER:
                shutil.copy(made / "micropython", MICROPYTHON)
        setup.write(stamp, recipe.encode())
