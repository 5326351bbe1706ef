"""Real databases on free loopback ports, for tests and benchmarks: those of `python -m tools setup --databases`, else of PATH.

with Postgres(folder) as server:
    … server.database("name") …      # its address, for --store
    server.kill(); server.start()
"""

import http.client
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import urlencode

from sim.broker import HOST, free_port
from tools import CommandError, processes, shell, toolchain

USER = "outpost"
_PATIENCE_S = 30
_MISSING = "is not here: python -m tools setup --databases, or sudo apt-get install"
# Processes of PostgreSQL notice that the first of them was killed, and end: not at once.
_STILL_ENDING = "pre-existing shared memory block"
# PostgreSQL does not run as root. As nobody it may go wherever root's folders are.
_NOBODY = 65534
_AS_NOBODY = (
    *("setpriv", "--reuid", _NOBODY, "--regid", _NOBODY, "--clear-groups"),
    *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"),
)


class _Server:
    """One that may be stopped, killed, frozen and started again on its port."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port = free_port()
        self.process = None
        self.log = self.folder / "log"

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *exception):
        self.kill()

    def start(self):
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            began = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self.process = processes.start(
                    self.words(), stdout=log, stderr=log, env=os.environ | self.environment()
                )
            while time.monotonic() < deadline and self.alive:
                if self.answers():
                    return self
                time.sleep(0.02)
            told = self.log.read_bytes()[began:].decode(errors="replace")
            if self.alive or _STILL_ENDING not in told:
                break
            time.sleep(0.1)
        self.kill()
        raise CommandError(f"{type(self).__name__} does not start: {told[-2000:]}")

    def stop(self):
        """End it in order."""
        processes.stop(self.process, _PATIENCE_S)

    def kill(self):
        """End it as a power cut would, with all that it has started."""
        if self.process:
            processes.kill(self.process)

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def environment(self):
        return {}


class Postgres(_Server):
    """timescale: load TimescaleDB, and have it in each database. CommandError: it is not here. No password is asked on loopback."""

    def __init__(self, folder, timescale=False):
        super().__init__(folder)
        self.programs = _postgres()
        if timescale and not self._has_timescale():
            raise CommandError(f"TimescaleDB {_MISSING} postgresql-17-timescaledb")
        self.timescale = timescale
        self.data = self.folder / "data"
        self.folder.mkdir(parents=True)
        if shell.is_root():
            os.chown(self.folder, _NOBODY, _NOBODY)
        how = ("--no-sync", "--no-locale", "--encoding", "UTF8", "--auth", "trust")
        shell.command(
            self._own("initdb", "--pgdata", self.data, "--username", USER, *how),
            env=os.environ | self.environment(),
        )

    def words(self):
        settings = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "timezone": "GMT",
            "log_timezone": "GMT",
            "jit": "off",
        }
        if self.timescale:
            settings |= {
                "shared_preload_libraries": "timescaledb",
                "timescaledb.telemetry_level": "off",
            }
        return self._own(
            "postgres", "-D", self.data, *(f"--{name}={value}" for name, value in settings.items())
        )

    def environment(self):
        return {"TZ": "GMT", "LC_ALL": "C"}

    def answers(self):
        import psycopg

        try:
            psycopg.connect(self.address("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self):
        """End it in order, whoever is connected."""
        self.process.send_signal(signal.SIGINT)
        super().stop()

    def address(self, name):
        return f"postgresql://{USER}@{HOST}:{self.port}/{name}"

    def database(self, name):
        """Make an empty database, and return its address."""
        self.run("postgres", f"create database {name}")
        if self.timescale:
            self.run(name, "create extension timescaledb")
        return self.address(name)

    def run(self, name, text):
        """Run a statement in a database, outside of a transaction, and return its rows."""
        import psycopg

        with psycopg.connect(self.address(name), autocommit=True) as db:
            found = db.execute(text)
            return found.fetchall() if found.description else []

    def _own(self, program, *words):
        return [
            *(map(str, _AS_NOBODY) if shell.is_root() else ()),
            self.programs / program,
            *map(str, words),
        ]

    def _has_timescale(self):
        return (self.programs.parent / "lib" / "timescaledb.so").exists()


def _postgres():
    """The folder of PostgreSQL's server programs, the newest."""
    found = [
        *toolchain.DATABASES.glob("*/usr/lib/postgresql/*/bin/postgres"),
        *sorted(
            Path("/usr/lib/postgresql").glob("*/bin/postgres"),
            key=lambda path: -int(re.sub(r"\D", "", path.parts[-3]) or 0),
        ),
    ]
    on_path = shutil.which("postgres")
    if not found and not on_path:
        raise CommandError(f"PostgreSQL {_MISSING} postgresql")
    return found[0].parent if found else Path(on_path).resolve().parent


class Influx(_Server):
    """InfluxDB 1: line protocol at /write, InfluxQL at /query."""

    def __init__(self, folder):
        super().__init__(folder)
        own = toolchain.DATABASES / "bin" / "influxd"
        self.program = own if own.exists() else shutil.which("influxd")
        if not self.program:
            raise CommandError(f"InfluxDB {_MISSING} influxdb")
        self.folder.mkdir(parents=True)
        parts = "".join(f'[{part}]\n  dir = "{self.folder}/{part}"\n' for part in ("meta", "data"))
        (self.folder / "influx.conf").write_text(
            f'reporting-disabled = true\nbind-address = "{HOST}:{free_port()}"\n{parts}'
            f'  wal-dir = "{self.folder}/wal"\n[http]\n  bind-address = "{HOST}:{self.port}"\n'
        )

    def words(self):
        return [self.program, "-config", self.folder / "influx.conf"]

    def answers(self):
        return _answers(self.port, "/ping")

    def database(self, name):
        """Make an empty database, and return its address."""
        self.query(f"create database {name}")
        return f"http://{HOST}:{self.port}/?db={name}"

    def query(self, text, name=""):
        """The series of a query's answer, as InfluxDB has them in JSON; times in ms."""
        words = urlencode({"db": name, "epoch": "ms", "q": text})
        link = http.client.HTTPConnection(HOST, self.port, timeout=10)
        link.request("POST", f"/query?{words}")
        found = json.loads(link.getresponse().read())["results"][0]
        link.close()
        return found.get("series", [])


class Victoria(_Server):
    """VictoriaMetrics, of PATH alone: its package is 41 MB."""

    def __init__(self, folder):
        super().__init__(folder)
        self.program = shutil.which("victoria-metrics")
        if not self.program:
            raise CommandError(f"VictoriaMetrics {_MISSING} victoria-metrics")
        self.folder.mkdir(parents=True)

    def words(self):
        data = self.folder / "data"
        return [self.program, f"-httpListenAddr={HOST}:{self.port}", f"-storageDataPath={data}"]

    def answers(self):
        return _answers(self.port, "/health")

    def export(self, name):
        """The series of a metric, as VictoriaMetrics has them in JSON; times in ms."""
        link = http.client.HTTPConnection(HOST, self.port, timeout=10)
        link.request("GET", f"/api/v1/export?{urlencode({'match[]': name})}")
        found = [json.loads(line) for line in link.getresponse().read().splitlines()]
        link.close()
        return found


def _answers(port, path):
    link = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
