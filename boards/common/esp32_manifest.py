# As upstream's ESP32_GENERIC and its kin, and what is ours.
include("$(PORT_DIR)/boards/manifest.py")
include("manifest.py")
