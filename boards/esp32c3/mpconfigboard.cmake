# An ESP32-C3 with a ROMFS.
set(UPSTREAM_BOARD ESP32_GENERIC_C3)
include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)
