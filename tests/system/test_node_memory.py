"""README's example config in the RAM that a Pico W has for it."""

import json
import time

from outside import NAME, sensors, settings, until


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
