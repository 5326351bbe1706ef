# An ESP32-S3 with a ROMFS.
set(UPSTREAM_BOARD ESP32_GENERIC_S3)
include(${CMAKE_CURRENT_LIST_DIR}/../common/esp32.cmake)
