# A Raspberry Pi Pico 2 W with a ROMFS. Its flash: mpconfigboard.h; from MicroPython 1.29 on it is read here.
set(MICROPY_HW_ROMFS_BYTES 524288)

set(UPSTREAM_BOARD RPI_PICO2_W)
include(${CMAKE_CURRENT_LIST_DIR}/../common/rp2.cmake)
