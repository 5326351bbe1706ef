"""A real mosquitto on a free loopback port, for `make run` and the tests.

    with Broker(folder, users={"node": "secret"}) as broker:
        … broker.port …
        broker.restart()

Everything it writes is in `folder`: its configuration, the hashed passwords, what it persists, `mosquitto.log`.
"""

import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tools import CommandError, processes, shell, toolchain

HOST = "127.0.0.1"
PATIENCE = 10  # seconds for the broker to start
# Settings with which nothing is thrown away that waits for a client that is away. Not 0, the manual's word for no limit: up to 2.0.21 the
# connection then ends of whoever publishes what it may not.
KEEP_ALL = ("max_queued_messages 1000000000",)


class Broker:
    """A broker that may be stopped, killed, frozen and started again on the same port.

    folder       where its files are; made if needed
    users        {name: password}; None lets anyone in
    acl          {user: ("readwrite outpost/#", …)}; None allows everything
    tls          object with `.ca`, `.cert`, `.key`: paths of PEM files (sim.certificates makes them)
    client_certs True: a client must show a certificate of that CA; its common name is the user
    persistent   sessions and retained messages survive `stop` and `start`, and, saved at each change, `kill`
    settings     further lines of mosquitto.conf
    """

    host = HOST

    def __init__(
        self,
        folder,
        users=None,
        acl=None,
        tls=None,
        client_certs=False,
        persistent=False,
        settings=(),
    ):
        self.folder = Path(folder)
        self.users = users
        self.acl = acl
        self.tls = tls
        self.client_certs = client_certs
        self.persistent = persistent
        self.settings = settings
        self.port = 0  # chosen at the first start
        self._kept = None  # socket that keeps it while the broker is stopped
        self.log = self.folder / "mosquitto.log"
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        chosen = self.port
        for _ in range(5):
            if not chosen:
                self.port, self._kept = keep_port()
            self._configure()
            if self._started():
                return self
            if chosen or "Address already in use" not in self._told():
                break  # else someone was quicker: choose another
        raise CommandError(f"mosquitto does not start: {self._told() or self.log}")

    def stop(self):
        """Shut it down in order: what is persistent is saved, clients see the connection closed."""
        if self.alive:
            self.thaw()
            processes.stop(self.process)

    def kill(self):
        """End it as a power cut would."""
        if self.process:
            processes.kill(self.process)

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        """Let it hang: connections stay open, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    def _configure(self):
        lines = [
            f"listener {self.port} {HOST}",
            f"allow_anonymous {true_or_false(self.users is None)}",
            "log_dest stderr",
            "log_type all",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "connection_messages true",
            f"persistence {true_or_false(self.persistent)}",
        ]
        if shell.is_root():
            # else it becomes `mosquitto`, who may not read the folder or not exist
            lines.append("user root")
        if self.persistent:
            lines += [
                f"persistence_location {self.folder}/",
                "autosave_on_changes true",
                "autosave_interval 1",
            ]
        if self.users is not None:
            lines.append(f"password_file {self._passwords()}")
        if self.acl is not None:
            path = self.folder / "acl"
            self._write(
                path, "".join(f"user {name}\n" + topics(rules) for name, rules in self.acl.items())
            )
            lines.append(f"acl_file {path}")
        if self.tls:
            lines += [
                f"cafile {self.tls.ca}",
                f"certfile {self.tls.cert}",
                f"keyfile {self.tls.key}",
            ]
        if self.client_certs:
            lines += ["require_certificate true", "use_identity_as_username true"]
        self._write(self.folder / "mosquitto.conf", "\n".join([*lines, *self.settings]) + "\n")

    def _passwords(self):
        path = self.folder / "passwords"
        self._write(path, "".join(f"{name}:{password}\n" for name, password in self.users.items()))
        # -U hashes a file in place: no password on a command line, where every user of the machine may read it
        subprocess.run([toolchain.mosquitto_passwd(), "-U", path], check=True, timeout=PATIENCE)
        return path

    def _write(self, path, text):
        path.touch(mode=0o600)
        path.write_text(text)

    def _started(self):
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            config = self.folder / "mosquitto.conf"
            self.process = processes.start(
                [toolchain.mosquitto(), "-c", config], stderr=log, stdout=log
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.alive:
            if re.search(rb"mosquitto version \S+ running", self._log_now()):
                return True
            time.sleep(0.01)
        processes.kill(self.process)
        return False

    def _log_now(self):
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def _told(self):
        errors = [line for line in self._log_now().decode().splitlines() if "Error" in line]
        return "; ".join(errors)


def topics(rules):
    return "".join(f"topic {rule}\n" for rule in rules)


def true_or_false(value):
    return "true" if value else "false"


def free_port(kind=socket.SOCK_STREAM):
    """A loopback port that nobody has."""
    port, kept = keep_port(kind)
    kept.close()
    return port


def keep_port(kind=socket.SOCK_STREAM):
    """(a free loopback port, a socket): until the socket is closed nobody else is given the port, whether its server runs or not.

    Below those that a system gives out by itself: a server that is started again on its port must not find another program's
    connection there. The server sets SO_REUSEADDR, as servers do; only on Linux is that enough to share a port with a
    socket that does not listen, so elsewhere nothing keeps it.
    """
    for _ in range(100):
        kept = socket.socket(socket.AF_INET, kind)
        try:
            kept.bind((HOST, random.randrange(20000, 30000)))
        except OSError:
            kept.close()
            continue
        # after bind(): two that are kept do not share a port
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = kept.getsockname()[1]
        if sys.platform != "linux":
            kept.close()
        return port, kept
    raise CommandError(f"no port of {HOST} from 20000 to 29999 is free")
