#include "boards/ESP32_GENERIC/mpconfigboard.h"
#include "../common/esp32.h"
