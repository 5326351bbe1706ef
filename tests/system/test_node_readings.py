"""What a subscriber sees of a node in good health."""

import itertools
import json
import re
import time

from outside import (
    NAME,
    NODE,
    ONLINE_S,
    OTHER,
    READER,
    own_topics,
    sensors,
    settings,
    stream,
    until,
)

from firmware import VERSION
from sim.simboard import HEAP

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


def test_a_fresh_node(brokers, nodes, listen, sources, compiled):
    """From its sources and from bytecode, on both boards."""
    kinds = (("n1", "esp32", sources), ("n2", "esp32", compiled), ("n3", "pico_w", compiled))
    broker = brokers(
        acl={NODE[0]: sum((own_topics(name) for name, _, _ in kinds), ()), READER[0]: ("read #",)}
    )
    seen = listen(broker)
    before = time.time()
    for name, board, files in kinds:
        channels = sensors(board, interval_s=3)
        config = settings([broker.port], board, node={"name": name}, sensors=channels)
        # From sources it has the compiler's room besides, which no board needs.
        heap = "200k" if files is sources else HEAP
        nodes(config, board, files=files, quick=False, heap=heap).start()
    for name, board, _ in kinds:
        seen.wait_for(f"{name}/status", "online", 25)
        for channel in QUANTITIES:
            seen.wait_readings(channel, 2, 15, name)
        seen.wait_for(f"{name}/health", times=2)
        introduced(seen, name, board)
        well_formed(seen, name, before)
    assert "Denied" not in broker.log.read_text(), "a node needs no more than its own topics"


def introduced(seen, name, board):
    """It says who it is before it says anything else."""
    first = [m.topic for m in seen.messages if m.topic.startswith(f"outpost/{name}/")][:2]
    assert first == [f"outpost/{name}/status", f"outpost/{name}/info"]
    info = json.loads(seen.messages_of(f"{name}/info")[-1].text)
    assert (info["version"], info["board"]) == (VERSION, board) and info["boot"] <= 1 << 24
    assert (info["reset_cause"], info["config"]) == ("power on", "config.json")
    assert not info.get("crash")
    health = json.loads(seen.messages_of(f"{name}/health")[-1].text)
    assert health["uptime_s"] >= 1 and health["heap_free"] > 20000 and health["clock"] == "ntp"
    assert -100 < health["rssi"] < 0
    assert (health["connects"], health["dropped"], health["sensor_errors"]) == (1, 0, 0)
    assert any("mqtt: connected to" in text for text in seen.texts(f"{name}/log"))


def well_formed(seen, name, before):
    """Every reading has its time, its boot, a number of its own, and what the sensor measures."""
    taken = {}
    for channel, quantities in QUANTITIES.items():
        for message in seen.messages_of(f"{name}/reading/{channel}"):
            assert message.qos == 1 and not message.retain
            reading = json.loads(message.text)
            assert set(reading) == {"ts", "boot", "seq"} | quantities, message.text
            assert list(reading)[:3] == ["ts", "boot", "seq"]
            assert reading["boot"] == json.loads(seen.messages_of(f"{name}/info")[-1].text)["boot"]
            assert type(reading["ts"]) is int
            assert before - 1 < reading["ts"] / 1000 < time.time() + 1
            taken[reading["seq"]] = reading["ts"]
    assert sorted(taken) == list(range(1, len(taken) + 1))
    at = [taken[seq] for seq in sorted(taken)]
    assert at == sorted(at), "numbered as they were taken"
    first = seen.readings("bme280", name)[0]
    assert 20 < first["temperature"] < 21.5
    assert 48 < first["humidity"] < 53
    assert 950 < first["pressure"] < 1080
    assert type(seen.readings("input", name)[0]["open"]) is bool
    # numbers keep their type: decimals as many as the sensor can tell apart
    assert re.search(r'"temperature":-?\d+\.\d\d,', seen.texts(f"{name}/reading/bme280")[0])
    # one every 3 s from the first on; the first pass has every sensor to begin with
    bmp280 = [reading["ts"] for reading in seen.readings("bmp280", name)]
    assert 2400 < bmp280[1] - bmp280[0] < 3400


def test_status_and_info_are_retained(broker, nodes, seen, listen):
    nodes(settings([broker.port])).start()
    seen.wait_for(f"{NAME}/info")
    late = listen(broker, name="late")
    for topic in ("status", "info"):
        message = late.wait_for(f"{NAME}/{topic}")
        assert (message.retain, message.qos) == (True, 1), topic
    assert not [
        m
        for m in late.messages
        if m.retain and m.topic.split("/")[-1] not in ("status", "info", "config")
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
        {"name": "kept", "type": "adc", "pin": 32, "r1": 1, "interval_s": 2, "retain": True},
        {"name": "once", "type": "adc", "pin": 33, "r1": 1, "interval_s": 2, "qos": 0},
    ]
    config = settings(
        [broker.port], node={"name": "Küche", "base": "haus/unten"}, sensors=channels
    )
    nodes(config).start()
    until(lambda: len([m for m in seen.messages if m.topic.endswith("/once")]) > 1, 20, "readings")
    by_topic = {m.topic: m for m in seen.messages}
    node = "haus/unten/Küche/"
    assert by_topic[node + "status"].text == "online"
    assert by_topic[node + "reading/kept"].qos == 1 and by_topic[node + "reading/once"].qos == 0
    late = listen(broker, name="late")
    until(lambda: len(late.messages) >= 4, 10, "retained messages")
    assert {m.topic for m in late.messages if m.retain and m.topic.startswith("haus/")} == {
        node + name for name in ("status", "info", "reading/kept")
    }


def test_bare_numbers_are_taken_back_when_the_sensor_fails(broker, nodes, seen, listen):
    channels = [each for each in sensors() if each["name"] in ("bme280", "input")]
    channels = [each | {"interval_s": 1} for each in channels]
    node = nodes(settings([broker.port], sensors=channels, publish={"plain": True}))
    node.start()
    for quantity in QUANTITIES["bme280"]:
        message = seen.wait_for(f"{NAME}/value/bme280/{quantity}")
        assert message.qos == 0 and float(message.text)
    assert seen.wait_for(f"{NAME}/value/input/open").text in ("0", "1")
    measured = [each["humidity"] for each in seen.wait_readings("bme280", 5)]
    assert float(seen.texts(f"{NAME}/value/bme280/humidity")[0]) in measured

    def retained(name):
        late = listen(broker, name=name, topics=f"outpost/{NAME}/value/#")
        late.wait_for(f"{NAME}/value/input/open")
        time.sleep(0.5)
        return {m.topic.split("/", 3)[3] for m in list(late.messages) if m.retain}

    everything = {"input/open"} | {"bme280/" + name for name in QUANTITIES["bme280"]}
    assert retained("late") == everything
    node.do("unplug", name="bme280")
    for quantity in QUANTITIES["bme280"]:
        seen.wait_for(f"{NAME}/value/bme280/{quantity}", "")
    assert retained("later") == {"input/open"}
    node.do("replug", name="bme280")
    known = len(seen.messages_of(f"{NAME}/value/bme280/humidity"))
    seen.wait_for(f"{NAME}/value/bme280/humidity", times=known + 1)
    assert float(seen.texts(f"{NAME}/value/bme280/humidity")[-1])

    node.kill()
    node.configure(settings([broker.port], sensors=channels))
    node.start()
    for name in everything:
        seen.wait_for(f"{NAME}/value/{name}", "", times=1 if name == "input/open" else 2)


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
    seen.wait_readings("pulse", 1)
    node.do(
        "set", name="pulse", wind=0
    )  # else it would tip by itself as well, and the more often the longer this takes
    before = seen.wait_readings("pulse", 3)[-1]["count"]
    node.do("tip", name="pulse", n=7)
    until(lambda: seen.readings("pulse")[-1]["count"] - before >= 7, 10, "seven more")
    time.sleep(1.5)
    assert seen.readings("pulse")[-1]["count"] - before <= 8  # one may have been on its way


def test_a_count_goes_on_after_the_power_was_gone(broker, nodes, seen):
    pulses = [s for s in sensors(interval_s=1, unit="mm/h") if s["name"] == "pulse"]
    node = nodes(settings([broker.port], sensors=pulses))
    node.start()
    for start in (1, 2, 3):
        until(lambda start=start: len(seen.boots("pulse")) == start, 40, "it is up")
        node.do("tip", name="pulse", n=7)
        until(
            lambda start=start: seen.readings("pulse")[-1]["count"] >= start * 7, 15, "seven more"
        )
        node.do("reset", how="power")
    readings = seen.readings("pulse")
    counts = [reading["count"] for reading in readings]
    assert counts == sorted(counts), counts
    assert all(abs(r["total"] - r["count"]) < 0.001 for r in readings), readings  # 1 mm each


def test_a_sensor_that_fails_stops_nothing(broker, nodes, seen):
    boards = {}
    for name, board in ((NAME, "esp32"), (OTHER, "pico_w")):
        channels = sensors(board, interval_s=1)[:6]
        config = settings([broker.port], board, node={"name": name}, sensors=channels)
        boards[name] = nodes(config, board).start()
    for name in boards:
        seen.wait_readings("bme280", 2, name=name)
    for node in boards.values():
        node.do("unplug", name="bme280")
    for name in boards:
        until(lambda name=name: "error" in seen.readings("bme280", name)[-1], 10, "the failure")
        failed = seen.readings("bme280", name)[-1]
        assert set(failed) == {"ts", "boot", "seq", "error"} and failed["error"], (
            "no made-up value"
        )
        known = len(seen.readings("bmp280", name))  # on the same bus
        seen.wait_readings("bmp280", known + 2, 10, name)
        known = len(seen.messages_of(f"{name}/health"))
        health = json.loads(seen.wait_for(f"{name}/health", times=known + 1).text)
        assert health["sensors_failing"] == 1 and health["sensor_errors"] >= 1
    for name, node in boards.items():
        node.do("replug", name="bme280")
        until(
            lambda name=name: "temperature" in seen.readings("bme280", name)[-1], 15, "it is back"
        )
        for channel in ("bmp280", "ds18b20", "adc"):
            assert not [r for r in seen.readings(channel, name) if "error" in r]


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
