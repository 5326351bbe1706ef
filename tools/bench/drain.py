"""`python -m tools bench-drain`: how fast a node drains its outbox after an outage, through a link with a round trip of 100 ms.

A node, as .mpy on a simulated board whose flash is a real littlefs, samples three channels, 20 readings a second each, while
nobody listens at its broker's port. Then a relay does, and delays every byte by 50 ms each way. A subscriber, at the broker
itself, notes when each reading arrives; sampling goes on meanwhile.

A reading is stored when it was taken before the first one arrived, and new when after that. The drain is over with the last
stored one.
"""

import json
import shutil
import time
from contextlib import ExitStack
from typing import NamedTuple

import paho.mqtt.client as paho

from sim.alone import alone, short
from sim.broker import KEEP_ALL, Broker
from sim.proxy import Proxy
from sim.simboard import BOARDS, make_board, until
from tools import ROOT, CommandError, mpy, pins
from tools.numbers import whole

NAME = "drained"
TOPICS = f"outpost/{NAME}/"
DELAY_S = 0.05  # each way
INTERVAL_S = 0.05
BYTES = {"esp32": 1048576, "pico_w": 600000}  # of the outbox; a Pico W's file system has 848 KiB
MOST = 6000  # readings that every board's outbox holds
START_S = 3  # from power on to the first reading, at most
BACKOFF_S = 120  # until a node that was refused tries again
SLOWEST = 20  # stored readings/s that are waited for
CAUGHT_UP_S = 30  # from the last stored reading until nothing is missing between the new ones


class Reading(NamedTuple):
    at: float  # when it arrived
    ts: float  # when it was taken
    seq: int
    late: bool  # it came on the topic for history


def add_arguments(parser):
    parser.add_argument("--readings", type=whole(1), default=5000, help="to store (%(default)s)")
    parser.add_argument(
        "--window", type=whole(1, 64), default=32, help="mqtt.window (%(default)s)"
    )
    parser.add_argument("--qos", type=int, choices=(1, 2), default=1, help="%(default)s")


def run(args):
    if not 1 <= args.readings <= MOST or not 1 <= args.window <= 64:
        raise CommandError(f"--readings: 1 to {MOST}, --window: 1 to 64")
    columns, troubles = [], []
    for board in BOARDS:
        folder = ROOT / ".build" / "drain" / f"{board}-{args.qos}"
        with alone(folder):
            for old in ("broker", "flash"):
                shutil.rmtree(folder / old, ignore_errors=True)
            (folder / "flash.lfs").unlink(missing_ok=True)
            (folder / "console").unlink(missing_ok=True)
            with ExitStack() as stack:
                stand = Stand(folder, board, args, stack)
                stand.measure(args.readings)
        columns.append(results(stand))
        troubles += [f"{board}: {trouble}" for trouble in faults(stand, columns[-1], args.qos)]
        if not troubles:
            shutil.rmtree(folder)
    print(f"\n| QoS {args.qos}, window {args.window} | " + " | ".join(BOARDS) + " |")
    print("|---" * (1 + len(BOARDS)) + "|")
    for row in columns[0]:
        print(f"| {row} | " + " | ".join(str(column[row]) for column in columns) + " |")
    for trouble in troubles:
        print("fault:", trouble)
    return 1 if troubles else 0


class Stand:
    """Broker, relay, node and subscriber."""

    def __init__(self, folder, board, args, stack):
        self.folder = folder
        self.readings = []  # in the order they arrived, repeats too
        self.healths = []
        # Nagle's algorithm would hold acknowledgements back for as long as the broker waits for others of its own
        settings = (*KEEP_ALL, "set_tcp_nodelay true")
        broker = stack.enter_context(Broker(folder / "broker", settings=settings))
        self.proxy = stack.enter_context(Proxy(broker.port))
        self.proxy.refuse()
        self._subscribe(broker, args.qos, stack)
        mpy.compile_tree(folder / "flash")
        config = node_settings(board, self.proxy.port, args)
        self.board = make_board(folder, board, config, stack)

    def _subscribe(self, broker, qos, stack):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber")
        client.on_message = self._message
        subscribed = []
        client.on_subscribe = lambda *_: subscribed.append(True)
        client.connect(broker.host, broker.port, 60)
        client.subscribe(TOPICS + "#", qos)
        client.loop_start()
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        if not until(lambda: subscribed, 10):
            raise CommandError("the subscriber has no subscription")

    def _message(self, client, data, message):
        at = time.time()
        branch = message.topic.removeprefix(TOPICS).partition("/")[0]
        if branch in ("reading", "history"):
            reading = json.loads(message.payload)
            late = branch == "history"
            self.readings.append(Reading(at, reading["ts"] / 1000, reading["seq"], late))
        elif branch == "health":
            self.healths.append(json.loads(message.payload))

    def measure(self, count):
        """The outage, the drain, and a little more, until nothing is missing any more."""
        channels = len(pins.each(self.board.board, "adc"))
        seconds = START_S + count * INTERVAL_S / channels
        print(f"{self.board.board}: an outage of {seconds:.0f} s …", flush=True)
        self.board.start()
        until(lambda: not self.board.alive, seconds)
        self.proxy.heal()
        self.proxy.delay(DELAY_S)
        if not until(lambda: self.readings, BACKOFF_S):
            raise CommandError(f"no reading arrived; logs: {short(self.folder)}")
        print(f"{self.board.board}: the drain …", flush=True)
        until(self._drained, START_S + count / SLOWEST)
        until(lambda: not missing(list(self.readings)), CAUGHT_UP_S)
        self.board.stop()

    def _drained(self):
        time.sleep(0.5)  # asked seldom: the node needs the processor
        readings = list(self.readings)
        new = min((r.seq for r in readings if r.ts >= readings[0].at), default=0)
        return new and not missing([r for r in readings if r.seq <= new])


def node_settings(board, port, args):
    sensors = [
        {"name": f"adc{pin}", "type": "adc", "pin": pin, "r1": 10, "r2": 10}
        for (pin,) in pins.each(board, "adc")
    ]
    return {
        "node": {"name": NAME},
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "127.0.0.1", "port": port}], "window": args.window},
        "publish": {"health_s": 5, "qos": args.qos},
        "outbox": {"bytes": BYTES[board]},
        "sensors": [sensor | {"interval_s": INTERVAL_S} for sensor in sensors],
    }


def missing(readings):
    """How many have not come, of those up to the newest that has."""
    seqs = {reading.seq for reading in readings}
    return max(seqs, default=0) - len(seqs)


def results(stand):
    """One board's column: row → value."""
    readings = stand.readings
    began = readings[0].at
    stored = [reading for reading in readings if reading.ts < began]
    seconds = max(reading.at for reading in stored) - began
    new = [r for r in readings if r.ts >= began and r.at <= began + seconds]
    live = [reading.at - reading.ts for reading in new if not reading.late]
    return {
        "readings stored": len({reading.seq for reading in stored}),
        "from the first to the last of them, s": round(seconds, 1),
        "of them a second": round(len(stored) / seconds),
        "of all a second": round((len(stored) + len(new)) / seconds),
        "new readings that arrived live meanwhile": len(live),
        "new readings that arrived as history meanwhile": len(new) - len(live),
        "longest from taken to arrived, of those live, s": round(max(live), 2) if live else "none",
        "readings lost": missing(readings),
        "readings doubled": len(readings) - len({reading.seq for reading in readings}),
    }


def faults(stand, column, qos):
    found = []
    if column["readings lost"]:
        found.append("readings lost")
    if qos == 2 and column["readings doubled"]:
        found.append("readings doubled at QoS 2")
    if stand.board.resets != ["power"] or stand.board.dead is not None:
        found.append("the node ended by itself")
    if "Traceback" in stand.board.output:
        found.append("the node's console has a traceback")
    counts = ("dropped", "corrupt", "outbox_errors")
    found += [f"health: {name}" for name in counts if any(h[name] for h in stand.healths)]
    return [f"{each}; logs: {short(stand.folder)}" for each in found]
