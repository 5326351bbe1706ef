// Upstream gives littlefs 1408 KB. Here two slots of 256 KB are below it, which leaves the firmware 512 KB.
#include "boards/RPI_PICO/mpconfigboard.h"

#undef MICROPY_HW_ROMFS_BYTES
#define MICROPY_HW_ROMFS_BYTES (512 * 1024)
#undef MICROPY_HW_FLASH_STORAGE_BYTES
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)

// Upstream leaves TLS out of a board that has no network. The emulated Pico has one.
#define MICROPY_PY_SSL (1)
