"""The outbox by itself: the power fails before, in and after every block write of a long life. See tests/device/shared/power.py."""

import os
import subprocess
import tempfile

from tools import ROOT, CommandError, toolchain

HEAP = "64m"  # what the flash was at every moment is in RAM
LONGEST_S = 1200
PROGRAM = """\
import sys
sys.path[:] = {path}
from power import Life, sweep
life = Life({seed}, {steps}, sync_ms={sync_ms})
operations, cuts = sweep(life)
print("%d records, %d restarts, %d block writes and erases, %d cuts" % (life.id, life.restarts, operations, cuts))
"""


def sweep(board, seed, steps, sync_s):
    """Return what was done, as a line. CommandError: a promise was broken, and where."""
    path = [str(ROOT / name) for name in ("sim/board", "tests/device/shared", "lib")] + [".frozen"]
    program = PROGRAM.format(path=path, seed=seed, steps=steps, sync_ms=int(sync_s * 1000))
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*toolchain.micropython(HEAP), "-c", program],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env={"OUTPOST_BOARD": board, "PATH": os.defpath},
            timeout=LONGEST_S,
        )
    if done.returncode:
        raise CommandError(f"the outbox broke its promise:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
