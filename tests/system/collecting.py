"""What stands around a collector in the system tests: readings that are published, the collector as a process, what it stored."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import paho.mqtt.client as paho
import stores
from outside import until

from tools import ROOT

TS = 1_795_917_130_051
COLLECTOR, NODE = ("collector", "collector-Secret-1"), ("node", "node-Secret-1")


class Publisher:
    """Publishes readings at QoS 1 as nodes do: each until it is acknowledged. sent: {(node, boot, seq): payload}."""

    def __init__(self, broker, user=None):
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "nodes", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        if user:
            self.client.username_pw_set(*user)
        self.client.on_publish = self._acknowledged
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        self.sent, self.published, self.acknowledged = {}, 0, 0

    def reading(self, seq, node="attic", boot=8, branch="reading", **members):
        payload = {"ts": TS + seq * 1000, "boot": boot, "seq": seq, "temperature": 20 + seq % 7}
        payload = {k: v for k, v in (payload | members).items() if v is not None}
        self.sent[node, boot, seq] = payload
        self.publish(f"{node}/{branch}/air", payload)

    def publish(self, topic, payload, qos=1, retain=False):
        text = payload if isinstance(payload, (str, bytes)) else json.dumps(payload)
        self.published += qos
        self.client.publish(f"outpost/{topic}", text, qos, retain)

    def _acknowledged(self, client, data, mid, reason, properties):
        self.acknowledged += 1

    def done(self, timeout=30):
        until(lambda: self.acknowledged >= self.published, timeout, "acknowledgements")

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


class Process:
    def __init__(self, folder, broker, *words, store="readings.sqlite", **environment):
        self.store = store if "://" in store else folder / store
        self.log = folder / "collector.log"
        self.words = [sys.executable, "-m", "station", "collect", "--store", self.store]
        self.words += ["--broker", f"127.0.0.1:{broker.port}", *words]
        self.environment = os.environ | environment
        self.process = None

    def start(self, wait=True):
        before = self.said().count("connected to ")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.words, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        if wait:
            self.wait_for("connected to ", before + 1)
        return self

    def wait_for(self, text, times=1, timeout=20):
        until(lambda: self.said().count(text) >= times, timeout, text)

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def end(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(20)
        return self.process.returncode if self.process else None

    def rows(self, what="node, boot, seq", of="reading"):
        if "://" not in str(self.store) and not self.store.exists():
            return []
        return stores.rows(str(self.store), what, of)

    def wait_rows(self, count, timeout=20):
        until(lambda: len(self.rows()) >= count, timeout, f"{count} rows")


@contextlib.contextmanager
def flowing(publisher, pause_s):
    """Readings of three nodes, one after the other, 3,000 at most."""
    over = threading.Event()

    def publish():
        seq = 0
        while not over.is_set() and seq < 3000:
            seq += 1
            publisher.reading(seq, node=f"n{seq % 3}")
            time.sleep(pause_s)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def check(collector, publisher):
    """Rows are the readings that were published, each with its time and its value."""
    rows = collector.rows("node, boot, seq, life, ts, quantities")
    assert len(rows) == len(publisher.sent)
    for node, boot, seq, life, ts, quantities in rows:
        sent = publisher.sent[node, boot, seq]
        assert (life, ts) == (1, sent["ts"])
        assert json.loads(quantities) == {"temperature": sent["temperature"]}
