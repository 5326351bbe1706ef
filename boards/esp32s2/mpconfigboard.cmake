# An ESP32-S2 with a ROMFS.
set(UPSTREAM_BOARD ESP32_GENERIC_S2)
include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)
