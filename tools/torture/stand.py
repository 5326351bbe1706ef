"""What `make torture` tortures: a node on a littlefs image, a broker that persists, a subscriber, a collector, a proxy between; and how."""

import json
import signal
import time

import paho.mqtt.client as paho

from sim.broker import KEEP_ALL, Broker
from sim.proxy import Proxy
from sim.simboard import make_board, until
from tools import CommandError, pins
from tools.torture.collecting import collecting
from tools.torture.verdict import Message, channel_of, published

NAME = "tortured"
TOPICS = f"outpost/{NAME}/"
QOS = {"least": 1, "once": 2}
_INTERVAL_S = 0.25
_KEEPALIVE_S = 5
_HEALTH_S = 5
_REST = 20  # cuts, after which everything must have been delivered
_PATIENCE = 60  # seconds until it is
_WAITING = 4  # readings the node may have in hand while all goes well


def node_settings(board, port, sync_s):
    return {
        "node": {"name": NAME},
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "127.0.0.1", "port": port}], "keepalive_s": _KEEPALIVE_S},
        "publish": {"health_s": _HEALTH_S},
        "outbox": {"sync_s": sync_s},
        "sensors": [
            sensor(name, pin) for name, (pin,) in zip(QOS, pins.each(board, "adc"), strict=False)
        ],
    }


def sensor(name, pin):
    return {
        "name": name,
        "type": "adc",
        "pin": pin,
        "r1": 10,
        "r2": 10,
        "interval_s": _INTERVAL_S,
        "qos": QOS[name],
    }


class Stand:
    """Broker, proxy, node, subscriber and collector. store: of which kind (collecting.STORES)."""

    def __init__(self, folder, board, sync_s, store, stack):
        self.messages = []
        self.outages = []  # (when it ends, how)
        self.broker = stack.enter_context(
            Broker(folder / "broker", persistent=True, settings=KEEP_ALL)
        )
        self.proxy = stack.enter_context(Proxy(self.broker.port))
        self.subscriber = self._subscriber(stack)
        self.collector = collecting(folder, self.broker, store, stack)
        if not until(lambda: "connected to " in self.collector.said(), _PATIENCE):
            raise CommandError(f"the collector does not start: {self.collector.said()[-500:]}")
        config = node_settings(board, self.proxy.port, sync_s)
        self.board = make_board(folder, board, config, stack)

    def _subscriber(self, stack):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda client, *_: client.subscribe(TOPICS + "#", 2)
        client.on_message = lambda client, data, m: self.messages.append(
            Message(m.topic.removeprefix(TOPICS), m.payload.decode(errors="replace"), m.qos)
        )
        subscribed = []
        client.on_subscribe = lambda *_: subscribed.append(True)
        client.connect(self.broker.host, self.broker.port, 30)
        client.loop_start()
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        until(lambda: subscribed, 10)
        return client

    def suffer(self, cuts, progress):
        """Every cut, with a rest now and then. Returns what kept it from its end."""
        began = time.monotonic()
        self.board.start()
        if not self.delivered():
            return ["the node did not come online"]
        for done, cut in enumerate(cuts, 1):
            self._pause(cut.wait_s)
            getattr(self, cut.kind)(**cut.arguments)
            each_s = (time.monotonic() - began) / done
            progress(done, f"{each_s:.2f} s each, {self.readings} readings")
            if (done % _REST == 0 or done == len(cuts)) and not self.delivered():
                return [f"after cut {done}, {cut.kind}: not all delivered in {_PATIENCE} s"]
        return []

    @property
    def readings(self):
        return sum(channel_of(message.topic) in QOS for message in self.messages)

    def delivered(self):
        """Heal everything and wait until the node has nothing left: it says so, and readings come as they are taken."""
        while self.outages:
            self.outages.pop()[1]()
        self.proxy.heal()
        self.collector.heal()
        self.collector.start()
        start = time.time()
        before = len(self.messages)

        def live(channel):
            return any(
                message.topic == "reading/" + channel
                and json.loads(message.text).get("ts", 0) > start * 1000
                for message in self.messages[before:]
            )

        def idle():
            healths = [m.text for m in self.messages[before:] if m.topic == "health"]
            return healths and json.loads(healths[-1])["outbox"] <= _WAITING

        return until(lambda: all(map(live, QOS)) and idle(), _PATIENCE) and self.collected()

    def collected(self):
        """Wait until the collector has stored what the subscriber has now."""
        owed = published(list(self.messages), NAME, QOS).keys()
        return until(lambda: owed <= {row[:3] for row in self.collector.rows()}, _PATIENCE)

    def troubles(self):
        """What the node itself shows that it must not: ends of its own, exceptions, readings dropped."""
        found = []
        own = [cause for cause in self.board.resets if cause != "power"]
        if own or self.board.dead is not None:
            found.append(f"the node ended by itself: {own or self.board.dead}")
        if "Traceback" in self.board.output:
            found.append("the node's console has a traceback")
        if "Traceback" in self.collector.said():
            found.append("the collector's log has a traceback")
        dropped = [json.loads(m.text)["dropped"] for m in self.messages if m.topic == "health"]
        if any(dropped):
            found.append(f"the node dropped readings, {max(dropped)} in one life")
        return found

    def resent(self):
        """PUBLISHes sent again within a life, as far as health reports came."""
        total = last = uptime_s = 0
        for message in self.messages:
            if message.topic == "health":
                health = json.loads(message.text)
                if health["uptime_s"] < uptime_s:
                    total += last
                last, uptime_s = health["resent"], health["uptime_s"]
        return total + last

    # the cuts

    def link_ends(self, how):
        self.proxy.close() if how == "close" else self.proxy.reset()

    def link_ends_in_mid_packet(self, count, way, how):
        self.proxy.after(count, way, how)

    def black_hole(self, seconds):
        self.proxy.swallow()
        self._ends(seconds, self.proxy.heal)

    def half_open(self, way):
        self.proxy.lose(way)

    def delay(self, delay_s, seconds):
        self.proxy.delay(delay_s)
        self._ends(seconds, lambda: self.proxy.delay(0))

    def broker_stops(self, seconds):
        self.broker.stop()
        self._ends(seconds, self._revive)

    def broker_dies(self, seconds):
        if self.broker.alive:
            self.proxy.hold()
            self.settle()
            self._save()
            self.broker.kill()
            self.proxy.heal()
        self._ends(seconds, self._revive)

    def collector_stops(self, seconds):
        self.collector.stop()
        self._ends(seconds, self.collector.start)

    def collector_dies(self, seconds):
        self.collector.kill()
        self._ends(seconds, self.collector.start)

    def database_fails(self, seconds):
        self.collector.fails()
        self._ends(seconds, self.collector.heal)

    def database_is_locked(self, seconds):
        self.collector.lock()
        self._ends(seconds, self.collector.heal)

    def _revive(self):
        if not self.broker.alive:
            self.broker.start()

    def _ends(self, seconds, function):
        """An outage goes on while other things happen."""
        self.outages.append((time.monotonic() + seconds, function))

    def _pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for outage in list(self.outages):
                if time.monotonic() >= outage[0]:
                    self.outages.remove(outage)
                    outage[1]()
            time.sleep(0.01)

    def settle(self):
        """Wait until what the broker has reached the subscriber."""
        for _ in range(100):
            known = len(self.messages)
            if not until(lambda known=known: len(self.messages) > known, 0.1):
                return

    def _save(self):
        """Make the broker save now. It writes a new file and renames it."""
        file = self.broker.folder / "mosquitto.db"
        was = file.stat().st_ino if file.exists() else None
        self.broker.process.send_signal(signal.SIGUSR1)
        until(lambda: file.exists() and file.stat().st_ino != was, 5)

    def power_fails_in_mid_write(self, writes, how):
        """It fails when the node has written so often, now or later."""
        lives = len(self.board.lives)
        self._do("power_fails", writes=writes, how=how)
        until(lambda: len(self.board.lives) > lives, 2)

    def power_fails_in_mid_start(self, writes, how):
        self.board.prepare("power_fails", writes=writes, how=how)
        self.power_fails(0)

    def power_fails(self, seconds):
        self._do("flash_counts")
        time.sleep(0.05)
        self.board.kill()
        self._pause(seconds)
        self.board.start()

    def _do(self, call, **arguments):
        """A call that finds the board running: it is between two lives now and then."""

        def done():
            try:
                self.board.do(call, **arguments)
            except RuntimeError:
                return False
            return True

        until(done, 2)
