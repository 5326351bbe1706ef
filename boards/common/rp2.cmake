# What our Picos have in common: all of upstream's board UPSTREAM_BOARD, without Bluetooth.
set(UPSTREAM_BOARD_DIR ${MICROPY_PORT_DIR}/boards/${UPSTREAM_BOARD})
include(${UPSTREAM_BOARD_DIR}/mpconfigboard.cmake)

# Outpost has no use for it. It takes 6 KB of RAM and room that two slots need.
set(MICROPY_PY_BLUETOOTH OFF)
set(MICROPY_BLUETOOTH_BTSTACK OFF)
set(MICROPY_PY_BLUETOOTH_CYW43 OFF)

# The build looks for the pins' names, such as LED, in the board's own folder. The first name is that of later releases.
set(MICROPY_BOARD_PINS ${UPSTREAM_BOARD_DIR}/pins.csv)
set(GEN_PINS_BOARD_CSV ${MICROPY_BOARD_PINS})
set(GEN_PINS_CSV_ARG --board-csv ${MICROPY_BOARD_PINS})
