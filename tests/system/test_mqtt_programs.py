"""Programs as one writes them for umqtt, with umqtt and with nothing changed but the import, over a real mosquitto."""

import time

import pytest
from mqtt_board import Board, Listener, run

from tools import toolchain

SIMPLE = """
    {import_}
    got = []

    def on_message(topic, msg):
        got.append((topic, msg))
        print(json.dumps([str(topic, "utf-8"), str(msg, "utf-8")]))

    c = MQTTClient("greenhouse", args["host"], args["port"], user="u", password="p", keepalive=30)
    c.set_last_will(b"greenhouse/status", b"gone", retain=True)
    c.set_callback(on_message)
    say(bool(c.connect()))
    c.subscribe(b"greenhouse/vent")
    c.subscribe("greenhouse/lamp", 1)
    c.publish(b"greenhouse/vent", b"open")
    c.wait_msg()
    c.publish("greenhouse/lamp", "on", retain=True, qos=1)
    c.check_msg()
    for _ in range(500):
        if len(got) == 2:
            break
        sleep_ms(10)
        c.check_msg()
    for _ in range(3):
        c.check_msg()  # nothing there: it comes back at once
        c.ping()
        sleep_ms(20)
    c.publish(b"greenhouse/vent", b"")
    while len(got) < 3:
        c.wait_msg()
    say("pinged")
    if args["leave"]:
        c.disconnect()
"""

ROBUST = """
    {import_}
    MQTTClient.DELAY = 1

    def on_message(topic, msg):
        print(json.dumps([str(topic, "utf-8"), str(msg, "utf-8")]))

    c = MQTTClient("door", args["host"], args["port"])
    c.DEBUG = False
    c.set_callback(on_message)
    if not c.connect(clean_session=False):
        c.subscribe(b"door/bell", qos=1)
        say("new session")
    while True:
        c.wait_msg()
"""

REFUSED = """
    {import_}
    from umqtt.simple import MQTTException

    c = MQTTClient("c", "127.0.0.1", args["port"])
    got = []
    c.set_callback(lambda topic, msg: got.append(str(msg, "utf-8")))
    c.connect()
    try:
        c.subscribe("other/#", 1)
    except MQTTException as e:
        say(e.args[0])
    c.subscribe("mine/#", 1)
    c.publish("other/1", b"a", qos=1)
    c.publish("mine/1", b"b", qos=1)
    while not got:
        c.wait_msg()
    say(got)
    if hasattr(c, "refused"):
        say([str(f, "utf-8") for f in c.refused])
"""

IMPORTS = {
    "umqtt.simple": "from umqtt.simple import MQTTClient",
    "umqtt.robust": "from umqtt.robust import MQTTClient",
    "mqtt": "from mqtt import Client as MQTTClient",
}


def program(text, client):
    return text.format(import_=IMPORTS[client])


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("client", IMPORTS)
def test_simple(brokers, client, leave):
    broker = brokers(users={"u": "p"}, acl=None)
    with Listener(broker.port, user="u", password="p") as listener:
        said = run(
            program(SIMPLE, client), host="127.0.0.1", port=broker.port, leave=leave, timeout=20
        )
        assert said == [
            False,
            ["greenhouse/vent", "open"],
            ["greenhouse/lamp", "on"],
            ["greenhouse/vent", ""],
            "pinged",
        ]
        listener.wait(3 if leave else 4, timeout=5)
        seen = [(m.topic, m.payload) for m in listener.messages]
    expected = [
        ("greenhouse/vent", b"open"),
        ("greenhouse/lamp", b"on"),
        ("greenhouse/vent", b""),
    ]
    if not leave:
        expected.append(("greenhouse/status", b"gone"))
    assert seen == expected


@pytest.mark.parametrize("client", ["umqtt.robust", "mqtt"])
def test_robust_over_a_restart_of_the_broker(brokers, client):
    broker = brokers(users=None, acl=None, persistent=True)
    with (
        Listener(broker.port) as listener,
        Board(program(ROBUST, client), host="127.0.0.1", port=broker.port) as board,
    ):
        assert board.hear() == "new session"
        listener.client.publish("door/bell", b"1", qos=1).wait_for_publish(5)
        assert board.hear() == ["door/bell", "1"]
        listener.ready.clear()
        broker.stop()
        time.sleep(0.5)
        broker.start()
        listener.back()
        listener.client.publish("door/bell", b"2", qos=1).wait_for_publish(10)
        assert board.hear() == ["door/bell", "2"]


DYNAMIC_SECURITY = """\
{"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true, "subscribe": false, "unsubscribe": true},
 "clients": [], "anonymousGroup": "all",
 "groups": [{"groupname": "all", "clients": [], "roles": [{"rolename": "all", "priority": 0}]}],
 "roles": [{"rolename": "all", "acls": [
   {"acltype": "subscribePattern", "topic": "mine/#", "priority": 0, "allow": true}]}]}
"""


@pytest.mark.parametrize("client", IMPORTS)
def test_subscription_refused_by_mosquitto(brokers, tmp_path, client):
    # dynamic security: the one that refuses subscriptions; an acl_file grants them all
    path = toolchain.plugin()
    if path is None:
        pytest.skip("this mosquitto came without its dynamic-security plugin")
    config = tmp_path / "dynamic-security.json"
    config.write_text(DYNAMIC_SECURITY)
    config.chmod(0o600)
    settings = (f"plugin {path}", f"plugin_opt_config_file {config}")
    broker = brokers(users=None, acl=None, settings=settings)
    said = run(program(REFUSED, client), port=broker.port)
    assert said[:2] == [0x80, ["b"]]
    assert said[2:] == ([["other/#"]] if client == "mqtt" else [])
