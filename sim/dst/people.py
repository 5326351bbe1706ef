"""What people do in a story: the node's settings, and what happens to it between two lives."""

import stage
from surroundings import NTP, A, B

import sim

NAMES = ("attic", "cellar", "roof", "shed")
ADDRESSES = ("0x48", "0x49", "0x4a", "0x4b")
NODES = ("", "north", "south")

# Files of state/ that somebody may spoil, and with what.
STATE = (
    "boot",
    "boots",
    "times",
    "crashes",
    "crash.txt",
    "reset",
    "discovery",
    "config.json",
    "dropped",
)
GARBAGE = (
    b"",
    b"0",
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b'{"1":[]}',
    b'{"1":1e999}',
    b'{"a":{"b":[null]}}',
    b"[[1],[2,3],{}]",
    b"99999999999999999999",
    b"1e9",
    b'"text"',
    b"{",
    b"\xff\xfe",
)


class People:
    """config: the settings that they have given the node."""

    def __init__(self, chance, surroundings, board, truth):
        """Draw the settings."""
        self.chance = chance
        self.surroundings = surroundings
        self.board = board
        self.truth = truth
        random = chance.random
        swarm = chance.swarm
        named = random.chance(50)  # are brokers known by name?
        hosts = [("a.lan", A), ("b.lan", B)][: len(surroundings.brokers)]
        self.config = config = {
            "node": {"name": random.choice(NODES[swarm.get("named", 0) :])},
            "wifi": {"networks": [{"ssid": "home", "password": "secret12"}]},
            "mqtt": {
                "brokers": [{"host": pair[0 if named else 1]} for pair in hosts],
                "window2": min([broker.max_inflight for broker in surroundings.brokers]),
                "keepalive_s": random.choice((10, 30)),
                "clean_session": chance.strikes("clean", 8),
            },
            "publish": {
                "qos": random.choice((1, 2)),
                "live_s": random.choice((5, 30)),
                "health_s": random.choice(swarm.get("health_s", (5, 20))),
                "plain": chance.plain,
            },
            "outbox": {
                "bytes": 8192 if chance.strikes("small", 33) else 65536,
                "sync_s": random.choice((0, 5, 5)),
                "ram_bytes": 4096,
            },
            "ntp": {
                "host": random.choice(("pool.ntp.org", NTP)),
                "interval_s": swarm.get("ntp_s", 3600),
            },
            "watchdog": {"arm_after_s": 5, "timeout_s": 8},
            "discovery": random.chance(15),
            "log": {"level": "debug"},
            "sensors": [],
        }
        for i in range(random.between(1, 3)):
            config["sensors"].append(self._draw_sensor(NAMES[i], ADDRESSES[i]))
        if config["mqtt"]["clean_session"] or chance.ill:
            truth.exact = False  # what a broker is taken for meanwhile may lower the QoS

    def _draw_sensor(self, name, address):
        chance, random = self.chance, self.chance.random
        return {
            "name": name,
            "type": random.choice(("tmp117", "ads1115")),
            "address": address,
            "sda": 26,  # with 27 a bus of every board
            "scl": 27,
            "interval_s": random.choice(chance.swarm.get("interval_s", (0.5, 1, 2, 5))),
            "qos": random.choice(chance.swarm.get("qos", (1, 1, 2, 2, 0))),
            "delivery": "latest" if chance.strikes("latest", 12) else "all",
        }

    def between(self):
        """What somebody does while the board has no power. Return how long it lasts, ms."""
        chance, random = self.chance, self.chance.random
        brokers = self.surroundings.brokers
        if chance.strikes("replaced", 4):
            self.board.draw_mac()
            self.board.erase()
            stage.tell("person", "another board in its place")
        elif chance.strikes("erased", 3):
            self.board.erase()
            stage.tell("person", "erases the flash")
        if chance.strikes("config", 15):
            self._change_config()
        if chance.strikes("broker_restarts", 10):
            broker = random.choice(brokers)
            broker.stop()
            broker.start()
            stage.tell("world", "broker %s restarts" % broker.name)
        if chance.strikes("broker_forgets", 5):
            self.surroundings.forget(random.choice(brokers))
        if chance.strikes("spoil", 6):
            self.truth.spoiled = True
            self.truth.exact = False
            for _ in range(random.between(1, 3)):
                self.board.spoil.append((random.choice(STATE), self._garbage()))
            spoiled = ", ".join([each[0] for each in self.board.spoil])
            stage.tell("person", "spoils %s" % spoiled)
        return random.choice((50, 500, 3000, 20_000, 3_600_000))

    def _garbage(self):
        random = self.chance.random
        kind = random(4)
        if kind == 0:
            return random.bytes(random.between(1, 300))
        return random.choice(GARBAGE)

    def _change_config(self):
        random, swarm = self.chance.random, self.chance.swarm
        sensors = self.config["sensors"]
        exactly_once = [sensor["name"] for sensor in sensors if sensor["qos"] == 2]
        what = random(6)
        if swarm.name not in (None, "people"):
            what = 1  # a theme needs the rest as it is
        elif swarm.name and random.chance(40):
            what = 0
        if what == 0:
            self.config["node"]["name"] = random.choice(NODES)
            self.truth.exact = False
        elif what == 1:
            for sensor in sensors:
                if random.chance(60):
                    sensor["qos"] = random.choice((0, 1, 1, 2))
        elif what == 2:
            i = random(len(sensors))
            sensors[i] = self._draw_sensor(sensors[i]["name"], sensors[i]["address"])
        elif what == 3 and len(sensors) < 3:
            free = [n for n in NAMES if n not in [s["name"] for s in sensors]]
            used = [s["address"] for s in sensors]
            address = next(a for a in ADDRESSES if a not in used)
            sensors.append(self._draw_sensor(random.choice(free), address))
        elif what == 4 and len(sensors) > 1:
            sensors.pop(random(len(sensors)))
        else:
            self.config["outbox"]["sync_s"] = random.choice((0, 5))
            if random.chance(10):
                self.config["mqtt"]["clean_session"] = True
                self.truth.exact = False
        if [sensor for sensor in sensors if sensor["name"] in exactly_once and sensor["qos"] < 2]:
            self.truth.lowered = True
        stage.tell("person", "changes the settings: %d" % what)
