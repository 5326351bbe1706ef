"""docs/integrations.md: settings for other programs, as far as they can be checked without these."""

import json
import re
import sqlite3
import tomllib

import pytest

from firmware.topics import Topics
from station.messages import Reading
from station.store.contract import Batch
from station.store.sqlite import SqliteStore
from tools import ROOT

PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
(TELEGRAF,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
(GRAFANA,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
FLOW = json.loads((ROOT / "docs" / "examples" / "node-red.json").read_text(encoding="utf-8"))
TOPICS = Topics("outpost", "attic")


def levels(pattern, topic):
    return list(zip(pattern.split("/"), topic.split("/"), strict=True))


@pytest.mark.parametrize("which", [0, 1])
def test_what_telegraf_makes_of_a_topic(which):
    (settings,) = tomllib.loads(TELEGRAF)["inputs"]["mqtt_consumer"]
    topic = TOPICS.channel("air")[which].decode()
    assert all(level in ("+", name) for level, name in levels(settings["topics"][which], topic))
    (parsing,) = settings["topic_parsing"]
    assert {name: level for name, level in levels(parsing["tags"], topic) if name != "_"} == {
        "node": "attic"
    }
    assert [level for name, level in levels(parsing["measurement"], topic) if name != "_"] == [
        "air"
    ]
    assert levels(parsing["topic"], topic)
    # In the object it would be `timestamp_key`, and a reading without a time would get that of its arrival.
    (parser,) = settings["json_v2"]
    (shape,) = parser["object"]
    assert parser["timestamp_path"] == "ts"
    assert "timestamp_key" not in shape


def test_a_flow_of_node_red_has_what_node_red_refuses_not():
    """It takes a setting that is the id of a node for a reference, and then finds that node to depend on itself."""
    ids = [node["id"] for node in FLOW]
    assert len(set(ids)) == len(ids)
    (broker,) = (node for node in FLOW if node["type"] == "mqtt-broker")
    assert not set(ids) & {value for key, value in broker.items() if key not in ("id", "z")}
    for node in FLOW:
        if node["type"].startswith("mqtt "):
            assert node["broker"] == broker["id"]
        for wires in node.get("wires", []):
            assert set(wires) <= set(ids)


def test_a_flow_of_node_red_hears_readings_and_switches_an_output():
    heard = [node["topic"] for node in FLOW if node["type"] == "mqtt in"]
    for pattern, topic in zip(heard, TOPICS.channel("air"), strict=True):
        assert all(level in ("+", name) for level, name in levels(pattern, topic.decode()))
    (switch,) = (node for node in FLOW if node["type"] == "mqtt out")
    assert (switch["topic"], switch["retain"]) == ("outpost/attic/output/lamp/set", "false")


def test_what_grafana_asks_has_late_readings_and_none_without_a_time(tmp_path):
    store = SqliteStore(tmp_path / "readings.sqlite", "outpost")
    rows = [(1, 1_000_000, False, 20.5), (2, 1_060_000, True, 20.75), (3, None, False, 21.0)]
    store.append(
        Batch(
            readings=[
                Reading(
                    "attic", 7, seq, "air", json.dumps({"temperature": value}), ts, 9_000_000, late
                )
                for seq, ts, late, value in rows
            ]
        )
    )
    store.close()
    sql = GRAFANA.replace("$__from", "1000000").replace("$__to", "2000000")
    with sqlite3.connect(tmp_path / "readings.sqlite") as db:
        assert db.execute(sql).fetchall() == [
            (1000, "attic air", 20.5),
            (1060, "attic air", 20.75),
        ]
