"""`esp32`: only an ESP32 has it."""

import sim

if not sim.ESP32:
    raise ImportError("no module named 'esp32'")

import json

HEAP_DATA = 4
HEAP_EXEC = 1
WAKEUP_ALL_LOW = 0
WAKEUP_ANY_HIGH = 1


def idf_heap_info(capabilities):
    """(total, free, largest block, least free) of each region; as a board that has joined reports them, where RAM is not modelled."""
    if sim.idf:
        return sim.idf.info()
    return [
        (7288, 0, 0, 0),
        (16648, 4, 0, 4),
        (81500, 40_100, 38_912, 36_000),
        (122_588, 53_200, 45_056, 51_700),
    ]


def raw_temperature():
    return 128


def wake_on_ext0(pin, level):
    pass


def wake_on_ext1(pins, level):
    pass


def gpio_deep_sleep_hold(on):
    pass


class NVS:
    """Non-volatile storage, beside the retained file; without one it is forgotten. Nothing is kept before commit()."""

    _NOT_FOUND = -0x1102

    def __init__(self, namespace):
        self._file = sim.retained_file and sim.retained_file + "-nvs-" + namespace
        self._values = {}
        try:
            if self._file:
                with open(self._file) as f:
                    self._values = json.load(f)
        except (OSError, ValueError):
            pass

    def _get(self, key, kind):
        value = self._values.get(key)
        if not isinstance(value, kind):
            raise OSError(self._NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def get_i32(self, key):
        return self._get(key, int)

    def set_i32(self, key, value):
        self._values[key] = value

    def get_blob(self, key, buf):
        data = bytes.fromhex(self._get(key, str))
        buf[: len(data)] = data
        return len(data)

    def set_blob(self, key, value):
        self._values[key] = bytes(value).hex()

    def erase_key(self, key):
        if key not in self._values:
            raise OSError(self._NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        del self._values[key]

    def commit(self):
        if self._file:
            with sim.host_open(self._file, "w") as f:
                json.dump(self._values, f)
