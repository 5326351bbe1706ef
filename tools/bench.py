"""`make bench`: lib/mqtt.py beside the other MicroPython clients and a floor, in one run, against one mosquitto.

Prints the table of docs/performance.md. What this machine cannot measure says so: system calls need strace, instructions
valgrind, the slow link root and /dev/net/tun.
"""

import collections
import contextlib
import fcntl
import os
import re
import shlex
import shutil
import struct
import subprocess
import tarfile
import tempfile
import threading
import time
from pathlib import Path

from tools import ROOT, CommandError, fetch, mpy, toolchain
from tools.broker import Broker

CLIENTS = ("floor", "simple", "robust", "simple2", "robust2", "ours")
PROBE = ROOT / "tools" / "bench_probe.py"
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
    "ours": ("umqtt/simple", "umqtt/robust", "mqtt*"),
}
RTT_MS = 100
SLOW = {"simple", "robust", "simple2", "robust2"}  # 44 ms a message at QoS 1


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
        with Broker(bench.folder / "broker", settings=("set_tcp_nodelay true",)) as broker:
            bench.measure_near(broker.port)
        bench.measure_far()
    print("| | " + " | ".join(clients) + " |")
    print("|---" * (len(clients) + 1) + "|")
    for title, values in bench.rows:
        print(f"| {title} | " + " | ".join(str(values.get(name, "-")) for name in clients) + " |")
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
        for project, version, digest in PEERS:
            archive = self.folder / project
            fetch.fetch(project, version, digest, archive)
            with tarfile.open(archive) as sdist:
                for member in sdist.getmembers():
                    path = Path(member.name)
                    if path.parent.name == "umqtt" and path.suffix == ".py" and member.size:
                        source = self.folder / path.name
                        source.write_bytes(sdist.extractfile(member).read())
                        target = self.lib / "umqtt" / (path.stem + ".mpy")
                        subprocess.run([*toolchain.mpy_cross(), "-o", target, source], check=True)

    def probe(self, client, measure, port, count, host="127.0.0.1", heap="160k", before=()):
        """Run the probe. Return the numbers it printed, or None when it failed."""
        micropython = toolchain.micropython(heap)
        if self.counted and before[:1] == ("valgrind",):
            micropython = [*self.counted, "-X", "heapsize=320k"]
        command = [*before, *micropython, PROBE]
        done = subprocess.run(
            [*command, client, measure, host, str(port), str(count)],
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
                first(self.probe(client, "pipelined", port, 20000)) if client == "ours" else None
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
        for count in (20, 60):
            trace = self.folder / "trace"
            calls = "trace=write,send,sendto,sendmsg"
            self.probe(
                client, f"plain{qos}", port, count, before=("strace", "-e", calls, "-o", trace)
            )
            counts.append(len(trace.read_text().splitlines()))
        return round((counts[1] - counts[0]) / 40, 1)

    def instructions(self, client, port, qos):
        if not shutil.which("valgrind"):
            return "no valgrind"
        counts = []
        few, many = (20, 60) if client in SLOW and qos else (500, 1500)
        for count in (few, many):
            out = self.folder / f"callgrind-{client}-{qos}-{count}"
            before = ("valgrind", "--tool=callgrind", "--trace-children=yes")
            before += (f"--callgrind-out-file={out}.%p",)
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
        drain = f"200 readings of QoS 1 over {RTT_MS} ms, s"
        once = "one reading, connect to disconnect, round trips"
        if os.geteuid() or not Path("/dev/net/tun").exists() or not shutil.which("ip"):
            missing = "needs root and TUN"
            self.row(drain, lambda client: missing)
            self.row(once, lambda client: missing)
            return
        with Link(RTT_MS / 2000) as link, link.broker(self.folder / "far") as port:

            def far(client, measure, count):
                return self.probe(
                    client, measure, port, count, host=link.ADDRESSES[0], before=link.inside(1)
                )

            self.row(
                drain,
                # one at a time every message takes as long as the last: twenty tell what two hundred take
                lambda client: (
                    (got := far(client, "drain", 20 if client in SLOW else 200))
                    and round(got[1] / (100 if client in SLOW else 1000), 2)
                ),
            )
            self.row(
                once,
                lambda client: (got := far(client, "once", 1)) and round(got[0] / RTT_MS, 1),
            )


def first(numbers):
    return numbers and numbers[0]


class Link:
    """Two network namespaces joined by TUN devices; each packet is held for a while.

    A proxy would acknowledge at once what it has not delivered: here nothing but the packets' time is changed.
    """

    ADDRESSES = ("10.66.0.1", "10.66.0.2")

    def __init__(self, delay):
        self.delay = delay
        self.names = [f"outpost-bench-{os.getpid()}-{i}" for i in range(2)]
        self.tuns = []
        self.open = True

    def inside(self, i):
        return ("ip", "netns", "exec", self.names[i])

    def __enter__(self):
        for i, name in enumerate(self.names):
            ip("netns", "add", name)
            tun = os.open("/dev/net/tun", os.O_RDWR)
            device = f"ob{os.getpid() % 10000}{i}"
            # TUNSETIFF: IFF_TUN | IFF_NO_PI
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", device.encode(), 0x1001))
            ip("link", "set", device, "netns", name)
            ip("-n", name, "addr", "add", f"{self.ADDRESSES[i]}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
            self.tuns.append(tun)
        for way in ((0, 1), (1, 0)):
            packets = collections.deque()
            threading.Thread(target=self._hold, args=(way[0], packets), daemon=True).start()
            threading.Thread(target=self._release, args=(way[1], packets), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.open = False
        for name in self.names:
            ip("netns", "del", name)

    def _hold(self, source, packets):
        with contextlib.suppress(OSError):
            while self.open:
                data = os.read(self.tuns[source], 2048)
                packets.append((time.monotonic() + self.delay, data))

    def _release(self, target, packets):
        with contextlib.suppress(OSError):
            while self.open:
                if not packets:
                    time.sleep(0.0005)
                    continue
                due, data = packets.popleft()
                time.sleep(max(0, due - time.monotonic()))
                os.write(self.tuns[target], data)

    @contextlib.contextmanager
    def broker(self, folder):
        folder.mkdir()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener 1883 {self.ADDRESSES[0]}\nallow_anonymous true\nuser root\nset_tcp_nodelay true\n"
        )
        process = subprocess.Popen(
            [*self.inside(0), str(toolchain.mosquitto()), "-c", str(config)],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        try:
            yield 1883
        finally:
            process.terminate()
            process.wait(5)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)
