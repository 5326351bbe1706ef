# An ESP32-C6 with a ROMFS.
set(UPSTREAM_BOARD ESP32_GENERIC_C6)
include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)
