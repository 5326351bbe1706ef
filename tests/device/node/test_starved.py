"""No memory for a part that is loaded when it is needed: the node goes on, says so, and does the work later. No reading is lost."""

import builtins
import json
import os

from test_app import SYNCED, Run

from firmware import payload

HEAP = "3m"


class starve:
    """So many times, or until end(), there is no memory to load firmware.<name>."""

    def __init__(self, name, times=1):
        self.name = name
        self.left = times
        self.load = builtins.__import__
        builtins.__import__ = self._load

    def _load(self, name, globals=None, locals=None, wanted=None, level=0):
        room, _, module = ("firmware." + self.name).rpartition(".")
        if self.left and (
            name == "firmware." + self.name or (name == room and module in (wanted or ()))
        ):
            self.left -= 1
            raise MemoryError
        return self.load(name, globals, locals, wanted, level)

    def end(self):
        self.left = 0


def run(**options):
    r = Run(**options)
    r.node.log.level = 2
    return r


def goes_on(r, ms=5000):
    """Readings are taken and delivered, each once."""
    r.run(ms)
    seqs = [each["seq"] for each in r.readings()]
    seqs += [each["seq"] for each in r.readings("outpost/esp32-a1b2c3/history/climate")]
    assert r.node.seq - 1 <= len(seqs) and sorted(seqs) == list(range(1, len(seqs) + 1)), seqs
    assert r.node.delivery.outbox.dropped == 0 and r.board.resets == 0


def until_starved(r, scarce):
    for _ in range(30):
        if scarce.left:
            r.run(100)
    assert not scarce.left


def told(r, words):
    lines = [message[1].decode() for message in r.client.on("outpost/esp32-a1b2c3/log")]
    return [line for line in lines + r.node.log.waiting if words in line]


def health(r):
    return len(r.client.on("outpost/esp32-a1b2c3/health"))


def test_health():
    r = run()
    starve("upkeep.health")
    goes_on(r)
    assert health(r) == 0 and told(r, "not enough memory for `health`")
    goes_on(r, 60000)
    assert health(r) == 1, "a minute later"


def test_info():
    r = run()
    scarce = starve("upkeep.info")
    until_starved(r, scarce)
    assert r.client.on("outpost/esp32-a1b2c3/info") == []
    assert told(r, "lost 192.0.2.1:1883: not enough memory")
    goes_on(r, 10000)
    assert len(r.client.on("outpost/esp32-a1b2c3/info")) == 1 and r.node.uplink.connects == 2
    assert r.client.on("outpost/esp32-a1b2c3/status")[0][1] == b"online"


def test_namesake():
    r = run()
    scarce = starve("link.namesake")
    until_starved(r, scarce)
    assert r.client.sent == [], "whose name is it?"
    assert told(r, "lost 192.0.2.1:1883: not enough memory")
    goes_on(r, 10000)
    assert len(r.client.on("outpost/esp32-a1b2c3/info")) == 1


def test_what_ends_a_connection():
    r = run()
    r.run(3000)
    scarce = starve("link.lost")
    r.client.reachable = False
    r.run(500)
    assert not r.node.uplink.connected and not scarce.left
    assert told(r, "mqtt: lost 192.0.2.1:1883: not enough memory to say why")
    r.client.reachable = True
    goes_on(r, 20000)


def test_copies_of_what_is_on_flash_make_room_for_what_begins_a_connection():
    r = run()
    r.client.reachable = False
    r.run(20000)
    outbox = r.node.delivery.outbox
    on_flash = [record for record in outbox.recent if record.number]
    assert len(on_flash) > 3
    scarce = starve("link.connecting")
    for _ in range(700):
        if scarce.left:
            r.run(100)
    assert not scarce.left
    assert not any(record in outbox.recent for record in on_flash)
    r.client.reachable = True
    goes_on(r, 80000)


def test_the_last_good_settings():
    # It ended the start.
    from firmware import start

    scarce = starve("settings.keeping")
    faults = []
    start._keep_good({"sensors": []}, "esp32", faults)
    assert not scarce.left
    assert [fault[:45] for fault in faults] == ["config.json: not kept as the last good one: M"]
    start._keep_good({"sensors": []}, "esp32", faults)
    with open(start.LAST_GOOD) as f:
        assert json.load(f) == {"sensors": []} and len(faults) == 1


def test_the_time_that_readings_of_before_get():
    r = run(trusted=False)
    r.client.reachable = False
    r.run(3000)
    r.sync = True
    scarce = starve("readings.earlier", 12)
    r.run(900)
    assert r.node.delivery.starts.untimed, "not on flash yet"
    with open("state/boots") as f:
        assert "1795" not in f.read()
    r.run(500)
    assert not (r.node.delivery.starts.untimed or scarce.left)
    r.node._keep()
    after = run()
    after.run(8000)
    late = after.readings("outpost/esp32-a1b2c3/history/climate")
    late += after.readings()
    of_before = [each for each in late if each["boot"] == r.node.delivery.boot]
    assert len(of_before) == r.node.seq
    assert all(abs(each["ts"] - SYNCED) < 10000 for each in of_before), of_before


def test_the_start_that_a_reading_is_of():
    first = run(trusted=False)
    first.client.reachable = False
    first.run(3000)
    first.node._keep()
    r = run()
    scarce = starve("readings.boots", 1000)
    r.run(3000)
    scarce.end()
    boots = {each["boot"] for each in r.readings()}
    assert boots == {r.node.delivery.boot}, "nothing goes before it is known when it was taken"
    assert not r.readings("outpost/esp32-a1b2c3/history/climate")
    r.run(70000)
    late = r.readings("outpost/esp32-a1b2c3/history/climate") + r.readings()
    seqs = [each["seq"] for each in late if each["boot"] == first.node.delivery.boot]
    assert sorted(seqs) == list(range(1, first.node.seq + 1)), seqs


def test_the_check_of_what_the_broker_allows():
    r = run()
    r.run(1000)
    scarce = starve("control.access")
    goes_on(r, 64000)
    assert not scarce.left and r.node.control.fault is None
    goes_on(r, 64000)
    assert "does not come back" in r.node.control.fault  # nothing does, of this client


def test_a_command():
    r = run()
    r.run(1000)
    starve("control.commands")
    r.node.control.arrived(b"outpost/esp32-a1b2c3/cmd/identify", b'{"id":1}', False, 1000)
    r.run(1000)
    (reply,) = r.client.on("outpost/esp32-a1b2c3/reply")
    assert json.loads(reply[1]) == {"ok": False, "error": "not enough memory"}
    goes_on(r)


def test_the_file_that_says_whose_session_it_is():
    from firmware import files

    def write(path, text):
        if path == "state/session":
            raise MemoryError
        kept(path, text)

    kept, files.write = files.write, write
    r = run()
    goes_on(r)
    assert told(r, "state/session") and "session" not in os.listdir("state")
    files.write = kept
    run().run(3000)
    assert "session" in os.listdir("state")


def test_the_message_of_a_reading():
    r = run()
    real, left = payload.reading, [3]

    def reading(*args):
        if left[0]:
            left[0] -= 1
            raise MemoryError
        return real(*args)

    payload.reading = reading
    try:
        goes_on(r, 10000)
    finally:
        payload.reading = real
    assert not left[0] and r.node.uplink.connects == 1
