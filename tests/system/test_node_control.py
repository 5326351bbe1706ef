"""Others control a node: outputs, buttons, commands; and what the node tells Home Assistant. Real mosquitto, the node as a process."""

import json
import time

import pytest
from outside import NAME, NODE, READER, own_topics, settings, until

from tests.host import home_assistant

CONFIG = f"homeassistant/device/{NAME}/config"
BUTTON_PIN = 25
LOSS_S = 3
OUTPUTS = [
    {"name": "pump", "pin": 16, "button": "knob", "loss_s": LOSS_S},
    {"name": "lamp", "type": "light", "pin": 17, "safe": 20, "loss_s": LOSS_S},
    {"name": "Lüfter", "type": "number", "pin": 18, "loss_s": 0},
]
SENSORS = [
    {"name": "knob", "type": "input", "pin": BUTTON_PIN, "invert": True},
    {"name": "tank", "type": "adc", "pin": 32, "r1": 1, "interval_s": 2},
    {"name": "shed", "type": "adc", "pin": 33, "r1": 1, "interval_s": 2},
]
RULES = (
    *own_topics(NAME),
    "readwrite homeassistant/#",
)


@pytest.fixture
def rig(brokers, nodes, listen):
    return Rig(brokers, nodes, listen)


class Rig:
    """A broker, a node with three outputs, and a subscriber who may also tell it something."""

    def __init__(self, brokers, nodes, listen):
        self.listen = listen
        self.broker = brokers(acl={NODE[0]: RULES, READER[0]: ("readwrite #",)})
        # what is for the node need not be text
        filters = (f"outpost/{NAME}/+", f"outpost/{NAME}/+/+", "homeassistant/#")
        topics = [(topic, 2) for topic in filters]
        self.seen = listen(self.broker, topics=topics)
        self.config = settings(
            [self.broker.port],
            node={"name": NAME, "led": 2},
            sensors=SENSORS,
            outputs=OUTPUTS,
            publish={"health_s": 600},
        )
        # Held low, which is not pressed, whatever the fakes' world does with it.
        held = {"at_s": 0, "do": "bus_stuck", "pin": BUTTON_PIN, "on": True}
        self.node = nodes(self.config, scenario=[held])

    def start(self):
        self.node.start()
        self.seen.wait_for(f"{NAME}/status", "online")
        for output in OUTPUTS:
            self.state(output["name"])

    def tell(self, topic, payload, qos=1, retain=False):
        self.seen.client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def set(self, output, payload, **more):
        self.tell(f"outpost/{NAME}/output/{output}/set", payload, **more)

    def state(self, output, times=1):
        """The last state told, once so many were."""
        return json.loads(
            self.seen.wait_for(f"{NAME}/output/{output}", times=times, timeout=10).text
        )

    def told(self, topic):
        return len(self.seen.messages_of(f"{NAME}/{topic}"))

    def change(self, output, payload):
        """Send a payload; return the state that the node publishes after it."""
        known = self.told("output/" + output)
        self.set(output, payload)
        return self.state(output, known + 1)

    def until_state(self, output, state, timeout=10):
        until(
            lambda: self.seen.texts(f"{NAME}/output/{output}")[-1:] == [state],
            timeout,
            f"{output} {state}",
            self.seen.last_messages,
        )

    def press(self):
        self.node.do("press", pin=BUTTON_PIN, level=1)
        self.node.do("bus_stuck", pin=BUTTON_PIN, on=False)
        time.sleep(0.5)
        self.node.do("bus_stuck", pin=BUTTON_PIN, on=True)

    def ask(self, name, arguments, base=NAME):
        """Send a command; return the reply to it."""
        known = self.told("reply")
        self.tell(f"outpost/{base}/cmd/{name}", json.dumps(arguments))
        return json.loads(self.seen.wait_for(f"{NAME}/reply", times=known + 1, timeout=10).text)

    def log_has(self, text, timeout=10):
        until(
            lambda: any(text in line for line in self.seen.texts(f"{NAME}/log")),
            timeout,
            f"log: {text}",
            self.seen.last_messages,
        )

    def boot(self, times):
        info = self.seen.wait_for(f"{NAME}/info", times=times, timeout=30)
        return json.loads(info.text)

    def announced(self, times):
        """The discovery messages, once so many came: their components, or None of an empty one."""

        def found():
            return [m.text for m in list(self.seen.messages) if m.topic == CONFIG]

        until(lambda: len(found()) >= times, 20, f"{times} x {CONFIG}", self.seen.last_messages)
        for text in found():
            assert not text or home_assistant.faults(CONFIG, text.encode()) == []
        return [json.loads(text)["cmps"] if text else None for text in found()]

    def healthy(self, times):
        """Wait for the health that the node publishes at each connection, and when an announcement is complete."""
        self.seen.wait_for(f"{NAME}/health", times=times)

    def restart(self, **changes):
        """The user edits config.json and switches off and on."""
        boots = len(self.seen.messages_of(f"{NAME}/info"))
        self.node.kill()
        self.node.configure(self.config | changes)
        self.node.start()
        self.boot(boots + 1)


def test_outputs_do_what_they_are_told_and_say_what_they_are(rig):
    # The broker keeps these, but nobody may have meant them since.
    rig.set("pump", "ON", retain=True)
    rig.tell(f"outpost/{NAME}/cmd/restart", "{}", retain=True)
    rig.start()
    rig.log_has(f"warning control: outpost/{NAME}/output/pump/set ignored, it is retained")
    rig.log_has(f"warning control: outpost/{NAME}/cmd/restart ignored, it is retained")
    assert rig.state("pump") == {"state": "OFF"}
    assert rig.state("lamp")["brightness"] == 51, "safe: 20 %"
    assert rig.state("Lüfter") == {"value": 0}

    assert rig.change("pump", "ON") == {"state": "ON"}
    assert rig.change("pump", "TOGGLE") == {"state": "OFF"}
    bright = rig.change("lamp", '{"state":"ON","brightness":200}')
    assert bright == {"state": "ON", "brightness": 200, "color_mode": "brightness"}
    assert rig.change("Lüfter", "42") == {"value": 42}

    # Who is not understood sees what it really is, and why.
    assert rig.change("pump", "perhaps") == {"state": "OFF"}
    rig.log_has("warning outputs: pump: not understood, send ON, OFF or TOGGLE")
    assert rig.change("lamp", b"\xff\xfe") == bright
    assert rig.change("Lüfter", "255") == {"value": 42}
    rig.log_has("warning outputs: Lüfter: not understood, send a number from 0 to 100")

    # Who comes later gets the state at once.
    late = rig.listen(rig.broker, topics=f"outpost/{NAME}/output/+", name="late")
    for output in ("pump", "lamp", "Lüfter"):
        message = late.wait_for(f"{NAME}/output/{output}")
        assert message.text == rig.seen.texts(f"{NAME}/output/{output}")[-1]
        assert (message.qos, message.retain) == (1, True)
    assert not rig.told("reply") and rig.node.resets == ["power"]


def test_commands_are_answered_and_a_restart_comes_once(rig):
    rig.start()
    assert rig.ask("identify", {"id": "a-1", "seconds": 1}) == {
        "id": "a-1",
        "cmd": "identify",
        "ok": True,
    }
    assert rig.ask("identify", {"id": 2, "seconds": 1}, base="all")["id"] == 2
    assert rig.ask("reboot", {"id": 3}) == {
        "id": 3,
        "cmd": "reboot",
        "ok": False,
        "error": "unknown, known are announce, identify, read, restart",
    }
    message = rig.seen.messages_of(f"{NAME}/reply")[-1]
    assert (message.qos, message.retain) == (1, False)

    boot = rig.boot(1)["boot"]
    assert rig.ask("restart", {"id": 4}) == {"id": 4, "cmd": "restart", "ok": True}
    info = rig.boot(2)
    assert (info["boot"], info["reset_cause"], info.get("crash")) == (boot + 1, "told to", None)
    # The session is the same: a command that had not been acknowledged would have come again before this one.
    assert rig.ask("identify", {"id": 5, "seconds": 1})["id"] == 5
    replies = [json.loads(text).get("id") for text in rig.seen.texts(f"{NAME}/reply")]
    assert replies == ["a-1", 2, 3, 4, 5]
    assert rig.node.resets == ["power", "reset"]
    assert len(rig.seen.messages_of(f"{NAME}/info")) == 2


def test_without_a_broker_outputs_become_safe_and_buttons_work(rig):
    rig.start()
    for output, payload in (("pump", "OFF"), ("lamp", "OFF"), ("Lüfter", "42")):
        rig.change(output, payload)
    rig.broker.restart()
    rig.node.wait_for("mqtt: connected to", times=2)
    assert rig.seen.texts(f"{NAME}/output/lamp")[-1].startswith('{"state":"OFF"'), (
        "it was away for a moment only"
    )

    rig.press()
    rig.until_state("pump", '{"state":"ON"}')
    rig.press()
    rig.until_state("pump", '{"state":"OFF"}')

    rig.broker.stop()
    rig.node.wait_for("mqtt: lost", times=2)
    rig.press()
    time.sleep(LOSS_S + 1)
    rig.broker.start()
    rig.until_state("pump", '{"state":"ON"}')  # somebody pressed its button: it is theirs
    rig.until_state("lamp", '{"state":"ON","brightness":51,"color_mode":"brightness"}')
    known = rig.told("output/Lüfter")
    rig.node.wait_for("mqtt: connected to", times=3)
    assert rig.state("Lüfter", known) == {"value": 42}, "loss_s 0: never"
    until(
        lambda: [r["pressed"] for r in rig.seen.readings("knob")].count(True) >= 3,
        20,
        "what was pressed meanwhile is a reading like any other",
        rig.seen.last_messages,
    )


def test_home_assistant_is_told(rig):
    rig.start()
    (components,) = rig.announced(1)
    assert {"pump-switch", "lamp-light", "restart"} <= set(components)
    assert {"tank-voltage", "shed-voltage", "knob-pressed"} <= set(components)
    late = rig.listen(rig.broker, topics="homeassistant/#", name="late")
    until(lambda: late.messages, 10, "the discovery message")
    assert late.messages[0].retain and json.loads(late.messages[0].text)["cmps"] == components
    rig.healthy(2)

    # Home Assistant has started, with nothing: the node announces itself again, and then publishes its health.
    rig.tell("homeassistant/status", "online")
    assert rig.announced(2)[1] == components
    rig.healthy(3)

    # A sensor is gone from the settings: a stub takes its entity back, then it is not named any more.
    rig.restart(sensors=SENSORS[:-1])
    stubbed, without = rig.announced(4)[2:]
    assert stubbed["shed-voltage"] == {"p": "sensor"} and "shed-voltage" not in without
    assert set(stubbed) == set(components) == set(without) | {"shed-voltage"}
    rig.healthy(5)
    rig.restart(sensors=SENSORS[:-1])
    rig.healthy(7)
    assert rig.announced(5)[4:] == [without], "it is taken back once"

    # And the whole node.
    rig.restart(discovery=False)
    assert rig.announced(6)[5:] == [None]
    rig.node.wait_for("discovery: Home Assistant was told to forget this node")
    later = rig.listen(rig.broker, topics="homeassistant/#", name="later")
    known = rig.told("health")
    rig.restart(discovery=False)
    rig.healthy(known + 1)
    assert not later.messages and len(rig.announced(6)) == 6
