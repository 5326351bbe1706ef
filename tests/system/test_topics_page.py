"""docs/topics.md: the program that it shows gets readings and nothing else."""

import json
import re
import subprocess
import sys

import pytest
from outside import until

from firmware.topics import Topics
from tools import ROOT, processes, toolchain

pytestmark = pytest.mark.system

PAGE = (ROOT / "docs" / "topics.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TOPICS = Topics("outpost", "attic")
READING = '{"ts":1795917130051,"boot":7,"seq":%d,"temperature":26.23}'


def publish(broker, topic, text):
    words = ["-h", broker.host, "-p", str(broker.port), "-u", "me", "-P", "your password"]
    words += ["-q", "1", "-t", topic, "-m", text]
    subprocess.run([toolchain.mosquitto_pub(), *words], check=True, timeout=20)


def test_the_program(brokers, tmp_path):
    broker = brokers(users={"me": "your password"}, acl=None)
    path = tmp_path / "reader.py"
    address = '"192.168.1.10", 1883'
    assert address in PROGRAM
    path.write_text(PROGRAM.replace(address, f'"{broker.host}", {broker.port}'))
    live, late = (topic.decode() for topic in TOPICS.channel("air"))
    process = processes.start(
        [sys.executable, "-u", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until(lambda: "Sending SUBACK to reader" in broker.log.read_text(), 10, "the subscription")
        for topic, text in (
            (TOPICS.status.decode(), "online"),
            (TOPICS.own("log").decode(), "1 info wifi: joined"),
            (live, READING % 1),
            (late, READING % 1),
            (late, READING % 2),
        ):
            publish(broker, topic, text)
        for seq in (1, 2):
            node, channel, reading = process.stdout.readline().split(" ", 2)
            assert (node, channel) == ("attic", "air"), reading
            assert json.loads(reading.replace("'", '"'))["seq"] == seq
    finally:
        processes.stop(process)
