# As upstream's RPI_PICO2_W, without the library for Bluetooth.
include("$(PORT_DIR)/boards/manifest.py")
require("bundle-networking")
include("../common/manifest.py")
