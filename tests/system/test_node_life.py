"""Starts, crashes, hangs and bad settings: a node comes back by itself and says what happened."""

import json
import time

from outside import NAME, NODE, OTHER, READER, complete, own_topics, settings, stream, until


def info(seen, times=1, name=NAME):
    return json.loads(seen.wait_for(f"{name}/info", times=times, timeout=30).text)


def test_the_boot_counter_rises_over_every_start(broker, nodes, seen):
    node = nodes(settings([broker.port], sensors=stream()))
    boots = []
    for start in (1, 2, 3):
        node.start()
        boots.append(info(seen, start)["boot"])
        node.kill()
    node.start()
    boots.append(info(seen, 4)["boot"])
    # A reading that is only in RAM goes with a reset.
    until(lambda: boots[3] in seen.boots("fast"), 25, "a reading of the fourth boot")
    node.do("reset", how="reset")
    boots.append(info(seen, 5)["boot"])
    assert boots == list(range(boots[0], boots[0] + 5))

    def whole(boot):
        seqs = sorted({r["seq"] for r in seen.readings("fast") if r["boot"] == boot})
        return seqs and seqs == list(range(1, len(seqs) + 1))

    # New readings go between the earlier ones.
    until(lambda: all(whole(boot) for boot in boots[3:]), 25, "the last two boots, whole")
    for boot in boots[3:]:
        complete([r for r in seen.readings("fast") if r["boot"] == boot], first=1)


def test_after_a_rename_nothing_of_the_old_name_is_left_at_the_broker(broker, nodes, seen, listen):
    output = {"name": "lamp", "pin": 17}
    node = nodes(settings([broker.port], sensors=stream(), outputs=[output]))
    node.start()
    seen.wait_for(f"{NAME}/output/lamp")
    seen.wait_for(f"{NAME}/info")  # by which the node knows that the old name is still its own
    node.kill()
    node.configure(settings([broker.port], sensors=stream(), node={"name": OTHER}))
    node.start()
    for topic in ("info", "status", "output/lamp"):
        seen.wait_for(f"{NAME}/{topic}", "")
    seen.wait_for(f"{OTHER}/info")
    node.kill()
    seen.wait_for(f"{OTHER}/status", "offline")
    later = listen(broker, name="later")
    later.wait_for(f"{OTHER}/info")
    time.sleep(0.5)
    assert {m.topic for m in later.messages} == {
        f"outpost/{OTHER}/{d}" for d in ("info", "status")
    }


def test_what_was_not_foreseen_is_recorded_and_ends_in_a_reset(broker, nodes, seen):
    node = nodes(settings([broker.port], sensors=stream(interval_s=0.5)))
    bug = "if self.reset_cause == 'power on' and self.seq == 9: raise KeyError('bug')"
    line = "        self.seq += 1\n"
    node.patch("firmware/app.py", line, f"{line}        {bug}\n")
    node.start()
    first = info(seen)
    assert not first.get("crash")
    node.wait_resets(2, 20)
    second = info(seen, 2)
    assert second["boot"] == first["boot"] + 1
    assert "KeyError: bug" in second["crash"], second
    assert 'File "firmware/app.py", line' in second["crash"]
    assert len(second["crash"]) < 1300
    # an orderly end: nobody waits for the will, and nothing taken was lost
    assert seen.texts(f"{NAME}/status")[:3] == ["online", "offline", "online"]
    complete([r for r in seen.readings("fast") if r["boot"] == first["boot"]], first=1, last=8)


def test_a_node_that_crashes_time_after_time_can_still_be_told_something(brokers, nodes, listen):
    """Four crashes soon after the start: no sensors from then on, but Wi-Fi, broker and commands."""
    broker = brokers(acl={NODE[0]: own_topics(NAME), READER[0]: ("readwrite #",)})
    seen = listen(broker)
    node = nodes(settings([broker.port], sensors=stream(interval_s=0.5)))
    line = "    def read(self):\n"
    node.patch("lib/drivers/analog.py", line, f"{line}        raise KeyError('bug')\n")
    node.start()
    node.wait_resets(5, 60)
    said = info(seen)  # until now it never came so far
    boot = said["boot"]
    assert said["safe_mode"] and "KeyError: bug" in said["crash"]
    time.sleep(3)
    assert len(node.resets) == 5
    node.patch("lib/drivers/analog.py", "raise KeyError('bug')", "pass")
    seen.client.publish(f"outpost/{NAME}/cmd/restart", "{}", 1).wait_for_publish(10)
    seen.wait_live("fast", 30)
    said = info(seen, 2)
    assert (said["boot"], said["safe_mode"]) == (boot + 1, False)


def test_the_watchdog_ends_a_hang(broker, nodes, seen):
    boards = {}
    for name, board in ((NAME, "esp32"), (OTHER, "pico_w")):
        changes = {"node": {"name": name}, "watchdog": {"timeout_s": 3, "arm_after_s": 0}}
        config = settings([broker.port], board, sensors=stream(board), **changes)
        boards[name] = nodes(config, board).start()
    for name in boards:
        seen.wait_live("fast", name=name)
    for node in boards.values():
        node.do("hang", ms=30000)
    for name, node in boards.items():
        node.wait_resets(2, 8)
        assert node.resets == ["power", "wdt"]
        assert info(seen, 2, name)["reset_cause"] == "watchdog"
        assert seen.texts(f"{name}/status")[:3] == ["online", "offline", "online"]


def test_a_node_that_works_is_not_reset(broker, nodes, seen):
    """Nor while it has no broker, no network and no time: none of that mends by a reset."""
    watchdog = {"timeout_s": 2, "arm_after_s": 0}
    node = nodes(settings([broker.port], sensors=stream(interval_s=1), watchdog=watchdog)).start()
    seen.wait_live("fast")
    broker.stop()
    time.sleep(2.5)
    node.do("wifi_off")
    time.sleep(3)
    assert node.resets == ["power"]


def broken(config):
    """Ways to get config.json wrong."""
    good = json.dumps(config)
    yield good[:-1], "line 1, column 1: the bracket opened here is not closed"
    yield "", "line 1, column 1: the text ends where a value should be"
    yield (
        good.replace('"keepalive_s"', '"keepalive"'),
        "mqtt.keepalive: unknown, did you mean keepalive_s?",
    )


def test_a_broken_config_runs_on_the_last_good_one(broker, nodes, seen):
    config = settings([broker.port], sensors=stream(interval_s=1))
    node = nodes(config).start()
    told = info(seen)
    assert told["config"] == "config.json" and not told.get("config_faults")
    times = 1
    for text, fault in broken(config):
        times += 1
        node.kill()
        node.configure(text)
        node.start()
        told = info(seen, times)
        assert told["config"] == "state/config.json"
        assert fault in str(told["config_faults"])
        seen.wait_live("fast")
        log = seen.texts(f"{NAME}/log")
        assert any(
            f"error config: {line}" in " ".join(log) for line in (fault, "config.json: " + fault)
        )
    assert any("error config: running on state/config.json" in line for line in log)

    # and as soon as it is mended
    node.kill()
    node.configure(config | {"log": {"level": "debug"}})
    node.start()
    told = info(seen, times + 1)
    assert told["config"] == "config.json" and not told.get("config_faults")


def test_without_any_usable_config_it_says_what_is_wrong(nodes):
    config = {"wifi": {"networks": [{"sid": "attic"}]}, "mqtt": {"brokers": []}}
    node = nodes(json.dumps(config)).start()
    node.wait_for("wifi.networks[0].ssid: missing, give text of 1 to 32 bytes", 10)
    node.wait_for("wifi.networks[0].sid: unknown, did you mean ssid?", 5)
    node.wait_for("mqtt.brokers: has 0 entries", 5)
    time.sleep(1)
    assert node.resets == ["power"], "a reset mends no settings"
