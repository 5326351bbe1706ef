# What our ESP32 have in common: all of upstream's board UPSTREAM_BOARD, without Bluetooth, and with our partitions.
include(${CMAKE_CURRENT_SOURCE_DIR}/boards/${UPSTREAM_BOARD}/mpconfigboard.cmake)
list(REMOVE_ITEM SDKCONFIG_DEFAULTS boards/sdkconfig.ble)

set(MICROPY_FROZEN_MANIFEST ${CMAKE_CURRENT_LIST_DIR}/esp32_manifest.py)

# An sdkconfig knows no variables, and a relative path would be one in MicroPython's tree.
set(OUTPOST_SDKCONFIG ${CMAKE_BINARY_DIR}/sdkconfig.partitions)
file(WRITE ${OUTPOST_SDKCONFIG}
    "CONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${CMAKE_CURRENT_LIST_DIR}/partitions-4MiB.csv\"\n"
)
list(APPEND SDKCONFIG_DEFAULTS ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.flash ${OUTPOST_SDKCONFIG})
