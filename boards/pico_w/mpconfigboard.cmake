# A Raspberry Pi Pico W with a ROMFS. Its flash: mpconfigboard.h; from MicroPython 1.29 on it is read here.
set(MICROPY_HW_ROMFS_BYTES 393216)

set(UPSTREAM_BOARD RPI_PICO_W)
include(${CMAKE_CURRENT_LIST_DIR}/../common/rp2.cmake)
