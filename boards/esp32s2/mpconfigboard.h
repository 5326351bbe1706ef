#include "boards/ESP32_GENERIC_S2/mpconfigboard.h"
#include "../common/esp32.h"
