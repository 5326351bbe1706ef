#include "boards/ESP32_GENERIC_C3/mpconfigboard.h"
#include "../common/esp32.h"
