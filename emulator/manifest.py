# What the emulated board's firmware freezes: as MicroPython's own for the RP2040, without what is in micropython-lib, which
# Debian does not have; what all our boards have; and our modules/, if there are any.
import os

freeze("$(PORT_DIR)/modules")
include("$(MPY_DIR)/extmod/asyncio")
include("common/manifest.py")
_ours = os.path.join(os.path.dirname(os.environ["OUTPOST_MANIFEST"]), "modules")
if os.path.isdir(_ours):
    freeze(_ours)
