"""What there may be several of in config.json, and what belongs together: sensors' calibration and filters, outputs,
their buttons, names and pins; and the short forms of parts that can be turned off."""

from config_checks import TYPES, faults, least, only_fault

from firmware.settings import config


def sensor(kind, **settings):
    """Faults of one sensor."""
    return faults(least(sensors=[dict(settings, name="s", type=kind)]))


def test_calibrate():
    def calibrate(value):
        return sensor("dht22", pin=4, calibrate=value)

    point = {"reads": 1, "is": 2}
    for good in (
        None,
        {},
        {"humidity": None, "temperature": {}},
        {"humidity": {"offset": -3.5}, "temperature": {"scale": 1.02, "offset": 1}},
        {"humidity": {"points": []}},
        {"humidity": {"points": [point, {"reads": 1.5, "is": 0}]}},
        {"humidity": {"points": [{"reads": i, "is": 0} for i in range(16)]}},
    ):
        assert not calibrate(good), (good, calibrate(good))
    path = "sensors[0].calibrate"
    for bad, where, *said in (
        (3, path, "is a number", "give an object"),
        ([], path, "is a list"),
        ({"humidty": {}}, path + ".humidty", "unknown, did you mean humidity?"),
        ({"pressure": {}}, path + ".pressure", "unknown"),
        ({"humidity": 3}, path + ".humidity", "is a number, give an object"),
        ({"humidity": True}, path + ".humidity", "is true or false"),
        ({"humidity": {"offst": 3}}, path + ".humidity.offst", "did you mean offset?"),
        ({"humidity": {"offset": "3"}}, path + ".humidity.offset", "is text, give a number"),
        ({"humidity": {"scale": 1e7}}, path + ".humidity.scale", "out of range"),
        ({"humidity": {"points": {}}}, path + ".humidity.points", "give a list of 0 to 16"),
        ({"humidity": {"points": [point] * 17}}, path + ".humidity.points", "has 17 entries"),
        (
            {"humidity": {"points": [point]}},
            path + ".humidity.points",
            "has one point, give two or more, or an offset",
        ),
        (
            {"humidity": {"points": [point, {"reads": 0, "is": 3}]}},
            path + ".humidity.points",
            "is not in order, give points with rising `reads`",
        ),
        ({"humidity": {"points": [point, point]}}, path + ".humidity.points", "is not in order"),
        (
            {"humidity": {"points": [point, {"reads": 2}]}},
            path + ".humidity.points[1].is",
            "missing, give a number",
        ),
        ({"humidity": {"points": [point, 3]}}, path + ".humidity.points[1]", "is a number"),
        (
            {"humidity": {"points": [{"reads": "0", "is": 0}, point]}},
            path + ".humidity.points[0].reads",
            "is text",
        ),
    ):
        only_fault(calibrate(bad), where, *said)


def test_quantities_are_those_of_every_value_of_the_setting_that_decides():
    for pull in ("up", "down", None):
        for name in ("pressed", "open"):
            filters = {name: {"median": 3}}
            assert not sensor("gpio", pin=4, pull=pull, filter=filters), (pull, name)


def test_filter():
    def limits(value):
        return sensor("dht22", pin=4, filter=value)

    for good in (
        None,
        {},
        {"humidity": None},
        {"humidity": {"median": 25, "average": 25}},
        {"humidity": {"min": 0, "max": 100}, "temperature": {"max": -1.5}},
        {"humidity": {"min": 5, "max": 5}},
        {"humidity": {"min": None, "max": None}},
    ):
        assert not limits(good), (good, limits(good))
    path = "sensors[0].filter"
    for bad, where, *said in (
        ("median", path, "is text"),
        ({"pressure": {"median": 3}}, path + ".pressure", "unknown"),
        ({"humidity": 5}, path + ".humidity", "is a number, give an object"),
        (
            {"humidity": {"median": 0}},
            path + ".humidity.median",
            "give a whole number from 1 to 25",
        ),
        ({"humidity": {"median": 26}}, path + ".humidity.median", "26 is out of range"),
        ({"humidity": {"average": 2.5}}, path + ".humidity.average", "is not a whole number"),
        ({"humidity": {"mean": 3}}, path + ".humidity.mean", "unknown"),
        ({"humidity": {"min": "0"}}, path + ".humidity.min", "is text"),
        (
            {"humidity": {"min": 10, "max": 9.5}},
            path + ".humidity.min",
            "is above max, give one below it",
        ),
    ):
        only_fault(limits(bad), where, *said)


def outputs(*entries, listed=(), model="esp32", **more):
    """Faults of outputs, beside sensors and what else there is."""
    named = []
    for i, entry in enumerate(entries):
        named.append(dict({"name": "o%d" % i}, **entry) if type(entry) is dict else entry)
    return faults(least(outputs=named, sensors=list(listed), **more), model)


def test_an_output_gets_its_defaults():
    settings, found = config.check(least(outputs=[{"name": "fan", "pin": 4}]), TYPES, "esp32")
    assert not found
    assert settings["outputs"] == [
        {
            "name": "fan",
            "type": "switch",
            "pin": 4,
            "invert": False,
            "freq": 1000,
            "safe": 0,
            "loss_s": 300,
            "button": "",
        }
    ], settings["outputs"]


def test_outputs():
    for kind in ("switch", "light", "number"):
        assert not outputs({"type": kind, "pin": 4, "safe": 100, "loss_s": 0})
    path = "outputs[0]"
    for bad, where, *said in (
        ({}, path + ".pin", "missing, give the number of a pin"),
        ({"pin": 4, "name": None}, path + ".name", "is null"),
        ({"pin": 4, "name": ""}, path + ".name", "is empty"),
        ({"pin": 4, "name": "a/b"}, path + ".name", "has one of + # / $"),
        ({"pin": 4, "type": "relay"}, path + ".type", 'one of "switch", "light", "number"'),
        ({"pin": 4, "type": None}, path + ".type", "is none of them"),
        ({"pin": "4"}, path + ".pin", "is text, give the number of a pin"),
        ({"pin": 34}, path + ".pin", "GPIO34 can only be read, not driven"),
        ({"pin": 6}, path + ".pin", "GPIO6 is wired to the flash chip"),
        ({"pin": 4, "safe": 101}, path + ".safe", "101 is out of range"),
        ({"pin": 4, "safe": True}, path + ".safe", "is true or false"),
        ({"pin": 4, "freq": 9}, path + ".freq", "give a whole number from 10 to 40000"),
        ({"pin": 4, "loss_s": -1}, path + ".loss_s", "out of range"),
        ({"pin": 4, "inverted": True}, path + ".inverted", "did you mean invert?"),
        (7, path, "is a number, give an object"),
        (None, path, "is null"),
    ):
        only_fault(outputs(bad), where, *said)
    only_fault(faults(least(outputs={})), "outputs", "is an object, give a list of 0 to 16")
    many = [{"name": "o%d" % i, "pin": 4} for i in range(17)]
    only_fault(faults(least(outputs=many)), "outputs", "has 17 entries")


def test_the_button_of_an_output():
    button = {"name": "bell", "type": "gpio", "pin": 5}
    real = dict(TYPES, input=TYPES["gpio"])

    def buttons(name, *listed):
        raw = least(outputs=[{"name": "lamp", "pin": 4, "button": name}], sensors=list(listed))
        return config.check(raw, real, "esp32")[1]

    wall = dict(button, name="wall", type="input")
    door = dict(button, name="door", type="input", pin=18)
    assert not buttons("wall", wall)
    assert not buttons("")
    where = "outputs[0].button"
    only_fault(buttons("wall"), where, "is no sensor of type input, add one, or leave it out")
    only_fault(
        buttons("bell", button), where, "is no sensor of type input, add one, or leave it out"
    )
    only_fault(
        buttons("bell", wall, door), where, "is no sensor of type input, give one of wall, door"
    )
    only_fault(buttons(None, wall), where, "is null")
    # Two outputs may have one button.
    both = [{"name": "a", "pin": 4, "button": "wall"}, {"name": "b", "pin": 2, "button": "wall"}]
    assert not config.check(least(outputs=both, sensors=[wall]), real, "esp32")[1]


def test_each_output_has_a_name_of_its_own():
    sensor = {"name": "fan", "type": "gpio", "pin": 5}
    only_fault(
        outputs({"name": "fan", "pin": 4}, {"name": "fan", "pin": 2}),
        "outputs[1].name",
        "is that of outputs[0].name too, give each its own",
    )
    # topics know the difference
    assert not outputs({"name": "fan", "pin": 4}, {"name": "Fan", "pin": 2})
    # A sensor may have it, and names of the node's own topics are free: each kind has a branch.
    assert not outputs({"name": "fan", "pin": 4}, {"name": "cmd", "pin": 2}, listed=[sensor])


def test_pins_of_outputs_sensors_and_the_led():
    def gpio(pin):
        return {"name": "s", "type": "gpio", "pin": pin}

    led = {"node": {"led": 2}}
    assert not outputs({"pin": 4}, {"pin": 16}, listed=[gpio(5)], **led)
    only_fault(
        outputs({"pin": 5}, listed=[gpio(5)]),
        "outputs[0].pin",
        "GPIO5 is sensors[0].pin already, give a free pin",
    )
    only_fault(
        outputs({"pin": 4}, {"pin": 4}), "outputs[1].pin", "GPIO4 is outputs[0].pin already"
    )
    only_fault(outputs({"pin": 2}, **led), "node.led", "GPIO2 is outputs[0].pin already")
    only_fault(outputs(listed=[gpio(2)], **led), "node.led", "GPIO2 is sensors[0].pin already")
    # A bus is shared with sensors of the bus only.
    bus = {"name": "s", "type": "bme280", "sda": 21, "scl": 22}
    only_fault(
        outputs({"pin": 22}, listed=[bus]), "outputs[0].pin", "GPIO22 is sensors[0].scl already"
    )
    wire = {"name": "s", "type": "ds18b20", "pin": 4}
    only_fault(
        outputs({"pin": 4}, listed=[wire]), "outputs[0].pin", "GPIO4 is sensors[0].pin already"
    )
    only_fault(
        outputs(node={"led": 4}, listed=[wire]), "node.led", "GPIO4 is sensors[0].pin already"
    )


def test_the_led_of_the_node():
    for model, pin, said in (
        ("esp32", 2, None),
        ("esp32", None, None),
        ("esp32", 34, "GPIO34 can only be read, not driven"),
        ("esp32", 6, "is wired to the flash chip"),
        ("esp32", "2", "is text, give the number of a pin"),
        ("esp32", True, "is true or false"),
        ("pico_w", None, None),
        ("pico_w", 25, "GP25 is wired to the radio"),
        ("pico_w", 15, None),
    ):
        found = faults(least(node={"led": pin}), model)
        if said is None:
            assert not found, (model, pin, found)
        else:
            only_fault(found, "node.led", said)


def test_true_and_false_are_short_for_enabled():
    for part, rest in (
        ("discovery", {"prefix": "homeassistant", "per_entity": False, "retain": True}),
        ("watchdog", {"timeout_s": None, "arm_after_s": 20}),
    ):
        for short in (True, False):
            settings, found = config.check(least(**{part: short}), TYPES, "esp32")
            assert not found
            assert settings[part] == dict(rest, enabled=short), settings[part]
        for bad, said in (
            (0, "is a number"),
            (None, "is null"),
            ("false", "is text"),
            ([], "list"),
        ):
            only_fault(faults(least(**{part: bad})), part, said, "give an object")
    for part in ("node", "publish", "ntp", "log"):  # nothing to enable
        only_fault(faults(least(**{part: False})), part, "is true or false")
