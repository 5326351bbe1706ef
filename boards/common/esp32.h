// What our ESP32 have in common, after upstream's own mpconfigboard.h.

#define MICROPY_VFS_ROM (1)

#undef MICROPY_PY_BLUETOOTH
#define MICROPY_PY_BLUETOOTH (0)

// With its code in flash a node needs 75 KB: it fits the first area of the heap, and all else stays with Wi-Fi and TLS.
// Upstream's 56 or 64 KB would be doubled, and half of that stay empty.
#define MICROPY_GC_INITIAL_HEAP_SIZE (80 * 1024)
