// Two slots of 192 KB between the firmware, which may have 816 KB, and upstream's littlefs, whose files stay.
#include "boards/RPI_PICO_W/mpconfigboard.h"

#undef MICROPY_HW_ROMFS_BYTES
#define MICROPY_HW_ROMFS_BYTES (384 * 1024)
