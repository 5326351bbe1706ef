"""The tables of sensor types and quantities, and `load` from a checked config to readings on the simulated board."""

import gc
import sys
import time

import stand
from chipstand import attach, checked, chip_of, detach_all, first, forget

import sim
from firmware import sensors

gc.threshold(8192)  # as firmware/start.py

BOARDS = ("esp32", "pico_w")
HEAP = "192k"  # the settings of every type and name at once, and the chips' sources, which no node has


def alternatives(quantities):
    return list(quantities[1].values()) if isinstance(quantities[-1], dict) else [quantities]


def test_rows_are_whole():
    for name, (_, bus, rows, quantities) in sensors.TYPES.items():
        assert bus in ("i2c", "onewire", "dht", "adc", "input", "uart", "echo"), name
        for key, _, _, _, text in rows:
            assert text and text == text.strip() and not text.endswith("."), (name, key)
        keys = [setting[0] for setting in rows]
        pins = {
            "i2c": ("sda", "scl", "freq", "address"),
            "input": ("pin", "pull"),
            "uart": ("tx", "rx"),
            "echo": ("trigger", "echo"),
        }
        for needed in pins.get(bus, ("pin",)):
            assert needed in keys, (name, needed)
        for names in alternatives(quantities):
            for quantity in names:
                assert quantity in sensors.QUANTITIES, (name, quantity)


def test_defaults_pass_their_own_checks():
    from firmware.settings import kinds

    for name, (_, _, rows, _) in sensors.TYPES.items():
        for key, kind, default, limit, _ in rows:
            if default is not ... and default is not None:
                assert kinds.wrong(kind, default, limit, default) is None, (name, key)


def test_quantities_are_whole():
    for name, (unit, kind, decimals) in sensors.QUANTITIES.items():
        assert unit is None or isinstance(unit, str), name
        assert kind is None or kind == kind.lower(), name
        assert 0 <= decimals <= 3, name  # float32 has seven digits


def forget_the_check():
    """As a node does before it loads its sensors."""
    from firmware.settings import config as checker

    checker.drop()


def test_every_type_gives_a_reading():
    settings = [checked(type=kind, interval_s=5) for kind in sorted(sensors.TYPES)]
    forget_the_check()
    for setting in settings:
        forget("drivers", "chips")  # no board has to hold those of all types
        kind = setting["type"]
        detach_all()
        attach(setting)
        from firmware.hardware.board import Board

        channel = sensors.load(setting, Board())
        values = first(channel)
        assert isinstance(values, tuple), (kind, values)
        assert len(values) == len(channel.fields), (kind, values)
        assert channel.name == kind and channel.qos == 1 and channel.retain is False
        for (quantity, unit, _, decimals), value in zip(channel.fields, values):
            wanted = bool if unit == "" else int if decimals == 0 else float
            assert type(value) is wanted, (kind, quantity, value)


def test_bme280_at_work():
    setting = checked(type="bme280", address="0x77")
    attach(setting)
    from firmware.hardware.board import Board

    channel = sensors.load(setting, Board())
    assert channel.fields == (
        ("temperature", "°C", "temperature", 2),
        ("humidity", "%", "humidity", 1),
        ("pressure", "hPa", "atmospheric_pressure", 2),
    )
    values = first(channel)
    for value, expected in zip(values, (21.5, 45.0, 1013.25)):
        assert abs(value - expected) < 0.03, values
    sim.unplugged.add("bme280")
    assert first(channel) == "no answer on the bus"
    sim.unplugged.clear()
    assert isinstance(first(channel), tuple)


def test_a_bme680_whose_plate_stays_cold_publishes_the_rest():
    from firmware import payload
    from firmware.hardware.board import Board

    setting = checked(type="bme680", interval_s=5, dew_point=True, filter={"gas_resistance": {}})
    attach(setting)
    chip_of("bme680").cold = True
    channel = sensors.load(setting, Board())
    values = first(channel)
    members = payload.body(channel.fields, values).decode()
    assert members.startswith('"temperature":21.5'), members
    assert '"humidity":45.0,"pressure":1013.2' in members and '"dew_point":9.0' in members, members
    assert "gas" not in members and channel.error == "gas_resistance was not measured", members
    chip_of("bme680").cold = False
    assert '"gas_resistance":1' in payload.body(channel.fields, first(channel)).decode()
    assert channel.error is None


def test_a_stuck_bus_is_recovered():
    setting = checked(type="bme280", interval_s=5)
    attach(setting)
    from firmware.hardware.board import Board

    board = Board()
    calls = []
    recover = board.recover_i2c
    board.recover_i2c = lambda sda, scl: calls.append((sda, scl)) or recover(sda, scl)
    channel = sensors.load(setting, board)
    assert isinstance(first(channel), tuple)
    assert calls == []
    sim.stuck.add(4)
    assert first(channel) == "timed out"
    sim.stuck.clear()
    assert isinstance(first(channel), tuple)
    assert calls == [(4, 5)], calls


def test_a_stuck_bus_does_not_disturb_the_other():
    from firmware.hardware.board import Board

    board = Board()
    channels = []
    for name, sda, scl, celsius in (("a", 4, 5, 10.0), ("b", 18, 19, 20.0)):
        setting = checked(type="bmp280", name=name, sda=sda, scl=scl, interval_s=5)
        attach(setting)
        stand.the_world().set(name, {"temperature": celsius})
        channels.append(sensors.load(setting, board))
    results = {"a": [], "b": []}
    while sim.now() < 60_000:
        if sim.now() > 10_000:
            sim.stuck.add(4)
        if sim.now() > 30_000:
            sim.stuck.clear()
        for channel in channels:
            result = channel.step(time.ticks_ms())
            if result is not None:
                results[channel.name].append(result)
        sim.advance(10)
    assert "timed out" in results["a"] and isinstance(results["a"][-1], tuple), results
    assert len(results["b"]) >= 12, results
    for name, celsius in (("a", 10.0), ("b", 20.0)):
        for result in results[name]:
            assert result == "timed out" or abs(result[0] - celsius) < 0.02, (name, result)
    assert "timed out" not in results["b"], results


def test_two_ds18b20_on_one_wire():
    from firmware.hardware.board import Board

    board = Board()
    roms = ("28ff641e0f160390", "280100000000" + "00")
    from chips import ds18b20

    second = bytes.fromhex(roms[1])
    roms = (roms[0], (second + bytes((ds18b20.crc8(second),))).hex())
    channels = []
    for i, address in enumerate(roms):
        setting = checked(type="ds18b20", name="t%d" % i, address=address, interval_s=2)
        attach(setting)
        stand.the_world().set("t%d" % i, {"temperature": 10.0 + i})
        channels.append(sensors.load(setting, board))
    results = [[], []]
    while sim.now() < 20_000:
        for i, channel in enumerate(channels):
            result = channel.step(time.ticks_ms())
            if result is not None:
                results[i].append(result)
        sim.advance(10)
    for i in range(2):
        assert len(results[i]) in (9, 10), results
        assert all(result == (10.0 + i,) for result in results[i]), results


def test_kinds_of_input_name_the_quantity():
    from firmware.hardware.board import Board

    for kind, quantity in (
        ("button", "pressed"),
        ("reed", "open"),
        ("contact", "closed"),
        ("pir", "motion"),
    ):
        setting = checked(type="input", name=kind, kind=kind, warmup_s=0)
        attach(setting)
        channel = sensors.load(setting, Board())
        assert [(field[0], field[1]) for field in channel.fields] == [(quantity, "")]
        assert first(channel) == (False,), kind
        stand.the_world().door(kind, True)
        assert first(channel) == (True,), kind
        stand.the_world().door(kind, False)
        assert first(channel) == (False,), kind


def test_a_slammed_door_between_two_steps():
    from firmware.hardware.board import Board

    setting = checked(type="input", name="door", kind="reed")
    attach(setting)
    channel = sensors.load(setting, Board())
    assert first(channel) == (False,)
    stand.the_world().door("door", True)
    sim.advance(100)
    stand.the_world().door("door", False)
    sim.advance(100)
    assert first(channel, 100) == (True,)
    assert first(channel, 100) == (False,)


def test_rain():
    from firmware.hardware.board import Board

    setting = checked(type="pulse", per_pulse=0.2794, unit="mm/h", interval_s=60)
    attach(setting)
    channel = sensors.load(setting, Board())
    assert channel.step(time.ticks_ms()) is None
    stand.the_world().tip("pulse", 5)
    assert channel.fields == (
        ("count", None, None, 0),
        ("total", "mm", "precipitation", 3),
        ("rate", "mm/h", "precipitation_intensity", 3),
    )
    count, total, rate = first(channel)
    assert count == 5
    assert abs(total - 5 * 0.2794) < 0.001, total
    assert abs(rate - 5 * 0.2794 * 60) < 0.01, rate
    with open("state/count-pulse") as f:  # where the next start finds it
        assert f.read().split()[0] == "5"


def test_a_count_that_is_not_kept():
    import os

    from firmware.hardware.board import Board

    setting = checked(type="pulse", keep=False, interval_s=5)
    attach(setting)
    channel = sensors.load(setting, Board())
    assert channel.step(time.ticks_ms()) is None
    stand.the_world().tip("pulse", 5)
    assert first(channel)[0] == 5
    assert "state" not in os.listdir()


def test_pulses_go_on_after_others_failed():
    # Whatever made a channel build its driver anew, what was counted is not lost.
    from firmware.hardware.board import Board

    setting = checked(type="pulse", interval_s=5)
    attach(setting)
    channel = sensors.load(setting, Board())
    channel.step(time.ticks_ms())
    for n in range(1, 5):
        stand.the_world().tip("pulse")
        if n & 1:
            channel._failed(time.ticks_ms(), OSError(5))
        sim.advance(5000)
        result = first(channel)
        assert result[0] == n, result


def test_a_pin_that_is_none_is_a_failure_and_no_crash():
    from firmware.hardware.board import Board

    setting = checked(type="input")
    setting["pin"] = 99  # past the check
    channel = sensors.load(setting, Board())
    assert first(channel) == "invalid pin"


def test_intervals_are_whole_milliseconds():
    for interval_s, ms in ((1.001, 1001), (0.05, 50), (60, 60_000), (86400, 86_400_000)):
        channel = sensors.load(checked(type="adc", interval_s=interval_s), None)
        assert channel.interval_ms == ms and type(channel.interval_ms) is int, interval_s


def test_only_drivers_in_use_are_loaded():
    def loaded():
        named = [name for name in sys.modules if name.startswith("drivers.")]
        return [name for name in named if not name.startswith("drivers.shared")]

    assert loaded() == [], loaded()
    settings = [checked(type=kind) for kind in sorted(sensors.TYPES)]
    forget_the_check()
    for setting in settings:
        sensors.load(setting, None)
        driver = "drivers." + sensors.TYPES[setting["type"]][0].split(".")[0]
        assert loaded() == [driver], (setting["type"], loaded())
        forget("drivers")


def test_what_is_seldom_wanted_is_loaded_for_it_only():
    def loaded():
        names = ("process", "derived", "change")
        return [name for name in names if "firmware.sensors." + name in sys.modules]

    sensors.load(checked(type="bme280"), None)
    assert loaded() == []
    sensors.load(checked(type="bme280", delivery="change"), None)
    assert loaded() == ["change"]
    sensors.load(checked(type="bme280", filter={"humidity": {"median": 3}}), None)
    assert loaded() == ["process", "change"]
    sensors.load(checked(type="bme280", dew_point=True), None)
    assert loaded() == ["process", "derived", "change"]


def test_what_is_derived_is_published_last():
    from firmware.hardware.board import Board

    setting = checked(type="bme280", dew_point=True, absolute_humidity=True, altitude_m=0)
    attach(setting)
    channel = sensors.load(setting, Board())
    names = [field[0] for field in channel.fields]
    assert names[3:] == ["dew_point", "absolute_humidity", "sea_level_pressure"], names
    values = first(channel)
    assert abs(values[3] - 9.06) < 0.05 and abs(values[4] - 8.5) < 0.1, values
    assert values[5] == values[2]  # an altitude of 0 is one, too
    for off in ({}, {"altitude_m": None, "dew_point": False}):
        setting = checked(type="bme280", **off)
        assert len(sensors.load(setting, None).fields) == 3


def test_what_is_derived_is_no_reason_to_deliver():
    # It has no deadband, and changes with every noise of what it follows from.
    deadband = {"temperature": 0.2, "humidity": 2}
    setting = checked(type="sht3x", delivery="change", deadband=deadband, dew_point=True)
    channel = sensors.load(setting, None)
    assert channel.worth(0, (21.0, 45.0, 8.6))
    channel.delivered(0, (21.0, 45.0, 8.6))
    assert not channel.worth(1000, (21.1, 46.0, 9.0))
    assert channel.worth(2000, (21.3, 45.0, 8.7))


def test_tables_can_be_dropped():
    sensors.load(checked(type="adc"), None)
    assert "firmware.sensors.types" in sys.modules
    sensors.drop()
    assert "firmware.sensors.types" not in sys.modules
    assert "types" not in sensors.__dict__
    sensors.drop()
    assert "bme280" in sensors.TYPES
    assert "temperature" in sensors.QUANTITIES
    try:
        sensors.NOTHING
    except AttributeError:
        return
    raise AssertionError("no AttributeError")
