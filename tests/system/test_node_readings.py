"""What a subscriber sees of a node in good health."""

import itertools
import json
import re
import time

import pytest
from outside import NAME, ONLINE_S, OTHER, sensors, settings, stream, until

QUANTITIES = {
    "bme280": {"temperature", "humidity", "pressure"},
    "bmp280": {"temperature", "pressure"},
    "input": {"open"},
    "adc": {"voltage"},
    "battery": {"voltage", "battery"},
    "ds18b20": {"temperature"},
    "dht22": {"temperature", "humidity"},
    "pulse": {"count", "rate"},
}


@pytest.mark.parametrize(("board", "form"), [("esp32", "py"), ("esp32", "mpy"), ("pico_w", "mpy")])
def test_a_fresh_node(broker, nodes, seen, request, board, form):
    options = {"files": request.getfixturevalue("compiled")} if form == "mpy" else {}
    node = nodes(
        settings([broker.port], board, sensors=sensors(board, interval_s=3)), board, **options
    )
    before = time.time()
    node.start()
    seen.wait_for(f"{NAME}/status", "online")
    for channel in QUANTITIES:
        seen.wait_readings(channel, 2, 15)
    seen.wait_for(f"{NAME}/health", times=2)

    # it introduces itself before it says anything else
    assert [m.topic for m in seen.messages[:2]] == [
        f"outpost/{NAME}/status",
        f"outpost/{NAME}/info",
    ]
    taken = {}
    for channel, quantities in QUANTITIES.items():
        for message in seen.of(f"{NAME}/{channel}"):
            assert message.qos == 1 and not message.retain
            reading = json.loads(message.text)
            assert set(reading) == {"ts", "boot", "seq"} | quantities, message.text
            assert list(reading)[:3] == ["ts", "boot", "seq"]
            assert reading["boot"] == 1
            assert type(reading["ts"]) is int
            assert before - 1 < reading["ts"] / 1000 < time.time() + 1
            taken[reading["seq"]] = reading["ts"]
    assert sorted(taken) == list(range(1, len(taken) + 1)), "every reading has a number of its own"
    at = [taken[seq] for seq in sorted(taken)]
    assert at == sorted(at), "numbered as they were taken"

    first = seen.readings("bme280")[0]
    assert (
        0 < first["temperature"] < 45
        and 10 < first["humidity"] < 90
        and 950 < first["pressure"] < 1080
    )
    assert type(seen.readings("input")[0]["open"]) is bool
    # numbers keep their type: decimals as many as the sensor can tell apart
    assert re.search(r'"temperature":-?\d+\.\d\d,', seen.texts(f"{NAME}/bme280")[0])
    # one every 3 s from the first on; the first pass has every sensor to begin with
    bmp280 = [reading["ts"] for reading in seen.readings("bmp280")]
    assert 2400 < bmp280[1] - bmp280[0] < 3400

    health = json.loads(seen.of(f"{NAME}/health")[-1].text)
    assert health["uptime_s"] >= 3 and health["heap_free"] > 20000 and health["clock"] == "ntp"
    assert -100 < health["rssi"] < 0
    assert (health["connects"], health["dropped"], health["sensor_errors"]) == (1, 0, 0)
    info = json.loads(seen.of(f"{NAME}/info")[-1].text)
    assert (info["version"], info["board"], info["boot"]) == ("0.1.0", board, 1)
    assert (info["reset_cause"], info["config"]) == ("power on", "config.json")
    assert not info.get("crash")
    assert any("mqtt: connected to" in text for text in seen.texts(f"{NAME}/log"))
    assert "Denied" not in broker.log.read_text(), "a node needs no more than its own topics"


def test_status_and_info_are_retained(broker, nodes, seen, listen):
    nodes(settings([broker.port])).start()
    seen.wait_for(f"{NAME}/info")
    late = listen(broker, name="late")
    for topic in ("status", "info"):
        message = late.wait_for(f"{NAME}/{topic}")
        assert (message.retain, message.qos) == (True, 1), topic
    assert not [
        m for m in late.messages if m.retain and m.topic.split("/")[-1] not in ("status", "info")
    ]


def test_without_a_name_it_has_that_of_its_hardware(brokers, nodes, listen):
    broker = brokers(acl=None)
    seen = listen(broker)
    nodes(settings([broker.port], node={})).start()
    until(lambda: any(m.text == "online" for m in list(seen.messages)), ONLINE_S, "online")
    assert re.fullmatch("outpost/esp32-[0-9a-f]{6}/status", seen.messages[0].topic)


def test_base_retain_and_qos_are_as_configured(brokers, nodes, listen):
    broker = brokers(acl=None)
    seen = listen(broker)
    channels = [
        {"name": "kept", "type": "adc", "pin": 32, "interval_s": 2, "retain": True},
        {"name": "once", "type": "adc", "pin": 33, "interval_s": 2, "qos": 0},
    ]
    config = settings([broker.port], node={"name": "Küche", "base": "haus"}, sensors=channels)
    nodes(config).start()
    until(lambda: len([m for m in seen.messages if m.topic.endswith("/once")]) > 1, 20, "readings")
    by_topic = {m.topic: m for m in seen.messages}
    assert by_topic["haus/Küche/status"].text == "online"
    assert by_topic["haus/Küche/kept"].qos == 1 and by_topic["haus/Küche/once"].qos == 0
    late = listen(broker, name="late")
    until(lambda: len(late.messages) >= 3, 10, "retained messages")
    assert {m.topic for m in late.messages if m.retain} == {
        "haus/Küche/" + name for name in ("status", "info", "kept")
    }


def test_a_change_is_published_at_once(broker, nodes, seen):
    node = nodes(
        settings([broker.port], sensors=[s for s in sensors() if s["name"] in ("input", "pulse")])
    )
    node.start()
    seen.wait_readings("input", 1)
    for opened in (True, False, True):
        known = len(seen.readings("input"))
        node.do("door", name="input", opened=opened)
        assert seen.wait_readings("input", known + 1, 3)[-1]["open"] is opened


def test_pulses_are_counted(broker, nodes, seen):
    node = nodes(
        settings([broker.port], sensors=[s for s in sensors(interval_s=1) if s["name"] == "pulse"])
    )
    node.start()
    before = seen.wait_readings("pulse", 1)[-1]["count"]
    node.do("tip", name="pulse", n=7)
    until(lambda: seen.readings("pulse")[-1]["count"] - before >= 7, 10, "seven more")
    time.sleep(1.5)
    assert seen.readings("pulse")[-1]["count"] - before == 7


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_a_sensor_that_fails_stops_nothing(broker, nodes, seen, board):
    node = nodes(settings([broker.port], board, sensors=sensors(board, interval_s=1)[:6]), board)
    node.start()
    seen.wait_readings("bme280", 2)
    node.do("unplug", name="bme280")
    until(lambda: "error" in seen.readings("bme280")[-1], 10, "the failure", seen.told)
    failed = seen.readings("bme280")[-1]
    assert set(failed) == {"ts", "boot", "seq", "error"} and failed["error"], (
        "never a made-up value"
    )
    known = len(seen.readings("bmp280"))  # on the same bus
    seen.wait_readings("bmp280", known + 2, 10)
    health = json.loads(
        seen.wait_for(f"{NAME}/health", times=len(seen.of(f"{NAME}/health")) + 1).text
    )
    assert health["sensors_failing"] == 1 and health["sensor_errors"] >= 1
    node.do("replug", name="bme280")
    until(lambda: "temperature" in seen.readings("bme280")[-1], 15, "it is back", seen.told)
    assert not [r for r in seen.readings("bmp280") + seen.readings("ds18b20") if "error" in r]


def test_the_time_of_readings_taken_before_there_was_any(broker, nodes, seen):
    """One node gets the time after a while and fills it in, the other never and does without."""
    off = {"at_s": 0, "do": "internet", "on": False}
    start = time.time()
    for name, scenario in (
        (NAME, [off, {"at_s": 6, "do": "internet", "on": True}]),
        (OTHER, [off]),
    ):
        config = settings([broker.port], node={"name": name}, sensors=stream(interval_s=1))
        nodes(config, scenario=scenario).start()
    readings = seen.wait_readings("fast", 8, 25)
    assert all("ts" in reading for reading in readings), readings
    assert start - 1 < readings[0]["ts"] / 1000 < start + 5
    steps = [b["ts"] - a["ts"] for a, b in itertools.pairwise(readings)]
    assert all(700 < step < 1300 for step in steps), steps
    readings = seen.wait_readings("fast", 5, 40, OTHER)
    assert not any("ts" in reading for reading in readings)
    assert [r["seq"] for r in readings] == list(range(1, len(readings) + 1))
