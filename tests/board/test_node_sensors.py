"""A node with sensors on every kind of bus: from the emulated Pico's pins, through the deployed firmware, to a subscriber."""

import json

import pytest
from driver_stand import chips_of
from outside import until
from pico import CONFIG, put

NAME = "emulated"
BOOT_S = 90  # to have loaded everything and read it once, on a busy machine

I2C0, I2C1 = {"sda": 4, "scl": 5}, {"sda": 6, "scl": 7}
SENSORS = [
    {"name": "air", "type": "bme280", **I2C0, "dew_point": True},
    {"name": "room", "type": "sht3x", **I2C0},
    {"name": "light", "type": "bh1750", **I2C0},
    {"name": "probe", "type": "tmp117", **I2C1, "freq": 400_000},
    {"name": "solar", "type": "ina219", **I2C1, "freq": 400_000},
    {"name": "cell", "type": "battery", "pin": 26, "r1": 100, "r2": 100},
    {"name": "floor", "type": "ntc", "pin": 27},
    {"name": "pipe", "type": "ds18b20", "pin": 22},
    {"name": "shed", "type": "dht22", "pin": 21},
    {"name": "tank", "type": "hcsr04", "trigger": 14, "echo": 15},
    {"name": "rain", "type": "pulse", "pin": 16, "per_pulse": 0.2794, "unit": "mm/h"},
    {"name": "door", "type": "input", "pin": 17, "kind": "reed"},
]
# What sim/board/world.py has at noon, and how near each comes to it.
EXPECTED = {
    "air": {"temperature": (21.5, 0.02), "humidity": (45, 0.2), "pressure": (1013.25, 0.05)},
    "room": {"temperature": (21.5, 0.01), "humidity": (45, 0.1)},
    "light": {"illuminance": (320, 1)},
    "probe": {"temperature": (21.5, 0.01)},
    "solar": {"current": (350, 0.2), "voltage": (3.95, 0.01)},
    "cell": {"voltage": (3.95, 0.02), "battery": (75, 3)},
    "floor": {"temperature": (21.5, 0.2)},
    "pipe": {"temperature": (21.5, 0.07)},
    "shed": {"temperature": (21.5, 0.1), "humidity": (45, 0.1)},
    "tank": {"distance": (150, 1)},
    "rain": {"count": (0, 0)},
    "door": {"open": (False, 0)},
}


def test_every_bus_is_read_and_one_bad_sensor_stops_nothing(node, broker, seen, tmp_path):
    pipes = tmp_path / "pipes"
    pipes.mkdir()
    node.attach.append(f"chips={pipes}")
    config = CONFIG | {
        "node": {"name": NAME},
        "mqtt": {"brokers": [{"host": broker.host, "port": broker.port}]},
        "sensors": [{"interval_s": 5, **sensor} for sensor in SENSORS],
    }
    put(node.flash, {"config.json": json.dumps(config).encode()})

    def readings(name):
        return [reading for reading in seen.readings(name, NAME) if "error" not in reading]

    def of_all(count):
        return all(len(readings(sensor["name"])) >= count for sensor in SENSORS)

    with chips_of(SENSORS, pipes, ahead=False) as chips:
        node.start()
        until(lambda: of_all(1), BOOT_S, "a reading of each", node.printed)
        for name, expected in EXPECTED.items():
            for quantity, (value, tolerance) in expected.items():
                assert abs(readings(name)[0][quantity] - value) <= tolerance, (name, quantity)

        chips.do("unplug", name="air")
        chips.do("set", name="room", temperature=-7.25)
        chips.do("door", name="door", opened=True)
        chips.do("tip", name="rain", n=3)
        until(
            lambda: any(reading.get("error") for reading in seen.readings("air", NAME)),
            BOOT_S,
            "the failure",
            node.printed,
        )
        until(
            lambda: (
                readings("room")[-1]["temperature"] == pytest.approx(-7.25, abs=0.01)
                and readings("door")[-1]["open"]
                and readings("rain")[-1]["count"] == 3
            ),
            BOOT_S,
            "what has changed",
            node.printed,
        )
        chips.do("replug", name="air")
        known = len(readings("air"))
        until(lambda: len(readings("air")) > known, BOOT_S, "its return", node.printed)
        assert len(readings("solar")) >= 3
        node.stop()
