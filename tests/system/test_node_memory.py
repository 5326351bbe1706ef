"""README's example config in the RAM that a Pico W has for it."""

import json
import time

import pytest
from outside import NAME, NODE, sensors, settings, until

from sim.simboard import SimBoard
from tools.simulate import simulate


def test_eight_sensors_an_outage_and_a_reset_in_it_need_no_more_memory(broker, nodes, seen):
    """Without Wi-Fi the readings pile up; after the reset the outbox is opened, full as it is, beside all the rest."""
    config = settings([broker.port], sensors=sensors(interval_s=3))
    node = nodes(config, heap="160k", image=True).start()
    seen.wait_live("adc")
    node.do("wifi_off")
    time.sleep(8)
    node.do("reset")
    node.wait_resets(2, 20)
    time.sleep(12)
    node.do("wifi_on")
    until(lambda: len(seen.boots("adc")) == 2, 40, "the second boot")
    seen.wait_live("adc", 30)
    first, second = seen.boots("adc")
    for boot in (first, second):
        of_all = [
            reading
            for channel in (
                "bme280",
                "bmp280",
                "input",
                "adc",
                "battery",
                "ds18b20",
                "dht22",
                "pulse",
            )
            for reading in seen.readings(channel)
            if reading["boot"] == boot
        ]
        seqs = {reading["seq"] for reading in of_all}
        assert seqs == set(range(1, max(seqs) + 1)), sorted(seqs)
    assert "MemoryError" not in node.output
    health = json.loads(seen.wait_for(f"{NAME}/health").text)
    assert health["dropped"] == 0


@pytest.fixture
def without_psram(tmp_path):
    """Start an ESP32 without PSRAM, with the eight sensors, at one broker. slot: what it runs."""
    boards = []

    def make(slot, broker, files=(), **entry):
        account = {"host": "127.0.0.1", "port": broker.port, "user": NODE[0], "password": NODE[1]}
        flash = tmp_path / f"flash{len(boards)}"
        rom = simulate.make_flash(flash, settings([account | entry]), slot)
        for path in files:
            (flash / path.name).write_bytes(path.read_bytes())
        boards.append(SimBoard(flash, heap="197k", rom=rom).without_psram())
        return boards[-1].start()

    yield make
    for board in boards:
        board.stop()


def test_an_esp32_without_psram_is_at_the_edge_with_files_and_not_with_an_image(
    broker, without_psram, seen
):
    """What docs/performance.md says of it, and `make run NOPSRAM=1` shows."""

    def free(slot, boots):
        node = without_psram(slot, broker)
        until(lambda: len(seen.boots("adc")) == boots, 60, "online")
        said = len(seen.messages)
        until(
            lambda: any(m.topic.endswith(f"{NAME}/health") for m in seen.messages[said:]), 60, "it"
        )
        node.stop()
        health = [m.text for m in seen.messages if m.topic.endswith(f"{NAME}/health")]
        return json.loads(health[-1])["idf_free"]

    assert free("loose", 1) < 4_000
    assert free("rom", 2) > 60_000


def test_over_tls_it_is_online_with_an_image_and_not_with_files(brokers, without_psram, authority):
    broker = brokers(tls=authority.issue("server", ["broker.test"]))
    tls = {"ca": authority.ca.name, "server_name": "broker.test"}
    starved = without_psram("loose", broker, [authority.ca], tls=tls)
    starved.wait_for("mqtt: cannot reach", 60)
    assert "not enough memory" in starved.output.split("mqtt: cannot reach", 1)[1].splitlines()[0]
    starved.stop()
    node = without_psram("rom", broker, [authority.ca], tls=tls)
    node.wait_for("/status online", 60)
    assert "not enough memory" not in node.output
