"""`make bench`: lib/mqtt beside the other MicroPython clients and a floor, in one run, against one mosquitto.

Prints the table of docs/performance.md. What this machine cannot measure says so: system calls need strace, instructions
valgrind, the slow link root and /dev/net/tun. client_probe.py is what MicroPython runs, wire.py looks at the wire.
"""

import datetime
import os
import re
import shlex
import shutil
import ssl
import subprocess
import tarfile
import tempfile
from pathlib import Path

from sim.broker import Broker
from sim.certificates import Authority
from tools import CommandError, mpy, toolchain
from tools.bench import wire
from tools.setup import fetch

CLIENTS = ("floor", "simple", "robust", "simple2", "robust2", "ours")
PROBE = "client_probe"
PEERS = (
    # project, version, SHA-256 of the sdist
    (
        "micropython-umqtt.simple2",
        "2.2.0",
        "48fd4da7701b95986293b06d343fbc564ebe7dfa82f5c8c09364c20df755f0e4",
    ),
    (
        "micropython-umqtt.robust2",
        "2.2.0",
        "da3a09a570868d8e4ae6d2fad475230f6f2b130b45711be6873f83b10ebd4a6c",
    ),
)
MODULES = {
    "floor": (),
    "simple": ("umqtt/simple",),
    "robust": ("umqtt/simple", "umqtt/robust"),
    "simple2": ("umqtt/simple2", "umqtt/errno"),
    "robust2": ("umqtt/simple2", "umqtt/errno", "umqtt/robust2"),
    "ours": ("umqtt/simple", "umqtt/robust", "mqtt/*"),
}
RTT_MS = 100
SLOW = {"simple", "robust", "simple2", "robust2"}  # 44 ms a message at QoS 1
# who may send before the last one is acknowledged, and how many: with 32 of them umqtt's would be ten times slower
PIPELINED = {"floor": 32, "simple2": 500, "robust2": 500, "ours": 32}
DRAINS = ("one at a time", "window 32", "window 64")
KINDS = ("plain", "TLS 1.2", "TLS 1.3")
NODELAY = "set_tcp_nodelay true"  # else mosquitto's own Nagle's algorithm holds its answers, for every client


def add_arguments(parser):
    parser.add_argument(
        "--instructions-with",
        metavar="COMMAND",
        help="a 64-bit MicroPython to count instructions with: valgrind does not run Debian's 32-bit one",
    )
    parser.add_argument("--clients", default=",".join(CLIENTS), help="which, comma between")


def run(args):
    clients = [name for name in args.clients.split(",") if name]
    unknown = set(clients) - set(CLIENTS)
    if unknown:
        raise CommandError(f"unknown client {', '.join(sorted(unknown))}: {', '.join(CLIENTS)}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), clients, shlex.split(args.instructions_with or ""))
        bench.prepare()
        with Broker(bench.folder / "broker", settings=(NODELAY,)) as broker:
            bench.measure_near(broker.port)
            bench.measure_wire(broker.port)
            bench.measure_rates(broker.port)
        bench.measure_far()
    print(bench.circumstances(), end="\n\n")
    print("| | " + " | ".join(clients) + " |")
    print("|---" * (len(clients) + 1) + "|")
    for title, values in bench.rows:
        print(f"| {title} | " + " | ".join(shown(values.get(name)) for name in clients) + " |")
    return 0


class Bench:
    def __init__(self, folder, clients, counted=()):
        self.folder = folder
        self.counted = counted
        self.clients = clients
        self.lib = folder / "lib"
        self.rows = []

    def prepare(self):
        mpy.compile_tree(self.folder / "flash")
        shutil.copytree(self.folder / "flash" / "lib", self.lib)
        probe = Path("tools/bench", PROBE)
        mpy.compile_file(probe.with_suffix(".py"), self.lib / (PROBE + ".mpy"))
        for project, version, digest in PEERS:
            archive = self.folder / project
            fetch.fetch(project, version, digest, archive)
            with tarfile.open(archive) as sdist:
                for member in sdist.getmembers():
                    path = Path(member.name)
                    if path.parent.name == "umqtt" and path.suffix == ".py" and member.size:
                        source = self.folder / path.name
                        file = sdist.extractfile(member)
                        source.write_bytes(file.read() if file else b"")
                        target = self.lib / "umqtt" / (path.stem + ".mpy")
                        subprocess.run([*toolchain.mpy_cross(), "-o", target, source], check=True)
        authority = Authority(self.folder / "ca")
        self.tls = authority.issue("broker", ("localhost", "127.0.0.1"))
        self.ca = self.folder / "ca.der"
        self.ca.write_bytes(ssl.PEM_cert_to_DER_cert(authority.ca.read_text()))

    def circumstances(self):
        version = "import sys; print('MicroPython %d.%d.%d' % sys.implementation[1][:3])"
        words = ([*toolchain.micropython(), "-c", version], [str(toolchain.mosquitto()), "-h"])
        told = [
            subprocess.run(w, capture_output=True, text=True, check=False).stdout for w in words
        ]
        mosquitto = told[1].partition("\n")[0].replace(" version", "")
        today = datetime.date.today()
        date = f"{today.day} {today:%B %Y}"
        return f"{date}, {told[0].strip()} ({toolchain.bits()}-bit unix port), {mosquitto}"

    def probe(self, client, measure, port, count, ca="", host="127.0.0.1", heap="160k", before=()):
        """Run the probe, over TLS when there is a CA. Return the numbers it printed, or None when it failed."""
        micropython = toolchain.micropython(heap)
        if self.counted and before[:1] == ("valgrind",):
            micropython = [*self.counted, "-X", "heapsize=320k"]
        command = [*before, *micropython, "-m", PROBE]
        done = subprocess.run(
            [*command, client, measure, host, str(port), str(count), str(ca)],
            env={"MICROPYPATH": f"{self.lib}:.frozen", "PATH": os.environ["PATH"]},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            return None
        return [int(word) for word in done.stdout.split()]

    def row(self, title, value):
        """Add a row of value(client) for each client."""
        values = {}
        for client in self.clients:
            got = value(client)
            if got is not None:
                values[client] = got
        self.rows.append((title, values))

    def measure_near(self, port):
        # few messages: the collector is off, and some clients allocate 10 KB for one
        ram = {client: self.probe(client, "ram", port, 8) for client in self.clients}
        for i, title in enumerate(
            ("heap kept once connected, B", "allocated per publish QoS 0, B", "the same, QoS 1, B")
        ):
            self.row(title, lambda client, i=i: ram[client] and ram[client][i])
        self.row("smallest heap, .mpy, KiB", lambda client: self.smallest_heap(client, port))
        self.row(".mpy, B", self.flash)
        for qos in (0, 1):
            self.row(
                f"writes per publish QoS {qos}",
                lambda client, qos=qos: self.writes(client, port, qos),
            )
        for qos in (0, 1):
            self.row(
                f"instructions per publish QoS {qos}",
                lambda client, qos=qos: self.instructions(client, port, qos),
            )

    def measure_wire(self, port):
        for qos in (0, 1):
            self.row(
                f"TCP bytes per publish QoS {qos}",
                lambda client, qos=qos: self.recorded(
                    client, port, qos, lambda recorder: len(recorder.up)
                ),
            )
        folder = self.folder / "broker12"
        with (
            wire.at_most_tls12(folder),
            Broker(folder, tls=self.tls, settings=(NODELAY,)) as broker,
        ):
            for title, measure in (("records", len), ("bytes", sum)):
                for qos in (0, 1):
                    self.row(
                        f"TLS 1.2 {title} per publish QoS {qos}",
                        lambda client, qos=qos, measure=measure: self.recorded(
                            client,
                            broker.port,
                            qos,
                            lambda recorder: measure(recorder.records()),
                            self.ca,
                        ),
                    )

    def recorded(self, client, port, qos, measure, *more):
        """What the relay saw of one publish more: a run of 30 less one of 10."""
        seen = []
        for count in (10, 30):
            with wire.Recorder(port) as recorder:
                if self.probe(client, f"plain{qos}", recorder.port, count, *more) is None:
                    return None
            seen.append(measure(recorder))
        return whole((seen[1] - seen[0]) / 20)

    def measure_rates(self, port):
        self.row(
            "messages/s QoS 0",
            lambda client: first(self.probe(client, "rate0", port, 5000)),
        )
        self.row(
            "messages/s QoS 1, one at a time",
            lambda client: first(
                self.probe(client, "rate1", port, 60 if client in SLOW else 5000)
            ),
        )
        self.row(
            "messages/s QoS 1, pipelined",
            lambda client: (
                first(self.probe(client, f"drain:{PIPELINED[client]}", port, 5000))
                if client in PIPELINED
                else None
            ),
        )

    def smallest_heap(self, client, port):
        """The least heap, by bisection, in which 20 messages of QoS 1 go out."""
        low, high = 1, 64
        while low < high:
            middle = (low + high) // 2
            if self.probe(client, "plain1", port, 20, heap=f"{middle}k"):
                high = middle
            else:
                low = middle + 1
        return low

    def flash(self, client):
        files = [f for name in MODULES[client] for f in self.lib.glob(name + ".mpy")]
        return sum(f.stat().st_size for f in files)

    def writes(self, client, port, qos):
        if not shutil.which("strace"):
            return "no strace"
        counts = []
        for count in (10, 30):
            trace = self.folder / "trace"
            calls = "trace=write,send,sendto,sendmsg"
            self.probe(
                client, f"plain{qos}", port, count, before=("strace", "-e", calls, "-o", trace)
            )
            counts.append(len(trace.read_text().splitlines()))
        return whole((counts[1] - counts[0]) / 20)

    def instructions(self, client, port, qos):
        if not shutil.which("valgrind"):
            return "no valgrind"
        if not self.counted and toolchain.bits() == 32:
            return "needs 64 bits"
        counts = []
        few, many = (20, 60) if client in SLOW and qos else (500, 1500)
        for count in (few, many):
            out = self.folder / f"callgrind-{client}-{qos}-{count}"
            before = (
                *("valgrind", "--tool=callgrind", "--trace-children=yes"),
                f"--callgrind-out-file={out}.%p",
            )
            if self.probe(client, f"plain{qos}", port, count, before=before) is None:
                return "fails here"
            totals = [
                int(number)
                for path in self.folder.glob(out.name + ".*")
                for number in re.findall(r"^(?:totals|summary): (\d+)", path.read_text(), re.M)
            ]
            counts.append(max(totals))
        return (counts[1] - counts[0]) // (many - few)

    def measure_far(self):
        titles = [f"200 readings of QoS 1 over {RTT_MS} ms, s: {how}" for how in DRAINS]
        once = "one reading, connect to disconnect"
        titles += [f"{once}, round trips: {kind}" for kind in KINDS]
        titles += [f"{once}, B on the wire: {kind}" for kind in KINDS]
        if os.geteuid() or not Path("/dev/net/tun").exists() or not shutil.which("ip"):
            for title in titles:
                self.row(title, lambda client: "needs root and TUN")
            return
        trips, sizes = {}, {}
        with wire.Distance(RTT_MS / 2000) as distance:

            def far(client, measure, count, *more, port=1883):
                where = {"host": distance.ADDRESSES[0], "before": distance.inside(1)}
                return self.probe(client, measure, port, count, *more, **where)

            def once_through(kind, port, *more):
                for client in self.clients:
                    got = [first(far(client, "once", 1, *more, port=port)) for _ in range(3)]
                    with distance.counted() as count:
                        far(client, "once", 1, *more, port=port)
                    if None not in got:
                        trips[client, kind] = round(sorted(got)[1] / RTT_MS, 1)
                        sizes[client, kind] = count[0]

            with (
                wire.at_most_tls12(self.folder / "far12"),
                distance.broker(self.folder / "far12", self.tls),
            ):
                self.row(titles[0], lambda client: seconds(far(client, "drain:1", 20), 10))
                for title, window in ((titles[1], 32), (titles[2], 64)):
                    self.row(
                        title,
                        lambda client, window=window: (
                            seconds(far(client, f"drain:{window}", 200))
                            if client in PIPELINED
                            else None
                        ),
                    )
                once_through(KINDS[0], 1883)
                once_through(KINDS[1], 8883, self.ca)
            with distance.broker(self.folder / "far13", self.tls):
                once_through(KINDS[2], 8883, self.ca)
        for title, (values, kind) in zip(
            titles[3:], [(v, kind) for v in (trips, sizes) for kind in KINDS], strict=True
        ):
            self.row(title, lambda client, values=values, kind=kind: values.get((client, kind)))


def first(numbers):
    return numbers and numbers[0]


def whole(number):
    return int(number) if number == int(number) else round(number, 1)


def seconds(numbers, times=1):
    return numbers and round(numbers[1] * times / 1000, 2)


def shown(value):
    if value is None:
        return "–"  # noqa: RUF001
    return f"{value:,}" if isinstance(value, int) else str(value)
