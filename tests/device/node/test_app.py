"""The node's loop, with a scripted client, radio and sensors: what is published, when, and on which topic."""

import json
import os
import time

from firmware import app
from firmware.upkeep import cause

HEAP = "400k"  # the test keeps and parses every message of an outage

HOME = {"ssid": "home", "password": "secret", "static": None}
BROKER = {"host": "192.0.2.1", "port": 1883, "user": "", "password": "", "tls": None}
SYNCED = 1795219200000


def settings():
    return {
        "node": {"name": "", "base": "outpost", "led": None},
        "wifi": {"networks": [HOME], "hostname": "", "country": "", "power_save": False},
        "mqtt": {
            "brokers": [BROKER],
            "client_id": "",
            "keepalive_s": 60,
            "clean_session": False,
            "window": 32,
            "window2": 1,
            "qos_max": 2,
            "retain": True,
            "rate": None,
        },
        "publish": {"qos": 1, "live_s": 30, "health_s": 60, "plain": False},
        "outbox": {"bytes": 16384, "sync_s": 5, "when_full": "drop-oldest", "ram_bytes": 4096},
        "ntp": {"host": "192.0.2.1", "port": 123, "interval_s": 21600},
        "sensors": [{"name": "climate"}],
        "discovery": {"enabled": False},
        "watchdog": {"enabled": True, "timeout_s": 8, "arm_after_s": 20},
        "log": {"level": "info"},
    }


class Radio:
    joining = None
    up = True

    def on(self, *args, **options):
        pass

    off = leave = join = on

    def connected(self):
        return self.up

    def failed(self):
        return False

    def state(self):
        return "idle"

    def rssi(self):
        return -61

    def address(self):
        return "192.0.2.7"

    def servers(self):
        return "192.0.2.254", "192.0.2.254"

    def mac(self):
        return "24:6f:28:a1:b2:c3"


class Board:
    name = "esp32-a1b2c3"
    model = "esp32"
    hardware = "test"
    id = "a1b2c3"
    micropython = "1.25.0"

    def __init__(self):
        self.radio = Radio()
        self.armed = None
        self.guard = self
        self.guarded = True  # by main.py
        self.fed = 0
        self.resets = 0

    def led(self, pin):
        return None

    def idf_heap(self):
        return ()

    def reset_cause(self):
        return "power on"

    def set_time(self, unix_s):
        pass

    mark_time = kept_time = lambda self: None

    def arm_watchdog(self, timeout_s):
        self.armed = timeout_s

    def end(self):
        self.guarded = False

    def feed(self):
        self.fed += 1

    def reset(self):
        self.resets += 1


class Subscriptions:
    @staticmethod
    def waiting():
        return False


class Client:
    last, unanswered, lied = None, (), False
    subscriptions = Subscriptions

    def __init__(self, client_id, server, keepalive=0, window=32, window2=1):
        self.client_id = client_id
        self.lowered = self.turned_away = False
        self.exactly_once = 0
        self.connected = False
        self.reachable = True
        self.sock = None
        self.sent = []
        self.pending = self.resent = self.skipped = 0
        self.unacked = []
        self.in_flight = []
        self.journal = None
        self.wanted = []
        self.refused = []

    def set_journal(self, f):
        self.journal = f

    def forget(self, pid):
        assert not self.connected

    def want(self, pattern, qos):
        self.wanted.append((pattern, qos))

    def set_last_will(self, topic, payload, retain=False, qos=0):
        self.lw_topic = topic
        self.will = (topic, payload, retain, qos)

    def start(self, now, clean_session=False, anew=False):
        if not self.reachable:
            raise OSError("no route")

    def step(self, now):
        if not self.reachable:
            self.connected = False
            raise OSError("gone")
        self.connected = True
        acked, self.unacked = self.unacked, []
        return acked, []

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):
        self.sent.append((topic.decode(), bytes(payload), retain, qos))
        pid = pid or len(self.sent)
        self.unacked.append(pid)
        return pid if qos else 0

    def poll_ms(self, now):
        return 1000

    def close(self):
        self.connected = False

    disconnect = close

    def on(self, topic):
        return [message for message in self.sent if message[0] == topic]


class Channel:
    """Gives one of `results` each second."""

    name = "climate"
    qos = 1
    retain = False
    fields = (("temperature", 2),)
    errors = 0
    error = None

    latest = False
    change = None

    def __init__(self):
        self.last = None
        self.value = 20.0

    def worth(self, now, result):
        return self.change is None or self.change.passes(now, result)

    def delivered(self, now, result):
        if self.change:
            self.change.delivered(now, result)

    def step(self, now):
        if self.last is None or time.ticks_diff(now, self.last) >= 1000:
            self.last = now
            return (self.value,) if not isinstance(self.value, str) else self.value
        return None

    def due(self, now):
        return 100


class Run:
    """A node and its loop, without sleeping."""

    def __init__(
        self, faults=(), online=True, trusted=True, outbox_bytes=16384, crashes=0, name=""
    ):
        from firmware import parts  # a node forgets it

        parts.Client = Client
        self.board = Board()
        self.board.radio.up = online
        chosen = settings()
        chosen["outbox"]["bytes"] = outbox_bytes
        chosen["node"]["name"] = name
        source = "state/config.json" if faults else "config.json"
        why = cause.find(self.board)
        self.node = app.Node(self.board, chosen, source, faults, [Channel()], (), why, crashes)
        self.node.log.level = 9
        self.client = self.node.uplink.client
        self.channel = self.node.channels[0]
        self.now = time.ticks_ms()
        clock = self.node.clock
        clock.offset = None
        clock.step = self._clock
        self.sync = trusted

    def _clock(self, uptime, online):
        clock = self.node.clock
        if self.sync and online and clock.offset is None:
            clock.offset = SYNCED - uptime
            return True
        return False

    def run(self, ms, step=100):
        for _ in range(ms // step):
            self.now = time.ticks_add(self.now, step)
            self.node.step(self.now)

    def readings(self, topic="outpost/esp32-a1b2c3/reading/climate"):
        return [json.loads(message[1]) for message in self.client.on(topic)]


def test_introduces_itself_then_reads():
    r = Run()
    r.run(5000)
    assert r.client.will == (b"outpost/esp32-a1b2c3/status", b"offline", True, 1)
    first, second = r.client.sent[:2]
    assert first == ("outpost/esp32-a1b2c3/status", b"online", True, 1)
    assert second[0] == "outpost/esp32-a1b2c3/info" and second[2:] == (True, 1)
    info = json.loads(second[1])
    assert (
        info["boot"] == r.node.delivery.boot
        and info["ip"] == "192.0.2.7"
        and info["reset_cause"] == "power on"
    )
    assert [reading["seq"] for reading in r.readings()] == [1, 2, 3, 4, 5][: len(r.readings())]
    assert r.readings()[0]["temperature"] == 20.0 and r.readings()[0]["boot"] == info["boot"]
    health = json.loads(r.client.on("outpost/esp32-a1b2c3/health")[0][1])
    assert health["rssi"] == -61 and health["dropped"] == 0 and health["connects"] == 1


def test_health_has_an_esp32s_other_heap():
    """Area by area it has the free bytes, the largest piece and the least; the Python heap may be well while that is empty."""
    from firmware.upkeep import health

    r = Run()
    assert not [name for name, _ in health.report(r.node, 0) if name.startswith("idf")]
    r.node.board.idf_heap = lambda: [(7288, 0, 0, 0), (90000, 500, 300, 20), (9000, 70, 60, 50)]
    found = dict(health.report(r.node, 0))
    assert (found["idf_free"], found["idf_block"], found["idf_low"]) == (570, 300, 70)


def test_what_was_done_in_a_pass_is_not_older_than_its_begin():
    """A pass takes its time: the clock was -1 s old in the `health` of the one that set it."""
    from firmware.upkeep import health

    r = Run()
    r.run(2000)
    r.node.clock.synced_at = 2600
    for uptime, age in ((2500, 0), (3599, 0), (3600, 1), (9000, 6)):
        assert dict(health.report(r.node, uptime))["clock_age_s"] == age
    delivery = r.node.delivery
    assert [health._age(delivery, up, delivery.boot, 0, 900, None) for up in (890, 950)] == [0, 50]


def test_readings_before_the_sync_wait_for_their_time():
    r = Run(trusted=False)
    r.run(6000)
    assert r.client.connected and r.readings() == []
    r.sync = True
    r.run(1000)
    got = r.readings()
    assert len(got) >= 6 and [reading["seq"] for reading in got] == list(range(1, len(got) + 1))
    steps = [got[i + 1]["ts"] - got[i]["ts"] for i in range(len(got) - 1)]
    assert all(abs(step - 1000) <= 100 for step in steps), steps
    assert abs(got[-1]["ts"] - SYNCED) <= 1100


def test_without_a_time_server_they_go_without_ts():
    r = Run(trusted=False)
    r.run(20000)
    got = r.readings()
    assert len(got) >= 15 and not any("ts" in reading for reading in got)


def test_it_says_again_who_it_is_when_told_to():
    from firmware.control.commands import announce

    r = Run()
    r.run(5000)
    before = len(r.client.on("outpost/esp32-a1b2c3/info"))
    announce(r.node, {})
    r.run(1000)
    assert len(r.client.on("outpost/esp32-a1b2c3/info")) == before + 1
    assert r.client.on("outpost/esp32-a1b2c3/status")[-1][1] == b"online"
    r.client.reachable = False
    r.run(100)
    announce(r.node, {})
    r.run(1000)
    assert len(r.client.on("outpost/esp32-a1b2c3/info")) == before + 1


def test_an_outage_keeps_readings_and_late_ones_go_to_history():
    r = Run()
    r.run(3000)
    before = len(r.readings())
    r.client.reachable = False
    r.run(60000)
    r.client.reachable = True
    r.run(90000)
    live, late = r.readings(), r.readings("outpost/esp32-a1b2c3/history/climate")
    seqs = [reading["seq"] for reading in live + late]
    assert len(late) >= 25 and r.node.delivery.outbox.dropped == 0
    assert sorted(seqs) == list(range(1, r.node.seq + 1)), "every number, once"
    ages = [live[-1]["ts"] - reading["ts"] for reading in late]
    assert min(ages) > 0 and before >= 1


def test_a_full_outbox_drops_the_oldest_and_says_so():
    r = Run(outbox_bytes=8192)
    r.node.log.level = 2
    r.run(3000)
    r.client.reachable = False
    r.run(180000)
    r.client.reachable = True
    r.run(90000)
    dropped = r.node.delivery.outbox.dropped
    assert dropped > 0
    seqs = sorted(
        reading["seq"]
        for t in ("reading", "history")
        for reading in r.readings("outpost/esp32-a1b2c3/%s/climate" % t)
    )
    missing = [seq for seq in range(1, seqs[-1]) if seq not in seqs]
    # The oldest, but for the few that are on their way when room is made.
    assert len(missing) == dropped and missing[-1] - missing[0] < dropped + 16, (dropped, missing)
    assert json.loads(r.client.on("outpost/esp32-a1b2c3/health")[-1][1])["dropped"] == dropped
    lines = [message[1] for message in r.client.on("outpost/esp32-a1b2c3/log")]
    assert any(b"readings dropped" in line for line in lines), lines


def test_exchanges_that_are_given_up_end_with_the_session():
    """What an earlier start has begun of QoS 2, nobody ends once its readings are given up."""
    for qos, met in ((2, False), (2, True), (1, False)):  # met: the broker was reached before
        before = Run(outbox_bytes=8192)
        before.channel.qos = qos
        before.run(3000)
        before.client.reachable = False
        before.run(60000)
        r = Run(outbox_bytes=8192)  # the power failed
        r.channel.qos = qos
        begun = []
        r.client.start = lambda now, clean, anew: begun.append(anew)
        r.client.reachable = met
        r.run(3000)
        assert begun[0] is False and r.node.uplink.connects == met
        r.client.reachable = False
        while not r.node.delivery.outbox.dropped:
            r.run(10000)
        r.client.reachable = True
        r.run(40000)
        assert r.client.connected and begun[-1] is (qos == 2 and not met), (qos, met)
        r.client.reachable = False
        r.run(1000)
        r.client.reachable = True
        r.run(40000)
        assert begun[-1] is False, "once"


def test_a_failing_sensor_publishes_its_failure_and_no_value():
    r = Run()
    r.channel.value = "no answer on the bus"
    r.run(3000)
    got = r.readings()[-1]
    assert got["error"] == "no answer on the bus" and "temperature" not in got and got["seq"]


def test_not_a_number_becomes_an_error():
    r = Run()
    r.channel.value = float("nan")
    r.run(3000)
    got = r.readings()[-1]
    assert "temperature" not in got and "not a number" in got["error"]


def test_qos_0_is_not_kept_while_offline():
    r = Run()
    r.channel.qos = 0
    r.run(3000)
    r.client.reachable = False
    r.run(20000)
    assert len(r.node.delivery.outbox) == 0
    r.client.reachable = True
    r.run(40000)
    assert r.readings()[-1]["seq"] == r.node.seq


def test_sampling_goes_on_without_wifi():
    r = Run(online=False)
    r.run(40000)
    assert r.node.seq >= 39 and r.client.sent == []
    r.board.radio.up = True
    r.run(60000)
    assert r.readings("outpost/esp32-a1b2c3/history/climate")[0]["seq"] == 1


def test_watchdog_is_armed_late_and_then_fed():
    r = Run()
    r.run(19000)
    assert r.board.armed is None and r.board.fed == 0 and r.board.guarded
    r.run(3000)
    assert r.board.armed == 8 and r.board.fed > 10 and not r.board.guarded


def test_boot_counter_counts_and_survives():
    first = Run().node.delivery.boot
    assert 0 < first <= 1 << 24
    assert Run().node.delivery.boot == first + 1


def test_a_crash_is_kept_and_reported():
    from firmware.upkeep.crash import record_crash

    boot = Run().node.delivery.boot
    try:
        raise RuntimeError("unforeseen " + "é" * 700)
    except RuntimeError as e:
        record_crash(e, 12)
    r = Run()
    r.run(3000)
    info = json.loads(r.client.on("outpost/esp32-a1b2c3/info")[0][1])
    assert "boot %d, 12 s after start" % boot in info["crash"] and len(info["crash"]) < 1200
    assert info["reset_cause"] == "unforeseen error", (
        "on a Pico, too, which cannot tell its own resets"
    )
    assert os.stat("state/crash.txt")[6] < 1200


def test_a_deliberate_reset_is_told_from_the_watchdogs():
    r = Run()
    r.node.reset("the Wi-Fi radio does not answer")
    assert r.board.resets == 1
    r = Run()
    r.run(3000)
    info = json.loads(r.client.on("outpost/esp32-a1b2c3/info")[0][1])
    assert info["reset_cause"] == "the Wi-Fi radio does not answer"
    assert Run().node.reset_cause == "power on", "said once"


def test_safe_mode_says_so_and_ends_by_itself():
    r = Run(crashes=4)
    r.run(3000)
    info = json.loads(r.client.on("outpost/esp32-a1b2c3/info")[0][1])
    assert info["safe_mode"] is True
    r.run(890000, 10000)
    assert r.board.resets == 0
    r.run(10000, 1000)
    assert r.board.resets and Run().node.reset_cause == "safe mode is over"


def test_a_node_that_runs_for_ten_minutes_is_no_longer_one_that_crashes():
    from firmware.upkeep import safemode

    crashes = [safemode.crashes("watchdog") for _ in range(3)]
    r = Run(crashes=crashes[-1])
    r.run(590000, 10000)
    assert safemode.crashes("watchdog") == 4
    r.run(20000, 10000)
    assert safemode.crashes("watchdog") == 1
    r.run(1000000, 10000)
    assert r.board.resets == 0


def test_config_faults_are_published():
    r = Run(faults=["sensors[0].pin: 99 is not a pin of esp32; 0 to 39"])
    r.node.log.level = 1
    r.run(3000)
    info = json.loads(r.client.on("outpost/esp32-a1b2c3/info")[0][1])
    assert info["config_faults"] == ["sensors[0].pin: 99 is not a pin of esp32; 0 to 39"]
    assert any(
        b"99 is not a pin" in message[1] for message in r.client.on("outpost/esp32-a1b2c3/log")
    )


def test_many_faults_are_shortened_to_what_can_be_sent():
    r = Run(faults=["sensors[%d].pin: %s" % (i, "x" * 300) for i in range(40)])
    r.run(3000)
    message = r.client.on("outpost/esp32-a1b2c3/info")[0][1]
    assert len(message) < 2000 and json.loads(message)["config_faults"][-1] == "32 more"


def everything(r):
    """All readings a subscriber has, by (boot, seq)."""
    return {
        (reading["boot"], reading["seq"]): reading
        for t in ("reading", "history")
        for reading in r.readings("outpost/esp32-a1b2c3/%s/climate" % t)
    }


def test_what_was_kept_is_delivered_by_the_next_boot():
    r = Run()
    r.client.reachable = False
    r.run(20000)
    first = Run()  # the power failed: no goodbye
    first.run(8000)
    got = everything(first)
    old = sorted(seq for boot, seq in got if boot == r.node.delivery.boot)
    assert old == list(range(1, len(old) + 1)) and len(old) >= 14, old  # all but the last sync_s
    health = json.loads(first.client.on("outpost/esp32-a1b2c3/health")[-1][1])
    assert health["recovered"] == len(old)
    assert not any(boot == r.node.delivery.boot for boot, seq in everything(Run())), "once"


def test_a_reset_on_purpose_loses_nothing():
    r = Run()
    r.client.reachable = False
    r.run(20000)
    r.node.reset("the Wi-Fi radio does not answer")
    after = Run()
    after.run(8000)
    old = sorted(seq for boot, seq in everything(after) if boot == r.node.delivery.boot)
    assert old == list(range(1, r.node.seq + 1))


class Contact:
    IRQ_FALLING = IRQ_RISING = 0

    def irq(self, handler, trigger, hard=False):
        pass


def test_a_reset_on_purpose_loses_no_pulse():
    """Those since the last reading, and what is on flash is not written over where it could not be read."""
    from drivers import pulse

    def count(n):
        pulse._counters.clear()
        counter = pulse.Pulse(Contact(), debounce_ms=0, path="state/count-rain").counter
        before = counter.count
        counter.pulses += n
        return counter, before

    r = Run()
    count(7)
    r.node.reset("told to")
    counter, before = count(3)
    assert before == 7
    counter._kept = None  # not read yet
    r.node.reset("told to")
    counter, before = count(5)
    assert before == 7
    r.node.step = lambda now: 1 / 0
    try:
        r.node.run()
    except ZeroDivisionError:
        pass
    assert count(0)[1] == 12


def test_the_time_is_filled_in_after_a_restart_too():
    r = Run(trusted=False)
    r.client.reachable = False
    r.run(5000)
    r.sync = True  # the time comes, the broker does not
    r.run(15000)
    # when the last reading of 20 s was taken
    want = SYNCED - r.node.clock.uptime_ms(r.now) + 20000
    after = Run(trusted=False)
    after.run(30000)
    got = everything(after)
    boot = r.node.delivery.boot
    first = got[(boot, 1)]
    assert abs(want - 20000 - first["ts"]) < 30000 and got[(boot, 2)]["ts"] - first["ts"] == 1000
    assert "ts" not in got[(boot + 1, 1)], "of this boot nobody knows"


def test_without_memory_for_a_connection_it_restarts_when_all_is_on_flash():
    r = Run()
    for _ in range(70):
        r.run(10000, 1000)
        r.client.sent.clear()
    outbox = r.node.delivery.outbox
    sync, outbox.sync = outbox.sync, lambda now: False

    def starve(now, clean_session=False, anew=False):
        raise OSError(12, "TLS: not enough memory")

    r.client.start = starve
    r.client.reachable = False
    r.run(60000)
    assert r.board.resets == 0, "what is in RAM only would be lost"
    outbox.sync = sync
    r.run(2000)
    assert r.board.resets > 0 and not outbox._unsynced
    with open("state/reset") as f:
        assert f.read() == "no memory for a connection, time after time"


def test_latest_keeps_one_reading_over_an_outage():
    r = Run()
    r.channel.latest = True
    r.run(3000)
    before = len(everything(r))
    r.client.reachable = False
    r.run(60000)
    r.client.reachable = True
    r.run(60000)
    got = sorted(seq for boot, seq in everything(r))
    gaps = [(got[i], got[i + 1]) for i in range(len(got) - 1) if got[i + 1] != got[i] + 1]
    assert len(gaps) == 1 and gaps[0][0] <= before + 2 and gaps[0][1] > 60, gaps
    assert r.node.delivery.outbox.superseded >= 50


def test_change_delivers_what_differs_and_a_heartbeat():
    from firmware.sensors.change import Change

    r = Run()
    r.channel.change = Change([0.5], 20000)
    r.run(10000)
    assert len(everything(r)) == 1 and r.node.seq == 1
    r.channel.value = 20.5
    r.run(2000)
    assert r.node.seq == 1, "at the deadband is within it"
    r.channel.value = 20.6
    r.run(2000)
    assert r.node.seq == 2
    r.channel.value = "no answer on the bus"
    r.run(3000)
    assert r.node.seq == 3
    r.channel.value = 20.6
    r.run(24000)
    assert r.node.seq == 5, "the value is back, and the heartbeat"


def test_a_change_that_went_nowhere_is_not_taken_for_delivered():
    # At QoS 0, while there was no connection, a door was closed; the broker went on showing it open, for an hour.
    from firmware.sensors.change import Change

    r = Run()
    r.channel.qos = 0
    r.channel.change = Change([0.5], 3600000)
    r.run(5000)
    assert [reading["temperature"] for reading in r.readings()] == [20.0]
    r.client.reachable = False
    r.channel.value = 30.0
    r.run(10000)
    r.client.reachable = True
    r.run(70000)
    assert [reading["temperature"] for reading in r.readings()] == [20.0, 30.0]
    send = r.client.send
    r.client.send = lambda *args: None  # connected, but there is no room
    r.channel.value = 40.0
    r.run(3000)
    r.client.send = send
    r.run(3000)
    assert [reading["temperature"] for reading in r.readings()] == [20.0, 30.0, 40.0]


def test_a_change_that_a_full_outbox_refuses_is_not_taken_for_delivered():
    from firmware.sensors.change import Change

    r = Run()
    r.run(3000)
    outbox = r.node.delivery.outbox
    append = outbox.append
    outbox.append = lambda *args: False
    r.channel.change = Change([0.5], 3600000)
    r.channel.value = 30.0
    r.run(5000)
    outbox.append = append
    r.run(5000)
    assert [reading["temperature"] for reading in r.readings()][-1] == 30.0


def test_qos_2_keeps_its_packet_id_over_a_restart():
    r = Run()
    r.channel.qos = 2
    r.client.restored = []
    r.run(5000)
    r.client.step = lambda now: ([], [])  # nothing is acknowledged any more
    pids = []
    send = r.client.send
    r.client.send = r.node.uplink.send = lambda *args: pids.append(args[4:]) or send(*args)
    r.run(3000)
    (one, dup), (two, _) = pids[:2]
    assert one >= 0x8000 and two == one + 1 and not dup, pids
    r.client.journal([one])
    Client.restore = lambda self, *args: RESTORED.append(args)
    after = Run()
    after.channel.qos = 2
    assert [(args[0], args[2], args[5]) for args in RESTORED] == [(one, b"", True)], RESTORED
    del pids[:]
    send_after = after.client.send
    after.client.send = after.node.uplink.send = lambda *args: (
        pids.append(args[4:]) or send_after(*args)
    )
    after.client.in_flight.append(one)
    after.run(2000)
    assert (two, True) in pids and not any(pid == one for pid, _ in [p for p in pids if p])
    before = min(everything(after))
    after.client.in_flight.remove(one)
    assert after.client.journal(None) == [one], "the broker has forgotten it"
    after.run(1000)
    assert min(everything(after)) == (r.node.delivery.boot, before[1] - 1)
    assert (one, True) in pids and after.client.journal(None) == []


RESTORED = []


def test_while_late_readings_go_new_ones_do_too():
    r = Run()
    r.run(3000)
    r.client.reachable = False
    r.run(300000)
    r.client.reachable = True
    left = [0]
    send = r.client.send

    def slowly(*args):
        if args[3:4] == (1,) and "climate" in args[0].decode():
            if not left[0]:
                return None
            left[0] -= 1
        return send(*args)

    r.client.send = r.node.uplink.send = slowly
    r.run(46000)  # the pause before the next attempt, at its longest
    for _ in range(80):
        left[0] = 4
        r.run(1000)
    live = [reading["seq"] for reading in r.readings()]
    late = [reading["seq"] for reading in r.readings("outpost/esp32-a1b2c3/history/climate")]
    assert r.node.delivery.outbox.peek(r.now) is not None, "still under way"
    assert late == sorted(late) and live == sorted(live)
    assert len(set(live + late)) == len(live) + len(late), "none twice"
    assert live[-1] >= r.node.seq - 1, "new ones do not wait for the old"
    assert len(late) > 100


def test_no_growth_over_many_readings():
    import gc

    r = Run()
    r.client.send = r.node.uplink.send = lambda *args: (
        r.client.unacked.append(1) or (1 if args[3:4] == (1,) else 0)
    )
    r.run(70000)  # in the first minute comes some code for the first time
    gc.collect()
    before = gc.mem_alloc()
    r.run(2000000, step=1000)
    gc.collect()
    assert gc.mem_alloc() - before < 512, gc.mem_alloc() - before


def until_memory_ends(r):
    """Return the records that the node has kept in its last pass."""
    before = len(r.node.delivery.outbox)
    try:
        r.run(2000)
    except MemoryError:
        return [record.data for record in r.node.delivery.outbox][before:]
    raise AssertionError("it goes on as if nothing had been")


def test_a_reading_in_hand_when_the_memory_ends_is_kept():
    r = Run(online=False)
    r.run(3000)
    take = r.node.delivery.take
    seqs = []

    def short_of_memory(channel, at, seq, members):
        seqs.append(seq)
        if len(seqs) == 1:
            raise MemoryError
        take(channel, at, seq, members)

    r.node.delivery.take = short_of_memory
    (kept,) = until_memory_ends(r)
    assert b"temperature" in kept and len(set(seqs)) == 1
    assert r.node.delivery.outbox.dropped == 0


def test_or_counted():
    def no_memory(*args):
        raise MemoryError

    r = Run(online=False)
    r.run(3000)
    r.node.delivery.take = no_memory
    assert until_memory_ends(r) == []
    assert r.node.delivery.outbox.dropped == 1


def test_a_sensor_for_which_there_is_no_memory_is_told():
    def no_memory(now):
        raise MemoryError

    r = Run(online=False)
    r.run(3000)
    r.node.channels[0].step = no_memory
    (kept,) = until_memory_ends(r)
    assert b'"error":"not enough memory"' in kept


def test_the_console_shows_that_a_node_is_well():
    """Else `make logs` of a node on which nothing happens would show nothing."""
    from firmware.upkeep import log

    shown = []
    log.print = shown.append
    r = Run()
    r.node.log.level = log.LEVELS.index("info")
    r.run(180_000)
    lines = [line for line in shown if " health {" in line]
    sent = [message[1].decode() for message in r.client.on("outpost/esp32-a1b2c3/health")]
    assert len(sent) > 2 and lines[-1].endswith(" health " + sent[-1]), shown
    r.node.log.level = log.LEVELS.index("warning")
    del shown[:]
    r.run(180_000)
    assert not [line for line in shown if "health {" in line], shown
