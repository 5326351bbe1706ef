"""What a real node published in one period, recorded from a simulated board, and as templates for the nodes of a fleet."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

from sim.broker import Broker
from sim.ntp import TimeServer
from sim.simboard import SimBoard
from tools import ROOT, CommandError, wholefile
from tools.simulate.simulate import HEAP_KB, JOINS, USER, make_flash, node_settings

FILE = Path(__file__).with_name("recorded.json")
PERIOD_MS = 60_000  # the example's sensors are read, and `health` is published, once in it
_ONLINE_S = 30
_PASSWORD = "recorder"


class Said(NamedTuple):
    """A message. at: ms from the beginning of the period; topic: below the node's."""

    at: int
    topic: str
    qos: int
    retain: bool
    payload: str


class Recording(NamedTuple):
    """once: what a node says at each connection; each: what it says in each period, by time."""

    once: list[Said]
    each: list[Said]


def load() -> Recording:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return Recording(*([Said(*each) for each in document[part]] for part in ("once", "each")))


def record(folder: Path) -> None:
    """Run a simulated board with the example's settings for two periods, and keep what it says in the second."""
    with Broker(folder / "broker", users={USER: _PASSWORD}) as broker, TimeServer() as clock:
        example = ROOT / "config.json.example"
        settings = node_settings("esp32", broker, _PASSWORD, clock, example)
        rom = make_flash(folder / "flash", settings, "file")
        base = f"outpost/{settings['node']['name']}/"
        heard: list[tuple[float, Said]] = []
        client = _subscribed(broker, base, heard)
        board = SimBoard(folder / "flash", "esp32", f"{HEAP_KB}k", scenario=[JOINS], rom=rom)
        try:
            with board:
                deadline = time.monotonic() + _ONLINE_S
                while not any(said.topic == "info" for _, said in heard):
                    if time.monotonic() > deadline:
                        raise CommandError("the simulated board did not come online")
                    time.sleep(0.1)
                time.sleep(2.1 * PERIOD_MS / 1000)
        finally:
            client.disconnect()
            client.loop_stop()
    _write(heard)


def _subscribed(broker: Broker, base: str, heard: list[tuple[float, Said]]) -> Any:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set(USER, _PASSWORD)

    def on_message(client, data, message):
        topic = message.topic.removeprefix(base)
        said = Said(0, topic, message.qos, message.retain, message.payload.decode())
        heard.append((time.monotonic(), said))

    client.on_message = on_message
    client.connect(broker.host, broker.port)
    client.subscribe(base + "#", options=SubscribeOptions(1, retainAsPublished=True))
    client.loop_start()
    return client


def _write(heard: list[tuple[float, Said]]) -> None:
    once = [said for _, said in heard if said.topic in ("status", "info")]
    info = next(at for at, said in heard if said.topic == "info")
    begin = info + PERIOD_MS / 1000
    each = [
        said._replace(at=round((at - begin) * 1000))
        for at, said in heard
        if begin <= at < begin + PERIOD_MS / 1000
        and (said.topic.startswith("reading/") or said.topic == "health")
    ]
    if not any(said.topic == "health" for said in each) or len(each) < 9:
        raise CommandError(f"the node said too little in a minute: {len(each)} messages")
    rows = {"once": once[:2], "each": each}
    parts = [
        f' "{name}": [\n' + ",\n".join(f"  {json.dumps(said)}" for said in part) + "\n ]"
        for name, part in rows.items()
    ]
    wholefile.write(FILE, "{\n" + ",\n".join(parts) + "\n}\n")
