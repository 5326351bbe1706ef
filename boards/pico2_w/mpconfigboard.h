// Two slots of 256 KB between the firmware, which may have 1024 KB, and upstream's littlefs, whose files stay.
#include "boards/RPI_PICO2_W/mpconfigboard.h"

#undef MICROPY_HW_ROMFS_BYTES
#define MICROPY_HW_ROMFS_BYTES (512 * 1024)
