# A Raspberry Pi Pico with a ROMFS. Its flash: mpconfigboard.h; from MicroPython 1.29 on it is read here.
set(MICROPY_HW_ROMFS_BYTES 524288)
set(MICROPY_HW_FLASH_STORAGE_BYTES 1048576)

set(UPSTREAM_BOARD RPI_PICO)
include(${CMAKE_CURRENT_LIST_DIR}/../common/rp2.cmake)
