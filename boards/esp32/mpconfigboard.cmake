# An ESP32 with a ROMFS.
set(UPSTREAM_BOARD ESP32_GENERIC)
include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)
