"""NATS and RabbitMQ on free loopback ports. The set-up brings NATS with Debian's programs; else both are taken from PATH.

Debian has both: `sudo apt-get install --no-install-recommends nats-server rabbitmq-server`.
"""

import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from sim.broker import HOST, PATIENCE, free_port
from tools import processes, toolchain

PACKAGES = "sudo apt-get install --no-install-recommends nats-server rabbitmq-server"


class Server:
    """Started by start(folder), which returns the words and the environment; `port` speaks MQTT."""

    program = None
    user = ("guest", "guest")

    def __init__(self, folder):
        # sbin is where Debian has servers, and not on everybody's PATH
        places = (
            toolchain.FOLDER / "bin",
            os.environ["PATH"],
            "/usr/sbin",
            "/usr/lib/rabbitmq/bin",
        )
        self.path = shutil.which(self.program, path=os.pathsep.join(map(str, places)))
        if not self.path:
            pytest.skip(f"{self.program} is not here: {PACKAGES}")
        self.folder = folder
        folder.mkdir(parents=True)
        self.port = free_port()
        self.process = None

    def __enter__(self):
        words, environment = self.configure()
        with (self.folder / "log").open("wb") as log:
            self.process = processes.start(
                [self.path, *words], stdout=log, stderr=log, env=os.environ | environment
            )
        deadline = time.monotonic() + 6 * PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if not probe.connect_ex((HOST, self.port)):
                    return self
            time.sleep(0.1)
        told = (self.folder / "log").read_text(errors="replace")[-2000:]
        self.__exit__()
        raise AssertionError(f"{self.program} does not start: {told}")

    def __exit__(self, *exception):
        processes.stop(self.process)

    def restart(self):
        processes.stop(self.process)
        self.__enter__()


class Nats(Server):
    program = "nats-server"

    @property
    def has_qos_2(self):
        """Whether it is 2.10 or newer."""
        told = subprocess.check_output([self.path, "--version"], text=True, timeout=10)
        return tuple(map(int, re.findall(r"\d+", told)[:2])) >= (2, 10)

    def configure(self):
        text = f"""\
server_name: test
listen: "{HOST}:{free_port()}"
jetstream {{ store_dir: "{self.folder}/store" }}
mqtt {{ listen: "{HOST}:{self.port}" }}
"""
        (self.folder / "nats.conf").write_text(text)
        return ["-c", str(self.folder / "nats.conf")], {}


class RabbitMQ(Server):
    program = "rabbitmq-server"

    def configure(self):
        folder = self.folder
        (folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {HOST}:{free_port()}\nmqtt.listeners.tcp.1 = {HOST}:{self.port}\n"
        )
        mapper = {"ERL_EPMD_ADDRESS": HOST, "ERL_EPMD_PORT": str(free_port())}
        # Erlang's port mapper: the server would start one that outlives it.
        self.mapper = processes.start([shutil.which("epmd") or "epmd"], env=os.environ | mapper)
        return [], mapper | {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"t{self.port}@localhost",
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def __exit__(self, *exception):
        super().__exit__(*exception)
        processes.stop(self.mapper)
